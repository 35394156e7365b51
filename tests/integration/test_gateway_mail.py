"""Addresses are confirmed and passwords reset by mail, through a real SMTP server; no link rests in clear."""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from lethe_common.services import Service
from tests import plain
from tests.integration.gateway_suite import PASSWORD, Suite, free_port, running_suite, until
from tests.servers import RunningServers

NEW_PASSWORD = "staple battery horse correct"


class Mailbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        message = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]  # bytes by default
        body = message.get_body()
        assert body is not None
        self.mails.append((envelope.rcpt_tos[0], str(message["Subject"]), body.get_content()))
        return "250 OK"

    def link(self, address: str, page: str) -> str:
        """The token of the newest link to a page."""
        found = [re.search(rf"/{page}#([A-Za-z0-9_-]+)", text) for to, _, text in self.mails if to == address]
        return next(match[1] for match in reversed(found) if match)


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield box, controller.port
    controller.stop()


@pytest.fixture(scope="module")
def suite(
    servers: RunningServers, tmp_path_factory: pytest.TempPathFactory, mailbox: tuple[Mailbox, int]
) -> Iterator[Suite]:
    services = (Service.GATEWAY, Service.JOBS, Service.BILLING, Service.PRIVACY)
    smtp = f"smtp://127.0.0.1:{mailbox[1]}"
    with running_suite(
        servers, tmp_path_factory.mktemp("mail"), services, VERIFY_EMAIL="true", SMTP_URL=smtp, SWEEP_SECONDS="0.2"
    ) as running:
        yield running


def test_credits_come_when_the_address_is_confirmed_and_not_before(suite: Suite, mailbox: tuple[Mailbox, int]) -> None:
    address = "confirm@example.org"
    with suite.client(suite.sign_up(address)) as client:
        until(lambda: any(to == address for to, _, _ in mailbox[0].mails))
        early = client.post("/v1/videos", json={"prompt": "too early"})
        token = mailbox[0].link(address, "verify")
        confirmed = client.post("/v1/email-verifications", json={"token": token})
        again = client.post("/v1/email-verifications", json={"token": token})
        until(lambda: client.get("/v1/credits").status_code == 200)

        assert (early.status_code, early.json()["error"]["code"]) == (403, "email_not_verified")
        assert (confirmed.status_code, again.status_code) == (204, 410)
        assert client.get("/v1/credits").json()["available"] == 600
        assert client.get("/v1/account").json()["state"] == "active"


def test_a_mailed_link_sets_a_new_password_once_and_ends_every_session(
    suite: Suite, mailbox: tuple[Mailbox, int]
) -> None:
    address, own = "forgot@example.org", {"Origin": suite.url}
    suite.sign_up(address)
    with suite.client() as browser, suite.client() as stranger:
        browser.post("/v1/sessions", json={"email": address, "password": PASSWORD}, headers=own)
        known = stranger.post("/v1/password-resets", json={"email": address})
        unknown = stranger.post("/v1/password-resets", json={"email": "nobody@example.org"})
        until(lambda: any("/reset#" in text for to, _, text in mailbox[0].mails if to == address))
        body = {"token": mailbox[0].link(address, "reset"), "password": NEW_PASSWORD}
        done = stranger.post("/v1/password-resets/confirm", json=body)
        again = stranger.post("/v1/password-resets/confirm", json=body)
        ended = browser.get("/v1/account")
        old = stranger.post("/v1/sessions", json={"email": address, "password": PASSWORD}, headers=own)
        new = stranger.post("/v1/sessions", json={"email": address, "password": NEW_PASSWORD}, headers=own)

    assert known.status_code == unknown.status_code == 202
    assert known.json() == unknown.json()
    assert (done.status_code, again.status_code, ended.status_code) == (204, 410, 401)
    assert (old.status_code, new.status_code) == (401, 201)


