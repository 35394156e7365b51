import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from lethe_common.policy import load_book, load_profile
from lethe_common.policy.languages import LANGUAGES
from lethe_gateway.endpoints.policy import policy_pages
from lethe_gateway.endpoints.record import record_routes
from lethe_gateway.gate import Gate
from lethe_gateway.operators import Operators
from lethe_gateway.pages import Pages, terms_in_force
from lethe_gateway.published import ADDRESSES, Published
from lethe_gateway.refusals import install
from tests.hand_clock import HandClock
from tests.unit.common.policy_files import NAMES, PROFILES, in_two_versions, shipped
from tests.unit.common.test_policy_pages import read

EFFECTIVE = datetime(2026, 12, 5, tzinfo=UTC)
TOKEN = "t" * 32


def client(folder: Path, clock: HandClock, language: str = "") -> httpx2.AsyncClient:
    """The published pages and the record behind the gate, as both applications have them."""
    profile, app = load_profile(folder), FastAPI()
    pages = Pages(terms_in_force(profile.book, profile.catalogue, clock))
    published = Published(profile.book, clock, stylesheet=pages.address("lethe.css"))
    install(app, pages)
    app.include_router(policy_pages(published))
    app.include_router(record_routes(published, Operators(SecretStr(TOKEN), timedelta(hours=1), cookie="operator")))
    gate = Gate(app, lambda _method, _path: 1024, is_https=False)
    headers = {"Accept-Language": language} if language else {}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(gate), base_url="http://studio", headers=headers)


@pytest.mark.parametrize("name", NAMES)
async def test_every_page_of_every_profile_is_whole_claimed_and_fit_for_the_strictest_policy(name: str) -> None:
    async with client(PROFILES / name, HandClock()) as browser:
        for address in ADDRESSES.values():
            answer = await browser.get(address)
            reader = read(answer.text)

            assert answer.status_code == 200, address
            assert reader.unclaimed == []
            assert reader.open == []
            assert len(reader.ids) == len(set(reader.ids))
            assert re.findall(r"<style|\bstyle=|<script|\bon[a-z]+=", answer.text) == []
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "set-cookie" not in answer.headers


async def test_the_language_is_the_one_asked_for_else_the_policys_own() -> None:
    async with client(PROFILES / "aisora2", HandClock(), "ru,en;q=0.5") as both:
        assert '<html lang="ru">' in (await both.get("/privacy")).text
        assert '<html lang="en">' in (await both.get("/privacy?lang=en")).text
    async with client(PROFILES / "videogen", HandClock(), "en") as russian:
        assert '<html lang="ru">' in (await russian.get("/privacy?lang=en")).text


async def test_a_coming_version_is_told_with_its_date_and_takes_effect_at_its_instant(tmp_path: Path) -> None:
    folder = in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("free: P7D", "free: P8D"))
    clock = HandClock(EFFECTIVE - timedelta(seconds=1))
    old, new = load_book(folder).versions
    async with client(folder, clock, "en") as browser:
        before, versions = (await browser.get("/privacy")), (await browser.get("/privacy/versions")).text
        kept = {"If-None-Match": before.headers["etag"]}
        assert (await browser.get("/privacy", headers=kept)).status_code == 304
        assert (await browser.get("/privacy?lang=ru", headers=kept)).status_code == 200
        clock.advance(seconds=1)
        after = await browser.get("/privacy", headers=kept)

    assert (old.hash in before.text, "7 days" in before.text) == (True, True)
    assert "Version 2 takes effect on 5 December 2026" in before.text
    assert "Version 2 takes effect on 5 December 2026" in versions
    assert after.status_code == 200
    assert (new.hash in after.text, "8 days" in after.text, "Version 2 takes effect" in after.text) == (
        True,
        True,
        False,
    )


