"""Contracts with recipients: what stands on which day, and that nothing goes out where none does."""

import socket
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lethe_common.clock import monotonic_seconds
from lethe_common.egress import DirectWay, Egress, EgressRefused, Outbound, Reason, Refusals
from lethe_common.egress.contracts import Contracts, ContractState, Span, is_demanded, last_day, state_of
from lethe_common.egress.declared import recipients_in_force
from lethe_common.policy import PolicyBook, load_book
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.parties import Recipient
from tests.hand_clock import HandClock
from tests.unit.common.policy_files import NAMES, in_two_versions, shipped, shipped_policy

STATED = date(2027, 12, 31)
ON = date(2026, 12, 1)
LATER = date(2027, 3, 1)
COUNTS_SECONDS = 300.0


def parties(**changed: object) -> tuple[PolicyFile, Recipient]:
    """A profile's content with its mail recipient changed."""
    content = shipped_policy("aisora2").content
    mail = next(one for one in content.recipients if one.id == "mail")
    return content, mail.model_copy(update=changed)


@pytest.mark.parametrize(
    ("stated", "entered", "on", "state"),
    [
        (STATED, None, STATED, ContractState.STANDS),
        (STATED, None, date(2028, 1, 1), ContractState.ENDED),
        (None, None, ON, ContractState.MISSING),
        (None, Span(ON), ON, ContractState.STANDS),
        (None, Span(LATER), ON, ContractState.NOT_BEGUN),
        (None, Span(ON, LATER), LATER, ContractState.STANDS),
        (None, Span(ON, LATER), date(2027, 3, 2), ContractState.ENDED),
        (STATED, Span(ON, LATER), date(2027, 3, 2), ContractState.ENDED),
        (LATER, Span(ON, STATED), date(2027, 3, 2), ContractState.ENDED),
        (LATER, Span(ON, None), date(2027, 3, 2), ContractState.ENDED),
    ],
)
def test_a_contract_stands_by_what_is_stated_and_what_is_entered_whichever_ends_first(
    stated: date | None, entered: Span | None, on: date, state: ContractState
) -> None:
    content, mail = parties(contract_expires=stated)

    assert state_of(content, mail, entered, on) is state


def test_only_a_processor_needs_one_and_only_where_a_law_says_so() -> None:
    content, mail = parties(contract_expires=None)
    _, controller = parties(contract_expires=None, role="controller")
    no_law = content.model_copy(update={"jurisdictions": ("COPPA", "AI-ACT")})

    assert is_demanded(content, mail)
    assert state_of(content, controller, None, ON) is ContractState.NOT_NEEDED
    assert state_of(no_law, mail, None, ON) is ContractState.NOT_NEEDED
    assert last_day(controller, None) is None


@pytest.mark.parametrize("name", NAMES)
def test_as_shipped_every_recipient_is_open(name: str) -> None:
    content = shipped_policy(name).content

    assert {state_of(content, one, None, ON) for one in content.recipients} == {ContractState.STANDS}


def test_a_contract_ends_by_the_clock_and_an_entry_counts_as_soon_as_it_is_heard() -> None:
    clock = HandClock(datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC))
    contracts = Contracts(shipped("aisora2").book, clock, counts_seconds=COUNTS_SECONDS)
    assert contracts.closing("mail") is None

    contracts.take({"mail": Span(date(2026, 1, 1), date(2026, 12, 1))}, monotonic_seconds())
    assert contracts.closing("mail") is None
    clock.advance(seconds=1)
    assert contracts.closing("mail") is Reason.EXPIRED
    contracts.take({"mail": Span(date(2026, 12, 3))}, monotonic_seconds())
    assert contracts.closing("mail") is Reason.NO_CONTRACT
    clock.advance(days=1)
    assert contracts.closing("mail") is None
    assert contracts.closing("nobody") is None


def test_a_version_that_states_no_contract_closes_at_its_very_second(tmp_path: Path) -> None:
    changes_at = datetime(2027, 3, 1, tzinfo=UTC)
    book = load_book(in_two_versions(tmp_path, changes_at.isoformat(), ("    contract_expires: 2027-12-31\n", "")))
    clock = HandClock(changes_at)
    before = HandClock(datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC))

    assert Contracts(book, before, counts_seconds=COUNTS_SECONDS).closing("storage") is None
    assert Contracts(book, clock, counts_seconds=COUNTS_SECONDS).closing("storage") is Reason.NO_CONTRACT


def test_what_was_heard_counts_for_a_while_and_then_only_who_needs_no_contract_stays_open() -> None:
    clock = HandClock(datetime(2026, 12, 1, tzinfo=UTC))
    book = book_with_mail(role="controller", contract_expires=None)
    contracts = Contracts(book, clock, counts_seconds=COUNTS_SECONDS)
    entered = {"storage": Span(date(2026, 1, 1))}

    contracts.take(entered, monotonic_seconds() - COUNTS_SECONDS + 60)
    assert contracts.closing("storage") is None
    contracts.take(entered, monotonic_seconds() - COUNTS_SECONDS)
    assert contracts.closing("storage") is Reason.UNHEARD
    assert contracts.closing("mail") is None
    contracts.take({"storage": Span(date(2026, 1, 1), date(2026, 11, 30))}, monotonic_seconds() - COUNTS_SECONDS)
    assert contracts.closing("storage") is Reason.EXPIRED
    contracts.take(entered, monotonic_seconds())
    assert contracts.closing("storage") is None


async def test_nothing_is_dialled_for_who_is_closed_and_it_is_counted_and_shown() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.1)
        host, port = server.getsockname()
        clock, registry = HandClock(), CollectorRegistry()
        book = book_with_mail(hosts=(host,))
        recipients = recipients_in_force(book, clock, [f"mail:{port}"])
        contracts = Contracts(book, clock, counts_seconds=COUNTS_SECONDS)
        way = DirectWay(recipients, lambda: clock.now().date())
        egress = Egress(recipients, way, Refusals(registry, clock.now), closing=contracts.closing)
        (await egress.tunnel(host, port)).close()
        server.accept()[0].close()

        contracts.take({"mail": Span(ON, date(2026, 11, 30))}, monotonic_seconds())
        with pytest.raises(EgressRefused) as tunnelled:
            await egress.tunnel(host, port)
        with pytest.raises(EgressRefused) as sent:
            await egress.send(Outbound("mail", "service", "POST", f"http://{host}:{port}/"))
        with pytest.raises(TimeoutError):
            server.accept()

    assert {tunnelled.value.reason, sent.value.reason} == {Reason.EXPIRED}
    assert [(one.recipient, one.purpose) for one in egress.refusals.last()] == [("mail", "service"), ("mail", "")]
    labels = {"recipient": "mail", "reason": "contract_expired"}
    assert registry.get_sample_value("lethe_egress_refused_total", labels) == 2


def book_with_mail(**changed: object) -> PolicyBook:
    """The shipped book with its mail recipient changed."""
    (policy,) = shipped("aisora2").book.versions
    moved = tuple(one.model_copy(update=changed) if one.id == "mail" else one for one in policy.content.recipients)
    return PolicyBook((replace(policy, content=policy.content.model_copy(update={"recipients": moved})),))
