"""The studio's panel for one's own data: a copy is asked for, followed, downloaded whole, and deleted, in both languages."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from lethe_common.exports import read_export
from tests.browser.conftest import Open
from tests.suite import RunningSuite


@pytest.mark.parametrize(
    ("language", "ready", "download", "removed"),
    [
        ("en-US", "Ready, ", "Download", "The copy is deleted."),
        ("ru-RU", "Готова, ", "Скачать", "Копия удалена."),
    ],
)
def test_a_copy_is_made_downloaded_and_deleted_in_the_studio(
    visit: Open, suite: RunningSuite, tmp_path: Path, language: str, ready: str, download: str, removed: str
) -> None:
    visitor = visit(suite.url, language=language)
    visitor.sign_up()
    page = visitor.page

    page.locator("#make-export").click()
    entry = page.locator("#exports > li")
    expect(entry).to_contain_text(ready)
    with page.expect_download() as started:
        entry.get_by_text(download).click()
    file = tmp_path / "export.zip"
    started.value.save_as(file)
    export = read_export(file)
    assert export.documents["account.json"]["account"][0]["email"] == visitor.email
    assert export.manifest["language"] == language[:2]

    entry.get_by_role("button").click()
    expect(page.locator("#announce")).to_have_text(removed)
    expect(entry).to_have_count(0)
    expect(page.locator("#make-export")).to_be_enabled()
