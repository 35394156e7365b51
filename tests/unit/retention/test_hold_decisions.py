from dataclasses import replace
from datetime import timedelta

import pytest

from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_retention.errors import (
    AlreadyInForce,
    AlreadyProposed,
    BeingErased,
    EndPassed,
    HoldOver,
    ItemGone,
    RetentionError,
    SamePerson,
)
from lethe_retention.legal_holds import (
    Done,
    Hold,
    HoldState,
    Scope,
    Step,
    check_approval,
    check_proposal,
    end_of,
    is_same,
)
from tests.hand_clock import START

FREE = Scope((), is_being_erased=False, item_state="open")
PROPOSED = Hold(
    LegalHoldId.new(), SubjectRef.new(), GenerationId.new(), HoldState.PROPOSED, "Court of Example, 12/345", None,
    (Done(Step.PROPOSED, "A. Clerk", START),),
)  # fmt: skip
IN_FORCE = replace(
    PROPOSED, state=HoldState.IN_FORCE, steps=(*PROPOSED.steps, Done(Step.APPROVED, "B. Counsel", START))
)


@pytest.mark.parametrize("item_state", [None, "open", "due"])
def test_what_is_still_there_can_be_held_with_a_deadline_or_without(item_state: str | None) -> None:
    scope = replace(FREE, item_state=item_state)

    check_proposal(scope, None, START)
    assert check_approval(PROPOSED, scope, "B. Counsel", START)


@pytest.mark.parametrize(
    ("scope", "refusal"),
    [
        (replace(FREE, item_state="removed"), ItemGone),
        (replace(FREE, item_state="closed"), ItemGone),
        (replace(FREE, is_being_erased=True), BeingErased),
    ],
)
def test_what_is_gone_or_being_erased_is_neither_proposed_nor_approved(
    scope: Scope, refusal: type[RetentionError]
) -> None:
    with pytest.raises(refusal):
        check_proposal(scope, None, START)
    with pytest.raises(refusal):
        check_approval(PROPOSED, scope, "B. Counsel", START)


@pytest.mark.parametrize(
    ("state", "refusal"), [(HoldState.IN_FORCE, AlreadyInForce), (HoldState.PROPOSED, AlreadyProposed)]
)
def test_one_scope_has_one_open_hold(state: HoldState, refusal: type[RetentionError]) -> None:
    with pytest.raises(refusal):
        check_proposal(replace(FREE, open_states=(state,)), None, START)


def test_a_hold_never_ends_before_it_begins() -> None:
    check_proposal(FREE, START + timedelta(seconds=1), START)
    with pytest.raises(EndPassed):
        check_proposal(FREE, START, START)
    with pytest.raises(EndPassed):
        check_approval(replace(PROPOSED, ends_at=START), FREE, "B. Counsel", START)


@pytest.mark.parametrize("signature", ["A. Clerk", "a. clerk", "  A.   CLERK "])
def test_who_proposed_does_not_approve_however_they_write_themselves(signature: str) -> None:
    with pytest.raises(SamePerson):
        check_approval(PROPOSED, FREE, signature, START)


def test_an_approval_is_given_once_and_may_be_repeated_by_its_giver_only() -> None:
    assert not check_approval(IN_FORCE, FREE, "b. counsel", START)
    with pytest.raises(AlreadyInForce):
        check_approval(IN_FORCE, FREE, "C. Third", START)


@pytest.mark.parametrize("state", [HoldState.WITHDRAWN, HoldState.LIFTED, HoldState.ENDED])
def test_what_is_over_does_not_come_back(state: HoldState) -> None:
    with pytest.raises(HoldOver):
        check_approval(replace(PROPOSED, state=state), FREE, "B. Counsel", START)


def test_a_proposal_is_withdrawn_a_hold_is_lifted_and_twice_is_once() -> None:
    assert end_of(PROPOSED) == (HoldState.WITHDRAWN, Step.WITHDRAWN)
    assert end_of(IN_FORCE) == (HoldState.LIFTED, Step.LIFTED)
    assert end_of(replace(IN_FORCE, state=HoldState.LIFTED)) is None
    with pytest.raises(HoldOver):
        end_of(replace(IN_FORCE, state=HoldState.ENDED))


def test_nobody_is_the_same_as_somebody() -> None:
    assert not is_same(None, "A. Clerk")
