from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.identifiers import RequestId, SealKeyId, SubjectRef
from lethe_common.policy.clocks import Extension
from lethe_common.rpc.requests import RefusalGround, RequestAction, RequestKind, RequestState, SealedText
from lethe_privacy.errors import (
    ExtensionNotAllowed,
    GroundNeeded,
    NotRestricted,
    PrivacyError,
    StepOutOfTurn,
    TextNeeded,
)
from lethe_privacy.requests import (
    COPIES,
    OPEN,
    Deed,
    Request,
    after,
    answered,
    done_already,
    lifted,
    may_extend,
    received,
    taken_back,
)

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
EXTENSION = Extension(told_by=NOON + timedelta(days=31), ends_at=NOON + timedelta(days=92))
TEXT = SealedText.model_construct(sealed=b"sealed", key_id=SealKeyId.new())
ACTS = st.tuples(
    st.sampled_from(RequestAction), st.integers(0, 100), st.booleans(), st.sampled_from([None, *RefusalGround])
)


def filed(kind: RequestKind = RequestKind.ACCESS, *, is_done: bool = False) -> Request:
    new = Request(
        RequestId.new(), SubjectRef.new(), kind, RequestState.RECEIVED, None, NOON, NOON + MONTH,
        is_extended=False, is_paused=kind in COPIES or kind is RequestKind.RESTRICT,
    )  # fmt: skip
    return received(new, TEXT, is_done=is_done)


def act(action: RequestAction, day: int = 1, *, text: SealedText | None = TEXT, **more: RefusalGround) -> Deed:
    return Deed(action, "A. Clerk", NOON + timedelta(days=day), more.get("ground"), text)


def steps(request: Request) -> list[tuple[str, str]]:
    return [(done.step, done.actor) for done in request.steps]


def test_whoever_is_signed_in_has_proved_who_they_are() -> None:
    assert steps(filed()) == [("received", "person"), ("identity_checked", "lethe")]
    assert filed().state is RequestState.IDENTITY_CHECKED
    assert filed().steps[0].text is TEXT


def test_what_was_done_at_once_is_answered_as_it_is_received() -> None:
    done = filed(RequestKind.RESTRICT, is_done=True)

    assert (done.state, done.is_paused, steps(done)[-1]) == (RequestState.ANSWERED, True, ("answered", "lethe"))


def test_a_request_is_taken_extended_once_answered_and_closed() -> None:
    taken = after(filed(), act(RequestAction.TAKE), EXTENSION)
    extended = after(taken, act(RequestAction.EXTEND, 20), EXTENSION)
    answer = after(extended, act(RequestAction.ANSWER, 60), EXTENSION)
    closed = after(answer, act(RequestAction.CLOSE, 61), EXTENSION)

    assert (extended.due_at, extended.is_extended) == (EXTENSION.ends_at, True)
    assert [one.is_paused for one in (taken, extended, answer, closed)] == [True, True, False, False]
    assert closed.state is RequestState.CLOSED
    with pytest.raises(StepOutOfTurn):
        after(extended, act(RequestAction.EXTEND, 21), EXTENSION)


@pytest.mark.parametrize(("day", "extension"), [(20, None), (32, EXTENSION)])
def test_no_time_is_gained_without_a_law_or_after_the_first_period(day: int, extension: Extension | None) -> None:
    assert not may_extend(filed(), extension, NOON + timedelta(days=day))
    with pytest.raises(ExtensionNotAllowed):
        after(filed(), act(RequestAction.EXTEND, day), extension)


