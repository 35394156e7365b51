import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request

import lethe_gateway
from lethe_common import certificates
from lethe_common.policy import load_profile
from lethe_common.policy.languages import LANGUAGES
from lethe_gateway.pages import Pages, Terms, terms_of
from lethe_gateway.screens import console_screens, problem_page, studio_screens

ROOM = Path(lethe_gateway.__file__).parent
PROFILE = Path(__file__).parents[3] / "deploy/profiles/aisora2"
TERMS = Terms(
    credits=600, video_periods={"free": "P7D", "pro": "P90D"}, is_clocked=True, upload_end="hours",
    upload_period="PT1H", ledger_period="P7Y", proof_period="P3Y", act_period="P3Y", horizon="P3D", contact="privacy@example.org",
    provider="An Example Service",
)  # fmt: skip
HEAD: dict[str, Any] = certificates.signed_head(
    certificates.Head(41, bytes(range(32))), datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC), Ed25519PrivateKey.generate()
)
SCRIPTS = sorted((ROOM / "static").glob("*.js"))


def all_pages() -> dict[str, str]:
    pages = Pages(lambda: TERMS)
    return {
        f"{name} {language}": html
        for language in LANGUAGES
        for name, html in {
            "welcome": pages.studio(language, is_signed_in=False),
            "studio": pages.studio(language, is_signed_in=True),
            "console sign-in": pages.console(language, is_signed_in=False),
            "console": pages.console(language, is_signed_in=True),
            "deadlines": pages.retention(language),
            "requests": pages.requests(language),
            "letters": pages.letters(language),
            "letter link": pages.letter_link(language),
            "desk": pages.desk(language),
            "registers": pages.registers(language),
            "reset": pages.reset(language),
            "verify": pages.verify(language),
            "new address": pages.new_address(language),
            "unsubscribe": pages.unsubscribe(language),
            "erasure": pages.erasure(language),
            "log": pages.certificates(language, HEAD),
            "empty log": pages.certificates(language, None),
            "missing": pages.problem(language, 404),
            "gone": pages.problem(language, 410),
        }.items()
    }


def client(*, is_signed_in: bool = False) -> httpx2.AsyncClient:
    pages, app = Pages(lambda: TERMS), FastAPI()

    async def answer(_request: Request) -> bool:
        return is_signed_in

    async def newest_head() -> dict[str, Any]:
        return HEAD

    app.include_router(studio_screens(pages, answer, newest_head))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://studio")


def test_nothing_in_a_page_is_inline_or_from_elsewhere() -> None:
    for name, html in all_pages().items():
        assert re.findall(r"<style|\bstyle=|\bon[a-z]+=|javascript:|https?://", html) == [], name
        scripts = re.findall(r"<script([^>]*)>", html)
        assert all('type="application/json"' in script or 'src="/static/' in script for script in scripts), name


def test_no_script_or_sheet_asks_anybody_else_or_makes_markup_of_text() -> None:
    for file in [*SCRIPTS, ROOM / "static/lethe.css"]:
        content = file.read_text("utf-8")
        assert (
            re.findall(
                r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage|\.style\b",
                content,
            )
            == []
        ), file.name


def test_scripts_stay_small() -> None:
    assert all(len(file.read_text("utf-8").splitlines()) < 300 for file in SCRIPTS)


def test_every_control_has_a_name() -> None:
    for name, html in all_pages().items():
        labels = set(re.findall(r'<label[^>]*\bfor="([^"]+)"', html))
        for control in re.findall(r"<(?:input|select|textarea)\b[^>]*>", html):
            found = re.search(r'\bid="([^"]+)"', control)
            assert found, (name, control)
            assert found[1] in labels or "aria-label" in control, (name, control)


def test_a_page_has_its_language_one_heading_and_unique_ids() -> None:
    for name, html in all_pages().items():
        assert f'<html lang="{name.split()[-1]}">' in html
        assert html.count("<h1") == 1, name
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), name


def test_what_a_script_looks_for_is_in_a_page() -> None:
    ids = {found for html in all_pages().values() for found in re.findall(r'\bid="([^"]+)"', html)}
    wanted = {found for file in SCRIPTS for found in re.findall(r'\$\("([^"]+)"\)', file.read_text("utf-8"))}

    assert wanted - ids == set()


