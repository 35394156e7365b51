from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.egress import EgressRefused, Passage, Reason
from lethe_common.egress.declared import recipients_in_force
from lethe_common.policy import load_book
from tests.hand_clock import HandClock
from tests.unit.common.policy_files import in_two_versions

CHANGES_AT = datetime(2027, 3, 1, tzinfo=UTC)


def test_a_host_that_a_version_withdraws_gets_nothing_from_its_very_second_on(tmp_path: Path) -> None:
    withdrawn = ("hosts: [api.stripe.com]", "hosts: []")
    book, clock = load_book(in_two_versions(tmp_path, CHANGES_AT.isoformat(), withdrawn)), HandClock()
    recipients = recipients_in_force(book, clock)
    passage = Passage("stripe", "service", "GET", "https://api.stripe.com/")

    clock.advance(seconds=(CHANGES_AT - clock.now() - timedelta(seconds=1)).total_seconds())
    assert recipients.admit(passage, clock.now().date()).id == "stripe"
    assert "api.stripe.com" in recipients.hosts

    clock.advance(seconds=1)
    with pytest.raises(EgressRefused) as refused:
        recipients.admit(passage, clock.now().date())
    assert refused.value.reason is Reason.HOST
    assert recipients.with_host("api.stripe.com") is None