def test_a_refusal_needs_its_ground_and_every_answer_its_words() -> None:
    with pytest.raises(GroundNeeded):
        after(filed(), act(RequestAction.REFUSE), EXTENSION)
    for action, ground in ((RequestAction.REFUSE, RefusalGround.EXCESSIVE), (RequestAction.ANSWER, None)):
        with pytest.raises(TextNeeded):
            after(filed(), Deed(action, "A. Clerk", NOON, ground), EXTENSION)
    refused = after(filed(), act(RequestAction.REFUSE, ground=RefusalGround.EXCESSIVE), EXTENSION)
    assert (refused.state, refused.is_paused, refused.steps[-1].ground) == (
        RequestState.REFUSED, False, RefusalGround.EXCESSIVE,
    )  # fmt: skip


def test_a_restriction_ends_by_its_person_or_after_they_were_told() -> None:
    restriction = filed(RequestKind.RESTRICT, is_done=True)
    by_person = lifted(restriction, NOON + MONTH)

    assert (by_person.is_paused, steps(by_person)[-1]) == (False, ("lifted", "person"))
    assert lifted(by_person, NOON + 2 * MONTH) is by_person
    with pytest.raises(TextNeeded):
        after(restriction, act(RequestAction.LIFT, text=None), EXTENSION)
    assert not after(restriction, act(RequestAction.LIFT), EXTENSION).is_paused
    with pytest.raises(NotRestricted):
        after(by_person, act(RequestAction.LIFT), EXTENSION)
    with pytest.raises(NotRestricted):
        lifted(filed(), NOON)


def test_the_same_deed_by_the_same_operator_is_a_repetition() -> None:
    taken = after(filed(), act(RequestAction.TAKE), EXTENSION)

    assert done_already(taken, act(RequestAction.TAKE))
    assert not done_already(taken, replace(act(RequestAction.TAKE), operator="B. Clerk"))
    assert not done_already(taken, act(RequestAction.ANSWER))


def test_a_finished_copy_answers_an_open_request_and_no_other() -> None:
    done = answered(filed(), NOON + MONTH)

    assert (done.state, done.is_paused) == (RequestState.ANSWERED, False)
    assert answered(done, NOON + 2 * MONTH) is done


@given(st.sampled_from(RequestKind), st.lists(ACTS, max_size=12))
def test_whatever_operators_do_the_dossier_only_grows_and_an_end_stays_an_end(
    kind: RequestKind, deeds: list[tuple[RequestAction, int, bool, RefusalGround | None]]
) -> None:
    request = filed(kind, is_done=kind is RequestKind.RESTRICT)
    for action, day, has_text, ground in deeds:
        before = request
        deed = Deed(action, "A. Clerk", NOON + timedelta(days=day), ground, TEXT if has_text else None)
        try:
            request = after(before, deed, EXTENSION)
        except PrivacyError:
            continue
        assert request.steps[:-1] == before.steps
        assert request.due_at >= before.due_at
        assert request.is_open or not (request.is_paused and kind in COPIES)
        if action is not RequestAction.LIFT:
            assert before.is_open or request.state is RequestState.CLOSED
        if before.is_paused and kind is RequestKind.RESTRICT and not request.is_paused:
            assert action is RequestAction.LIFT
    assert sum(done.step == "extended" for done in request.steps) <= 1
    assert (request.due_at > NOON + MONTH) is request.is_extended
    assert request.is_open is (request.state in OPEN)


def test_what_is_open_can_be_taken_back_once_and_nothing_waits_for_it_any_more() -> None:
    by_person, lapsed = (taken_back(filed(), actor, NOON + MONTH) for actor in ("person", "lethe"))

    assert (by_person.state, by_person.is_paused, by_person.is_open) == (RequestState.CLOSED, False, False)
    assert [steps(one)[-1] for one in (by_person, lapsed)] == [("closed", "person"), ("closed", "lethe")]
    assert taken_back(by_person, "person", NOON + 2 * MONTH) is by_person
    for decided in (
        answered(filed(), NOON),
        after(filed(), act(RequestAction.REFUSE, ground=RefusalGround.EXCESSIVE), None),
    ):
        with pytest.raises(StepOutOfTurn):
            taken_back(decided, "person", NOON)