def test_the_promises_on_the_page_are_the_profile_s_own() -> None:
    profile = load_profile(PROFILE)
    terms = terms_of(profile.book.versions[0], profile.catalogue)

    assert terms.video_periods == {"free": "P7D", "basic": "P30D", "standard": "P60D", "pro": "P90D"}
    assert (terms.credits, terms.upload_period, terms.ledger_period, terms.proof_period) == (600, "PT1H", "P7Y", "P3Y")
    assert "7 дней" in Pages(lambda: terms).studio("ru", is_signed_in=False)


async def test_the_first_page_depends_on_being_signed_in() -> None:
    async with client() as outside, client(is_signed_in=True) as inside:
        assert 'id="composer"' not in (await outside.get("/")).text
        assert 'id="composer"' in (await inside.get("/")).text
        assert 'id="request-form"' not in (await outside.get("/requests")).text
        assert 'id="request-form"' in (await inside.get("/requests")).text


async def test_the_newest_head_of_the_log_is_published_with_what_it_takes_to_check_by_it() -> None:
    async with client() as browser:
        page = (await browser.get("/certificates")).text

    assert all(told in page for told in ("<dd>41</dd>", HEAD["payload"]["root"], HEAD["key_id"], "4 March 2027, 05:06"))
    assert 'href="/v1/certificates/log"' in page
    assert 'href="/v1/certificates/public-key"' in page
    assert "has been issued yet" in Pages(lambda: TERMS).certificates("en", None)


async def test_a_language_asked_for_is_remembered() -> None:
    async with client() as browser:
        first = await browser.get("/?lang=ru", headers={"Accept-Language": "en"})
        second = await browser.get("/", headers={"Accept-Language": "en"})

    assert '<html lang="ru">' in first.text
    assert '<html lang="ru">' in second.text


async def test_files_named_by_their_content_are_kept_for_long_and_others_are_asked_about() -> None:
    async with client() as browser:
        address = re.findall(r'href="(/static/lethe\.css\?v=[0-9a-f]+)"', (await browser.get("/")).text)[0]
        named = await browser.get(address)
        plain = await browser.get("/static/lethe.css")
        known = await browser.get("/static/lethe.css", headers={"If-None-Match": plain.headers["etag"]})

    assert "immutable" in named.headers["cache-control"]
    assert plain.headers["cache-control"] == "no-cache"
    assert (known.status_code, known.content) == (304, b"")
    assert named.headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fpages.py", "%2e%2e/words.py", "en.json"])
async def test_only_the_pages_own_files_are_served(name: str) -> None:
    async with client() as browser:
        assert (await browser.get(f"/static/{name}")).status_code == 404


async def test_pages_are_never_kept_by_a_cache() -> None:
    async with client() as browser:
        for path in ("/", "/reset", "/verify", "/erasure", "/requests", "/requests/link"):
            assert (await browser.get(path)).headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("path", "accept", "is_page"),
    [("/x", "text/html,*/*", True), ("/v1/x", "text/html", False), ("/x", "application/json", False)],
)
def test_a_browser_gets_a_page_and_a_program_gets_json(path: str, accept: str, is_page: bool) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"accept", accept.encode())],
        "scheme": "http",
        "server": ("a", 80),
    }

    assert (problem_page(Pages(lambda: TERMS), Request(scope), 410) is not None) is is_page


async def test_the_console_hides_behind_its_sign_in() -> None:
    pages, app = Pages(lambda: TERMS), FastAPI()

    async def nobody(_request: Request) -> bool:
        return False

    app.include_router(console_screens(pages, nobody))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as browser:
        html = (await browser.get("/")).text

    assert 'id="operator"' in html
    assert 'id="run-rows"' not in html


async def test_the_other_pages_of_the_console_hide_behind_the_sign_in_too() -> None:
    pages = Pages(lambda: TERMS)
    for is_operator, path, shown in (
        (False, "/retention", 'id="operator"'),
        (True, "/retention", 'id="hold-form"'),
        (False, "/requests", 'id="operator"'),
        (True, "/requests", 'id="desk-rows"'),
        (False, "/registers", 'id="operator"'),
        (True, "/registers", 'id="processor-form"'),
    ):
        app = FastAPI()

        async def answer(_request: Request, answer: bool = is_operator) -> bool:
            return answer

        app.include_router(console_screens(pages, answer))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as browser:
            assert shown in (await browser.get(path)).text