def test_nothing_of_a_mail_is_left_when_it_was_sent(suite: Suite, mailbox: tuple[Mailbox, int]) -> None:
    address = "trace@example.org"
    suite.sign_up(address)
    until(lambda: any(to == address for to, _, _ in mailbox[0].mails))
    until(lambda: suite.look("SELECT count(*) FROM gateway.mails") == 0)

    token = mailbox[0].link(address, "verify")
    logs = "".join(suite.logged(service) for service in suite.processes)
    assert token not in logs
    assert address not in logs


def test_a_corrected_address_reaches_every_copy_once_it_is_confirmed_and_the_old_one_is_told(
    suite: Suite, mailbox: tuple[Mailbox, int]
) -> None:
    old, new, own = "wrong@example.org", "right@example.org", {"Origin": suite.url}
    with suite.client(suite.sign_up(old)) as client, suite.client() as stranger:
        confirm(suite, mailbox, old)
        mistyped = client.post("/v1/privacy/requests", json={"kind": "correct", "email": "rihgt@example.org"})
        filed = client.post("/v1/privacy/requests", json={"kind": "correct", "email": new})
        until(lambda: any("/address#" in text for to, _, text in mailbox[0].mails if to == new))
        before = client.get("/v1/account").json()["email"]
        token = mailbox[0].link(new, "address")
        done = stranger.post("/v1/address-changes", json={"token": token})
        again = stranger.post("/v1/address-changes", json={"token": token})
        request = client.get(f"/v1/privacy/requests/{filed.json()['id']}").json()
        until(lambda: any("another address" in text for to, _, text in mailbox[0].mails if to == old))
        sign_ins = [
            stranger.post("/v1/sessions", json={"email": email, "password": PASSWORD}, headers=own).status_code
            for email in (old, new)
        ]
        client.post("/v1/password-resets", json={"email": new})
        until(lambda: any("/reset#" in text for to, _, text in mailbox[0].mails if to == new))

        assert (filed.status_code, done.status_code, again.status_code) == (201, 204, 410)
        assert mistyped.json()["id"] == filed.json()["id"]
        assert (before, client.get("/v1/account").json()["email"]) == (old, new)
        assert sign_ins == [401, 201]
        assert (request["state"], request["steps"][-1]["by"]) == ("answered", "lethe")
        assert not any("/reset#" in text for to, _, text in mailbox[0].mails if to == old)
        assert suite.look("SELECT count(*) FROM gateway.address_changes") == 0


def test_an_address_that_another_account_has_is_not_taken_over_by_a_correction(
    suite: Suite, mailbox: tuple[Mailbox, int]
) -> None:
    mine, theirs = "mine@example.org", "theirs@example.org"
    suite.sign_up(theirs)
    with suite.client(suite.sign_up(mine)) as client:
        confirm(suite, mailbox, mine)
        client.post("/v1/privacy/requests", json={"kind": "correct", "email": theirs})
        until(lambda: any("/address#" in text for to, _, text in mailbox[0].mails if to == theirs))
        taken = client.post("/v1/address-changes", json={"token": mailbox[0].link(theirs, "address")})

        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "address_taken")
        assert client.get("/v1/account").json()["email"] == mine


def test_a_link_for_requests_goes_to_whoever_gives_an_address_and_the_answers_tell_nothing(
    suite: Suite, mailbox: tuple[Mailbox, int]
) -> None:
    known, unknown = "holder@example.org", "stranger@example.org"
    suite.sign_up(known)
    with suite.client() as stranger:
        answers = [stranger.post("/v1/privacy/links", json={"email": email}) for email in (known, unknown, unknown)]
        links = [mailed_link(mailbox, email) for email in (known, unknown)]

        assert {(one.status_code, one.content, frozenset(one.headers)) for one in answers} == {
            (202, answers[0].content, frozenset(answers[0].headers))
        }
        assert len(set(links)) == len(links)
        # The same rows for both, and one account however often is asked.
        states = "SELECT count(*) FROM gateway.accounts WHERE state = 'correspondent'"
        assert suite.look(states) == len(links)
        assert (
            suite.look(f"SELECT count(*) FROM gateway.proof_tokens WHERE encode(token_hash, 'escape') = '{links[0]}'")
            == 0
        )
    logs = "".join(suite.logged(service) for service in suite.processes)
    assert not [secret for secret in (*links, unknown, known) if secret in logs]


