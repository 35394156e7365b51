"""What may be noted about a breach, who has to hear of it by when, and whom time warns."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lethe_common.identifiers import BreachId, SealKeyId
from lethe_common.policy.clocks import breach_clocks
from lethe_common.rpc.breaches import BreachStepKind as Step
from lethe_common.rpc.requests import SealedText
from lethe_privacy.breaches import Breach, Done, after, is_owed, must_fit, warned
from lethe_privacy.errors import (
    BreachClosed,
    BreachTextNeeded,
    CategoryUnknown,
    DutyUnknown,
    NotThen,
    PrivacyError,
    ReferenceNeeded,
)
from tests.unit.common.policy_files import shipped_policy

KNOWN = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEXT = SealedText.model_construct(sealed=b"what happened, sealed", key_id=SealKeyId.new())
RUSSIAN = breach_clocks(shipped_policy("videogen").content, KNOWN)
AUTHORITY, INQUIRY = "RU.breach.authority", "RU.breach.inquiry"


def breach(*, is_high_risk: bool = False) -> Breach:
    first = Done(Step.OPENED, "A. Clerk", KNOWN, text=TEXT)
    return Breach(
        BreachId.new(), is_open=True, known_at=KNOWN, categories=("identity.email",), places=("pg:gateway",), people=40,
        is_high_risk=is_high_risk, steps=(first,),
    )  # fmt: skip


def notified(duty: str, at: datetime = KNOWN, reference: str | None = "No. 7") -> Done:
    return Done(Step.NOTIFIED, "A. Clerk", at, duty=duty, reference=reference)


def test_each_law_that_the_policy_names_has_its_own_clock() -> None:
    european = breach_clocks(shipped_policy("aisora2").content, KNOWN)

    assert [(clock.duty, clock.due_at - KNOWN) for clock in RUSSIAN] == [(AUTHORITY, 24 * HOUR), (INQUIRY, 72 * HOUR)]
    assert {(clock.duty, clock.due_at - KNOWN) for clock in european} == {
        ("EU.breach.authority", 72 * HOUR), ("MD.breach.authority", 72 * HOUR),
    }  # fmt: skip
    assert all(clock.source and clock.says for clock in european)


def test_time_warns_once_of_each_clock_until_its_notification_is_made() -> None:
    early = warned(breach(), RUSSIAN, KNOWN + 18 * HOUR - timedelta(seconds=1))
    once = warned(breach(), RUSSIAN, KNOWN + 18 * HOUR)
    twice = warned(once, RUSSIAN, KNOWN + 30 * HOUR)
    late = warned(after(once, notified(AUTHORITY), RUSSIAN, KNOWN), RUSSIAN, KNOWN + 54 * HOUR)

    assert early.steps == breach().steps
    assert [(done.step, done.operator, done.duty) for done in once.steps[1:]] == [(Step.WARNED, "lethe", AUTHORITY)]
    assert twice == once
    assert [done.duty for done in late.steps if done.step is Step.WARNED] == [AUTHORITY, INQUIRY]
    assert warned(replace(breach(), is_open=False), RUSSIAN, KNOWN + 99 * HOUR).steps == breach().steps


def test_a_notification_is_noted_once_and_a_closing_too() -> None:
    one = after(breach(), notified(AUTHORITY), RUSSIAN, KNOWN + HOUR)
    both = after(one, notified(INQUIRY, KNOWN + HOUR), RUSSIAN, KNOWN + HOUR)
    closed = after(both, Done(Step.CLOSED, "A. Clerk", KNOWN + HOUR), RUSSIAN, KNOWN + HOUR)

    assert after(one, notified(AUTHORITY, reference="No. 8"), RUSSIAN, KNOWN + HOUR) == one
    assert not is_owed(both, RUSSIAN)
    assert not closed.is_open
    assert after(closed, Done(Step.CLOSED, "B. Clerk", KNOWN + HOUR), RUSSIAN, KNOWN + HOUR) == closed
    with pytest.raises(BreachClosed):
        after(closed, Done(Step.NOTED, "A. Clerk", KNOWN, text=TEXT), RUSSIAN, KNOWN)


def test_what_people_were_told_is_noted_once_for_each_telling() -> None:
    told = Done(Step.TOLD, "A. Clerk", KNOWN, reference="tell_1", count=3)
    once = after(breach(is_high_risk=True), told, (), KNOWN)

    assert is_owed(breach(is_high_risk=True), ())
    assert not is_owed(once, ())
    assert after(once, told, (), KNOWN) == once
    assert len(after(once, replace(told, reference="tell_2"), (), KNOWN).steps) == len(once.steps) + 1


@pytest.mark.parametrize(
    ("done", "error"),
    [
        (notified("EU.breach.authority"), DutyUnknown),
        (notified(AUTHORITY, reference=None), ReferenceNeeded),
        (notified(AUTHORITY, KNOWN - HOUR), NotThen),
        (notified(AUTHORITY, KNOWN + 2 * HOUR), NotThen),
        (Done(Step.NOTED, "A. Clerk", KNOWN), BreachTextNeeded),
        (Done(Step.CLOSED, "A. Clerk", KNOWN), BreachTextNeeded),
    ],
)
def test_what_says_too_little_is_refused(done: Done, error: type[PrivacyError]) -> None:
    with pytest.raises(error):
        after(breach(), done, RUSSIAN, KNOWN + HOUR)


def test_what_is_still_owed_is_closed_with_the_reason_in_words() -> None:
    closed = after(breach(), Done(Step.CLOSED, "A. Clerk", KNOWN, text=TEXT), RUSSIAN, KNOWN)

    assert not closed.is_open


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"categories": ("identity.email", "nothing.known")}, CategoryUnknown),
        ({"categories": ()}, CategoryUnknown),
        ({"places": ("pg:jobs",)}, CategoryUnknown),
        ({"known_at": KNOWN + 2 * HOUR}, NotThen),
    ],
)
def test_a_breach_is_of_categories_of_the_policy_where_these_are_kept(
    changed: dict[str, object], error: type[PrivacyError]
) -> None:
    policy = shipped_policy("aisora2")

    must_fit(breach(), policy, KNOWN + HOUR)
    with pytest.raises(error):
        must_fit(replace(breach(), **changed), policy, KNOWN + HOUR)  # type: ignore[arg-type]  # fields by name
