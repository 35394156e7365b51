"""What may become of a demand of an authority, and by whom."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lethe_common.identifiers import DisclosureId, SubjectRef
from lethe_common.rpc.disclosures import DisclosureAction as Action
from lethe_common.rpc.disclosures import DisclosureState as State
from lethe_privacy.disclosures import Deed, Disclosure, Done, after, must_be_whole, told
from lethe_privacy.errors import DelayNeedsGround, DisclosureOver, GroundNeeded, NotApproved, PrivacyError, SameApprover

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DIGEST = "a" * 64


def demand(*approvers: str, needed: int = 2) -> Disclosure:
    one = Disclosure(
        DisclosureId.new(), SubjectRef.new(), State.REQUESTED, "Court of Example", "12/345", NOW, None, None, None,
        steps=(Done("requested", "A. Clerk", NOW),),
    )  # fmt: skip
    for operator in approvers:
        one = after(one, Deed(Action.APPROVE, operator, NOW), needed)
    return one


def test_only_different_operators_make_enough_approvals_and_never_fewer_than_two() -> None:
    assert demand("A. Clerk", needed=1).state is State.REQUESTED
    assert demand("A. Clerk", "B. Counsel", needed=1).state is State.APPROVED
    assert demand("A. Clerk", "B. Counsel", needed=3).state is State.REQUESTED
    assert demand("A. Clerk", "B. Counsel", "C. Chair", needed=3).state is State.APPROVED
    for same in ("A. Clerk", "a.  clerk ", "A. CLERK"):
        with pytest.raises(SameApprover):
            demand("A. Clerk", same)


def test_what_was_approved_is_disclosed_once_and_told_once() -> None:
    given = after(demand("A. Clerk", "B. Counsel"), Deed(Action.DISCLOSE, "A. Clerk", NOW, digest=DIGEST), 2)
    once = told(given, "lethe", NOW)

    assert (given.state, given.digest, given.is_told) == (State.DISCLOSED, DIGEST, False)
    assert after(given, Deed(Action.DISCLOSE, "A. Clerk", NOW, digest=DIGEST), 2) == given
    with pytest.raises(DisclosureOver):
        after(given, Deed(Action.DISCLOSE, "A. Clerk", NOW, digest="b" * 64), 2)
    assert (once.is_told, [done.step for done in once.steps[-2:]]) == (True, ["disclosed", "told"])
    assert told(once, "lethe", NOW) == once
    assert not told(demand("A. Clerk", "B. Counsel"), "lethe", NOW).is_told


def test_a_refusal_says_why_and_ends_it() -> None:
    refused = after(demand("A. Clerk"), Deed(Action.REFUSE, "B. Counsel", NOW, "no legal ground"), 2)

    assert refused.steps[-1] == Done("refused", "B. Counsel", NOW, "no legal ground")
    assert after(refused, Deed(Action.REFUSE, "A. Clerk", NOW, "again"), 2) == refused
    with pytest.raises(DisclosureOver):
        after(refused, Deed(Action.APPROVE, "C. Chair", NOW), 2)


@pytest.mark.parametrize(
    ("one", "deed", "error"),
    [
        (demand(), Deed(Action.DISCLOSE, "A. Clerk", NOW, digest=DIGEST), NotApproved),
        (demand("A. Clerk"), Deed(Action.DISCLOSE, "A. Clerk", NOW, digest=DIGEST), NotApproved),
        (demand("A. Clerk", "B. Counsel"), Deed(Action.DISCLOSE, "A. Clerk", NOW), NotApproved),
        (demand(), Deed(Action.REFUSE, "A. Clerk", NOW), GroundNeeded),
        (replace(demand(), subject_ref=None), Deed(Action.APPROVE, "A. Clerk", NOW), DisclosureOver),
    ],
)
def test_what_is_not_in_its_turn_is_refused(one: Disclosure, deed: Deed, error: type[PrivacyError]) -> None:
    with pytest.raises(error):
        after(one, deed, 2)


def test_telling_somebody_later_needs_a_law_and_a_date() -> None:
    must_be_whole(demand())
    must_be_whole(replace(demand(), delay_until=NOW, delay_ground="Art. 5 of Example"))
    for changed in ({"delay_until": NOW}, {"delay_ground": "Art. 5 of Example"}):
        with pytest.raises(DelayNeedsGround):
            must_be_whole(replace(demand(), **changed))