def test_a_link_opens_requests_once_and_nothing_else(suite: Suite, mailbox: tuple[Mailbox, int]) -> None:
    own = {"Origin": suite.url}
    with suite.client() as seen, suite.client() as thief:
        seen.post("/v1/privacy/links", json={"email": "seen@example.org"})
        body = {"token": mailed_link(mailbox, "seen@example.org")}
        foreign = thief.post("/v1/privacy/links/confirm", json=body, headers={"Origin": "http://elsewhere.example"})
        come = seen.post("/v1/privacy/links/confirm", json=body, headers=own)
        again = thief.post("/v1/privacy/links/confirm", json=body, headers=own)
        wish = {"kind": "depicted", "video": f"video_{'0' * 32}", "text": "I am the one in the boat."}
        filed = seen.post("/v1/privacy/requests", json=wish, headers=own)
        read = seen.get(f"/v1/privacy/requests/{filed.json()['id']}")
        ordered = seen.post("/v1/videos", json={"prompt": "a boat"}, headers=own)
        key = seen.post("/v1/api-keys", headers=own)

        assert (foreign.status_code, come.status_code, again.status_code) == (403, 201, 410)
        assert come.json() == {"object": "session", "is_account": False}
        assert (filed.status_code, read.json()["steps"][0]["text"]) == (201, wish["text"])
        assert [(one.status_code, one.json()["error"]["code"]) for one in (ordered, key)] == [
            (403, "requests_only")
        ] * 2
        assert seen.get("/v1/account").json()["email"] == "seen@example.org"
    with plain.client(suite.console_url, {"Authorization": f"Bearer {suite.token}"}) as console:
        (row,) = [
            one for one in console.get("/api/requests").json()["requests"] if one["request_id"] == filed.json()["id"]
        ]
        assert row["is_correspondent"]


def test_only_a_fact_about_the_account_by_the_same_address_opens_that_account(
    suite: Suite, mailbox: tuple[Mailbox, int]
) -> None:
    mine, own = "twofold@example.org", {"Origin": suite.url}
    ids = []
    for email in (mine, "another@example.org"):
        with suite.client(suite.sign_up(email)) as client:
            confirm(suite, mailbox, email)
            until(lambda http=client: http.get("/v1/credits").status_code == 200)  # type: ignore[misc]  # a default binds
            ids += [
                client.get("/v1/account").json()["id"],
                client.post("/v1/videos", json={"prompt": "a boat"}).json()["id"],
            ]
    found = []
    for fact in (*ids, None):
        with suite.client() as person:
            sent = len(mailbox[0].mails)
            person.post("/v1/privacy/links", json={"email": mine})
            body = {"token": mailed_link(mailbox, mine, sent), **({"fact": fact} if fact else {})}
            come = person.post("/v1/privacy/links/confirm", json=body, headers=own)
            found.append((come.json()["is_account"], person.get("/v1/account").json()["id"] == ids[0]))

    assert found == [(True, True), (True, True), (False, False), (False, False), (False, False)]


def mailed_link(mailbox: tuple[Mailbox, int], address: str, since: int = 0) -> str:
    """The link's token in the newest mail to an address."""
    until(lambda: any("/requests/link#" in text for to, _, text in mailbox[0].mails[since:] if to == address))
    return mailbox[0].link(address, "requests/link")


def confirm(suite: Suite, mailbox: tuple[Mailbox, int], address: str) -> None:
    """The address is confirmed, and the account in use."""
    until(lambda: any("/verify#" in text for to, _, text in mailbox[0].mails if to == address))
    with suite.client() as stranger:
        token = mailbox[0].link(address, "verify")
        assert stranger.post("/v1/email-verifications", json={"token": token}).status_code == 204
