"""A mail of a class that can be declined says how, one click ends it, and what is not wanted is counted and not sent."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from prometheus_client.parser import text_string_to_metric_families

from lethe_cli.local.ports import free_ports
from lethe_common.services import Service
from tests import plain
from tests.flows.persona import MailSink
from tests.flows.steps import made
from tests.suite import Account, RunningSuite, answered, fresh_suite, until
from tests.unit.common.policy_files import PROFILES, written

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]
ONE_CLICK = {"Content-Type": "application/x-www-form-urlencoded"}
LEAD = ("exactly: {free: P30D, premium: P90D}}\n", "exactly: {free: P30D, premium: P90D}}\n    notice: P2D\n")
REGISTER = "/api/registers/breaches"
DISCLOSURES = "/api/registers/disclosures"
MAILS = ("marketing: {purpose: marketing,", "marketing: {purpose: marketing, mails: [deletion_notice],")


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[MailSink, int]]:
    box, (port,) = MailSink(), free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture(scope="module")
def mailing(sink: tuple[MailSink, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    """SoraGPT, which here tells of deletions in mails that can be declined."""
    folder: Path = tmp_path_factory.mktemp("mailing")
    (folder / "catalogue.yaml").write_bytes((PROFILES / "soragpt/catalogue.yaml").read_bytes())
    written(folder, MAILS, LEAD, profile="soragpt")
    settings = {"SMTP_URL": f"smtp://127.0.0.1:{sink[1]}"}
    with fresh_suite("--profile", str(folder), settings=settings) as running:
        yield running


def withheld(suite: RunningSuite) -> dict[tuple[str, str], float]:
    port = suite.runtime.health_ports[Service.GATEWAY]
    page = plain.page(f"http://127.0.0.1:{port}/metrics")
    return {
        (sample.labels["template"], sample.labels["reason"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "lethe_mails_withheld_total"
    }


def with_a_video(suite: RunningSuite) -> Account:
    account = suite.open_account()
    with account.openai() as client:
        video = made(client)
    until(lambda: suite.look("SELECT 1 FROM retention.deadlines WHERE item_id = $1", video.id), "its deadline")
    return account


def is_allowed(account: Account) -> bool:
    with account.http() as client:
        choices = answered(client.get("/v1/privacy/consents"))["data"]
    return next(bool(one["is_allowed"]) for one in choices if one["purpose"] == "marketing")


def test_one_click_ends_a_kind_of_mail_and_who_declined_before_gets_none(
    mailing: RunningSuite, sink: tuple[MailSink, int]
) -> None:
    reader, decliner = with_a_video(mailing), with_a_video(mailing)
    with decliner.http() as client:
        answered(client.put("/v1/privacy/consents", json={"consents": {"marketing": False}}))

    mailing.advance("P29D")
    until(lambda: withheld(mailing).get(("deletion_notice", "purpose_refused")), "the count")
    # Each is written by an event of its own: that none is left may also be before the second was.
    until(lambda: sink[0].mails, "the mail to the other")
    until(lambda: not mailing.look("SELECT 1 FROM gateway.mails"), "the end of both mails")
    (text,) = sink[0].mails
    mail = message_from_string(text, policy=default)
    (address,) = re.findall(r"<(http[^>]+)>", mail["List-Unsubscribe"])
    token = address.rpartition("/")[2]
    before = is_allowed(reader)
    with mailing.anonymous() as client:
        looked = client.get(address)
        after_look = is_allowed(reader)
        clicked = [client.post(address, content="List-Unsubscribe=One-Click", headers=ONE_CLICK) for _ in range(2)]
        unknown = client.post("/v1/unsubscribe/nothing", headers=ONE_CLICK)

    body = mail.get_body()
    assert body is not None
    assert f"/unsubscribe#{token}" in body.get_content()
    assert (mail["To"], mail["List-Unsubscribe-Post"]) == (reader.email, "List-Unsubscribe=One-Click")
    assert reader.account_id not in text
    assert reader.subject_ref not in text
    assert withheld(mailing) == {("deletion_notice", "purpose_refused"): 1.0}
    assert (looked.status_code, before, after_look, is_allowed(reader)) == (405, True, True, False)
    assert [one.status_code for one in clicked] == [204, 204]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (410, "gone")
    ways = mailing.look_at_keys(
        "SELECT way FROM keys.consents JOIN keys.subjects USING (holder_ref)"
        " WHERE subject_ref = $1 AND purpose = 'marketing'",
        reader.subject_ref,
    )
    assert [row["way"] for row in ways] == ["link"]


def test_whom_a_breach_touches_is_told_by_a_mail_that_nobody_can_decline_and_the_register_says_how_many(
    mailing: RunningSuite, sink: tuple[MailSink, int]
) -> None:
    reader, other = mailing.open_account(), mailing.open_account()
    with reader.http() as client:
        answered(client.put("/v1/privacy/consents", json={"consents": {"marketing": False}}))
    secret, word = "A laptop named Wintergreen was lost.", "Set a new password, please."
    sent = len(sink[0].mails)
    clerk = {"operator": "A. Clerk"}
    known_at = datetime.fromtimestamp(mailing.policy_unix(), UTC).isoformat()
    news = {**clerk, "known_at": known_at, "categories": ["identity.email"], "places": ["pg:gateway"], "text": secret}
    with mailing.console() as console:
        path = f"{REGISTER}/{answered(console.post(REGISTER, json={**news, 'is_high_risk': True}))['breach_id']}"
        told = answered(console.post(f"{path}/tell", json={**clerk, "text": word, "accounts": [reader.account_id]}))
        until(lambda: len(sink[0].mails) > sent, "the mail")
        until(lambda: not mailing.look("SELECT 1 FROM gateway.breach_tellings"), "the end of the telling")
        done = {**clerk, "duty": "EU.breach.authority", "reference": "No. 7"}
        answered(console.post(f"{path}/notified", json=done))
        closed = answered(console.post(f"{path}/close", json=clerk))
        listed = console.get(REGISTER, params={"all": "true"}).text
        unknown = console.get(f"{REGISTER}/breach_{'0' * 32}")

    (text,) = sink[0].mails[sent:]
    mail = message_from_string(text, policy=default)
    body = mail.get_body()
    assert body is not None
    assert (mail["To"], mail["List-Unsubscribe"]) == (reader.email, None)
    assert word in body.get_content()
    assert other.email not in str(sink[0].mails[sent:])
    assert [(step["step"], step["count"], step["reference"], step["text"]) for step in closed["steps"]] == [
        ("opened", None, None, secret), ("told", 1, told["telling_id"], word), ("notified", None, "No. 7", None),
        ("closed", None, None, None),
    ]  # fmt: skip
    assert (closed["is_open"], closed["can_read"], closed["duties"][0]["done_at"] is not None) == (False, True, True)
    assert "Wintergreen" not in listed
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "breach_unknown")
    rows = mailing.look(
        "SELECT text_sealed FROM privacy.breach_steps WHERE text_sealed IS NOT NULL", database="lethe_facts"
    )
    assert rows
    assert not [row for row in rows if b"Wintergreen" in row["text_sealed"]]


def test_an_authority_gets_facts_once_two_operators_approved_and_the_person_hears_when_the_law_allows_it(
    mailing: RunningSuite, sink: tuple[MailSink, int]
) -> None:
    person = with_a_video(mailing)
    sent = len(sink[0].mails)
    later = datetime.fromtimestamp(mailing.policy_unix(), UTC) + timedelta(days=2)
    demand = {
        "operator": "A. Clerk", "account_id": person.account_id, "authority": "Court of Example", "legal_reference": "12/345",
        "asked": "Who is Wintergreen?", "delay_until": later.isoformat(), "delay_ground": "Art. 5 of Example",
    }  # fmt: skip
    with mailing.console() as console:
        path = f"{DISCLOSURES}/{answered(console.post(DISCLOSURES, json=demand))['disclosure_id']}"
        early = console.post(f"{path}/disclose", json={"operator": "A. Clerk"})
        answered(console.post(f"{path}/approve", json={"operator": "A. Clerk"}))
        twice = console.post(f"{path}/approve", json={"operator": " a. CLERK"})
        assert answered(console.post(f"{path}/approve", json={"operator": "B. Counsel"}))["state"] == "approved"
        given = answered(console.post(f"{path}/disclose", json={"operator": "B. Counsel"}))
        mailing.advance("P1D")
        kept_back = own_disclosures(person)
        mailing.advance("P1DT1S")
        until(lambda: own_disclosures(person), "the word to the person")
        until(lambda: len(sink[0].mails) > sent, "the mail")
        shown = answered(console.get(path))

    package = json.dumps(given["package"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert [early.json()["error"]["code"], twice.json()["error"]["code"]] == ["not_approved", "same_approver"]
    assert given["digest"] == hashlib.sha256(package.encode()).hexdigest()
    assert given["package"]["account"]["account_id"] == person.account_id
    assert len(given["package"]["generations"]) == 1
    assert person.email not in package
    assert person.subject_ref not in package
    assert "prompt" not in package
    assert kept_back == []
    assert [one["digest"] for one in own_disclosures(person)] == [given["digest"]]
    assert [step["step"] for step in shown["steps"]] == ["requested", "approved", "approved", "disclosed", "told"]
    assert shown["asked"] == "Who is Wintergreen?"
    mail = message_from_string(sink[0].mails[-1], policy=default)
    body = mail.get_body()
    assert body is not None
    assert (mail["To"], mail["List-Unsubscribe"]) == (person.email, None)
    assert "Court of Example" in body.get_content()


def own_disclosures(person: Account) -> list[dict[str, Any]]:
    with person.http() as client:
        return list(answered(client.get("/v1/privacy/disclosures"))["data"])
