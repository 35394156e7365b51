"""Signing in by an external provider: a real one of the tests' own, five real services, and every way to be refused."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lethe_common.identifiers import REGISTERS
from tests import plain
from tests.integration.gateway_suite import Suite, free_port, running_suite, until
from tests.newcomers import told
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, serving
from tests.servers import RunningServers
from tests.unit.common.policy_files import PROFILES, written

pytestmark = pytest.mark.timeout(300)
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def suite(servers: RunningServers, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Suite]:
    """Videogen, whose provider is on this machine."""
    folder: Path = tmp_path_factory.mktemp("external")
    (folder / "catalogue.yaml").write_bytes((PROFILES / "videogen/catalogue.yaml").read_bytes())
    written(folder, ("hosts: [id.example.org]", "hosts: [127.0.0.1]"), profile="videogen")
    with running_suite(
        servers,
        folder,
        PROFILE=str(folder),
        OIDC_ISSUER_URL=f"http://127.0.0.1:{port}",
        OIDC_CLIENT_ID=CLIENT_ID,
        OIDC_CLIENT_SECRET=CLIENT_SECRET,
        EGRESS_PRIVATE=f"sign_in:{port}",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def running_provider(port: int) -> Iterator[OidcProvider]:
    with serving(OidcProvider(), port) as running:
        yield running


@pytest.fixture
def provider(running_provider: OidcProvider) -> OidcProvider:
    """The same provider with the same key, of which nothing is wrong yet."""
    running_provider.changes, running_provider.asked = {}, []
    running_provider.is_verified, running_provider.refuses_code, running_provider.is_away = True, False, False
    return running_provider


def begun(suite: Suite, browser: httpx2.Client, *, is_new: bool = True) -> str:
    """Where the browser is sent, as a newcomer or as somebody who has an account."""
    own = {"Origin": suite.url}
    answer = browser.post("/v1/external", headers=own, json=told(browser) if is_new else None)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def came_in(suite: Suite, provider: OidcProvider, browser: httpx2.Client, *, is_new: bool = True) -> httpx2.Response:
    return browser.get(provider.authorize(begun(suite, browser, is_new=is_new)))


def test_a_newcomer_comes_in_and_comes_back_and_only_what_the_policy_keeps_is_kept(
    suite: Suite, provider: OidcProvider
) -> None:
    provider.subject, provider.email = "newcomer", "newcomer@example.org"
    with suite.client() as browser:
        offered = browser.get("/v1/sign-up").json()["ways"]
        page = browser.get("/", headers={**HTML, "Accept-Language": "ru"}).text
        sent = came_in(suite, provider, browser)
        account = browser.get("/v1/account").json()
        cookie = sent.headers.get_list("set-cookie")
    with suite.client() as elsewhere:
        again = came_in(suite, provider, elsewhere, is_new=False)
        same = elsewhere.get("/v1/account").json()

    assert offered == ["external"]
    assert "Войти через ООО «Пример Вход»" in page
    assert (sent.status_code, sent.headers["location"], again.status_code) == (303, "/", 303)
    assert (account["email"], same["id"]) == ("newcomer@example.org", account["id"])
    assert all("HttpOnly" in one and "SameSite=lax" in one for one in cookie)
    assert any(one.startswith('lethe_external=""') for one in cookie)
    sent_fields = {name for path, form in provider.asked for name in form if path == "/token"}
    assert sent_fields == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert suite.look(f"SELECT count(*) FROM gateway.api_keys WHERE account_id = '{account['id']}'") == 0
    assert suite.look("SELECT count(*) FROM gateway.accounts WHERE accounts::text LIKE '%Unmistakable%'") == 0


def test_an_erasure_leaves_an_act_that_names_the_person_to_whoever_may_read_it(
    suite: Suite, provider: OidcProvider
) -> None:
    provider.subject, provider.email = "leaver", "leaver@example.org"
    with suite.client() as browser:
        came_in(suite, provider, browser)
        begun_erasure = browser.delete("/v1/account", headers={"Origin": suite.url}).json()
        claim = {"claim": begun_erasure["claim"]}
        until(lambda: browser.post("/v1/erasures/status", json=claim).json()["certificate"] is not None)
        payload = browser.post("/v1/erasures/status", json=claim).json()["certificate"]["payload"]
    logged = f"SELECT count(*) FROM privacy.access_bodies WHERE subject_ref = '{REGISTERS}'"
    with plain.client(suite.console_url, {"Authorization": f"Bearer {suite.token}"}) as console:
        listed = console.get("/api/registers/acts")
        (one,) = listed.json()["acts"]
        before = suite.look_at_facts(logged)
        shown = console.get(f"/api/registers/acts/{one['act_id']}").json()
        unknown = console.get(f"/api/registers/acts/act_{'0' * 32}")
        stranger = plain.client(suite.console_url).get(f"/api/registers/acts/{one['act_id']}")

    kept = [line for line in payload["retained"] if line["category"] == "destruction.act"]
    assert [(line["store"], line["count"], "179" in line["ground"]) for line in kept] == [("pg:privacy.acts", 1, True)]
    length = datetime.fromisoformat(kept[0]["until"]) - datetime.fromisoformat(payload["completed_at"])
    assert timedelta(days=3 * 365) <= length <= timedelta(days=3 * 366)
    assert (one["ground"], one["content"]["certificate_id"]) == ("demanded", payload["certificate_id"])
    assert provider.email not in listed.text
    assert shown["name"] == provider.email
    for word in (provider.email, "ООО «Пример Видео»", "требование субъекта", "адрес электронной почты", "videogen"):
        assert word in shown["texts"]["ru"]
    assert f"Person whose personal data were destroyed: {provider.email}" in shown["texts"]["en"]
    assert suite.look_at_facts(logged) == int(str(before)) + 1
    assert (unknown.status_code, stranger.status_code) == (404, 401)
    row = str(suite.look_at_facts("SELECT acts::text FROM privacy.acts"))
    assert provider.email not in row
    assert provider.email.encode().hex() not in row
    assert payload["erasure_id"] not in row


def test_an_address_that_nobody_verified_is_not_kept(suite: Suite, provider: OidcProvider) -> None:
    provider.subject, provider.is_verified = "unverified", False
    with suite.client() as browser:
        sent = came_in(suite, provider, browser)
        account = browser.get("/v1/account").json()

    assert (sent.status_code, account["email"]) == (303, None)


def test_who_has_no_account_yet_and_answered_nothing_is_told_to_begin_as_new(
    suite: Suite, provider: OidcProvider
) -> None:
    provider.subject = "stranger"
    with suite.client() as browser:
        refused = came_in(suite, provider, browser, is_new=False)

    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_account_yet")


Wrong = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("nonce", "another nonce"),
        ("nonce", None),
        ("exp", lambda claims: claims["iat"] - 3600),
        ("aud", "another client"),
        ("aud", [CLIENT_ID, "another client"]),
        ("iss", "https://elsewhere.example"),
        ("sub", ""),
    ],
)
def test_a_token_that_is_wrong_in_one_claim_opens_nothing(
    suite: Suite, provider: OidcProvider, claim: str, value: str | list[str] | Wrong | None
) -> None:
    provider.subject, provider.changes = "wrong", {claim: value}
    before = suite.look("SELECT count(*) FROM gateway.accounts")
    with suite.client() as browser:
        refused = came_in(suite, provider, browser)
        page = browser.get("/v1/account")

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "sign_in_refused")
    assert page.status_code == 401
    assert suite.look("SELECT count(*) FROM gateway.accounts") == before


def test_another_state_another_browser_and_a_code_used_twice_are_refused(suite: Suite, provider: OidcProvider) -> None:
    provider.subject = "careful"
    with suite.client() as browser, suite.client() as other:
        back = provider.authorize(begun(suite, browser))
        wrong_state = browser.get(f"{back}x")
        right_state = browser.get(back)
        back = provider.authorize(begun(suite, browser))
        stolen = other.get(back)
        first = browser.get(back)
        twice = browser.get(back)
        shown = other.get(back, headers={**HTML, "Accept-Language": "ru"})

    assert [one.status_code for one in (wrong_state, right_state, stolen, first, twice)] == [400, 303, 400, 303, 400]
    assert stolen.json()["error"]["code"] == "sign_in_refused"
    assert (shown.status_code, "Войти не получилось" in shown.text) == (400, True)


def test_a_code_that_the_provider_refuses_opens_nothing(suite: Suite, provider: OidcProvider) -> None:
    provider.refuses_code = True
    with suite.client() as browser:
        refused = came_in(suite, provider, browser)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "sign_in_refused")


def test_keys_that_the_provider_changed_are_fetched_again(suite: Suite, provider: OidcProvider) -> None:
    provider.subject = "rotating"
    with suite.client() as browser:
        assert came_in(suite, provider, browser).status_code == 303
        provider.rotate()
        # Keys are fetched again once in a few seconds at most: the first tries may still be too soon.
        until(lambda: came_in(suite, provider, browser, is_new=False).status_code == 303, 30)


def test_while_the_provider_is_away_nobody_comes_in_and_is_told_what_to_do(
    suite: Suite, provider: OidcProvider
) -> None:
    with suite.client() as browser:
        back = provider.authorize(begun(suite, browser))
        provider.is_away = True
        away = browser.get(back)

    assert (away.status_code, away.json()["error"]["code"]) == (503, "provider_away")
    assert "Try again in a few minutes" in away.json()["error"]["message"]
    assert away.headers["retry-after"]


def test_a_page_of_another_site_begins_nothing(suite: Suite, provider: OidcProvider) -> None:
    with suite.client() as browser:
        foreign = browser.post("/v1/external", headers={"Origin": "https://elsewhere.example"})

    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "foreign_origin")
    assert provider.asked == []