async def test_each_version_has_its_full_text_which_says_whether_it_is_in_force(tmp_path: Path) -> None:
    folder = in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("free: P7D", "free: P8D"))
    clock = HandClock(EFFECTIVE - timedelta(seconds=1))
    old, new = load_book(folder).versions
    async with client(folder, clock, "en") as browser:
        versions = read((await browser.get("/privacy/versions")).text)
        first, coming = [await browser.get(f"/privacy/versions/{number}") for number in (1, 2)]
        missing = [
            (await browser.get(f"/privacy/versions/{wish}")).status_code for wish in ("3", "two", "９", "1" * 40)
        ]
        clock.advance(seconds=1)
        past, now = [await browser.get(f"/privacy/versions/{number}") for number in (1, 2)]
        in_russian = (await browser.get("/privacy/versions/1?lang=ru")).text

    assert {"/privacy/versions/1", "/privacy/versions/2"} <= {given.get("href") for _, given in versions.tags}
    assert (old.hash in first.text, "7 days" in first.text, "This is version" in first.text) == (True, True, False)
    assert (new.hash in coming.text, "8 days" in coming.text) == (True, True)
    assert "version 2, which takes effect on 5 December 2026. Until then version 1 is in force." in coming.text
    assert "version 1, which was in force until 5 December 2026. Version 2 is in force now." in past.text
    assert "она действовала до 5 декабря 2026" in in_russian
    assert "This is version" not in now.text
    assert [read(page.text).unclaimed for page in (first, coming, past, now)] == [[]] * 4
    assert missing == [404] * 4


def test_the_studio_and_the_way_into_it_tell_quietly_that_the_policy_changes(tmp_path: Path) -> None:
    profile = load_profile(in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("free: P7D", "free: P8D")))
    clock = HandClock(EFFECTIVE - timedelta(seconds=1))
    terms = terms_in_force(profile.book, profile.catalogue, clock)
    pages = Pages(terms, lambda: profile.book.next_after(clock.now()))

    before = [pages.studio(language, is_signed_in=True) for language in LANGUAGES]
    welcome = pages.studio("en", is_signed_in=False)
    clock.advance(seconds=1)

    assert "The privacy policy changes on 5 December 2026." in before[0]
    assert "Политика конфиденциальности меняется 5 декабря 2026" in before[1]
    assert all('href="/privacy/versions#v2"' in page for page in (*before, welcome))
    assert "policy-change" not in pages.studio("en", is_signed_in=True)


async def test_the_record_is_for_operators_only() -> None:
    async with client(PROFILES / "aisora2", HandClock()) as browser:
        refused = [(await browser.get(path)).status_code for path in ("/record", "/record.csv")]
        browser.headers["Authorization"] = f"Bearer {TOKEN}"
        page, sheet = await browser.get("/record?lang=en"), await browser.get("/record.csv?lang=en")

    assert refused == [401, 401]
    assert read(page.text).unclaimed == []
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.headers["content-disposition"] == 'attachment; filename="record-aisora2-1.csv"'
    assert len(sheet.text.splitlines()) > len(load_book(PROFILES / "aisora2").versions[0].categories)


@pytest.mark.parametrize(
    ("name", "is_clocked", "upload_end", "said"),
    [
        ("aisora2", True, "hours", "at most 1 hour after"),
        ("soragpt", True, "with_video", "with its video at the latest"),
        ("videogen", False, "until_deleted", "stay until you delete them"),
    ],
)
def test_the_studio_says_what_ends_a_video_and_an_upload(
    name: str, is_clocked: bool, upload_end: str, said: str
) -> None:
    profile = shipped(name)
    terms = terms_in_force(profile.book, profile.catalogue, HandClock())

    studio = Pages(terms).studio("en", is_signed_in=True)

    assert (terms().is_clocked, terms().upload_end) == (is_clocked, upload_end)
    assert said in studio
    assert ("videos are kept for" in studio) == is_clocked
    assert all(f'href="{address}"' in studio for address in ADDRESSES.values())
