from datetime import UTC, datetime, timedelta
from itertools import permutations

from lethe_common.events.billing import HoldsPosted, HoldVoided
from lethe_common.events.jobs import (
    Delivered,
    FailureCode,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationStarted,
)
from lethe_common.events.retention import ItemsDue, ItemsScheduled
from lethe_common.identifiers import AssetId, GenerationId, HoldId, SubjectRef
from lethe_gateway.outcomes import TELLING, Outcome, Told, fold

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, OTHER, SUBJECT = GenerationId.new(), GenerationId.new(), SubjectRef.new()


def started(made: GenerationId = ONE) -> GenerationStarted:
    return GenerationStarted(generation_id=made, subject_ref=SUBJECT, started_at=NOW)


def completed(made: GenerationId = ONE) -> GenerationCompleted:
    return GenerationCompleted(
        generation_id=made, subject_ref=SUBJECT, asset_ids=(AssetId.new(),), completed_at=NOW,
        delivered=Delivered(width_px=640, height_px=360, duration_seconds=4),
    )  # fmt: skip


def failed(made: GenerationId = ONE) -> GenerationFailed:
    return GenerationFailed(generation_id=made, subject_ref=SUBJECT, code=FailureCode.PROVIDER_FAILED, failed_at=NOW)


def posted(credits_: int, made: GenerationId = ONE) -> HoldsPosted:
    hold = HoldsPosted.Posted(hold_id=HoldId.new(), generation_id=made, subject_ref=SUBJECT, credits=credits_)
    return HoldsPosted(holds=(hold,))


def scheduled(due_at: datetime | None, moves: int = 0) -> ItemsScheduled:
    return ItemsScheduled(items=(ItemsScheduled.Item(generation_id=ONE, due_at=due_at, moves=moves),))


def only(*events: Told) -> Outcome:
    (outcome,) = fold(events)
    return outcome


def due(at: datetime) -> ItemsDue:
    item = ItemsDue.Item(generation_id=ONE, subject_ref=SUBJECT, category="output.video", due_at=at)
    return ItemsDue(items=(item,))


def test_all_that_was_told_of_a_generation_is_one_change() -> None:
    outcome = only(started(), completed(), posted(60), scheduled(NOW))

    assert outcome == Outcome(ONE, "completed", NOW, None, 60, expires_at=NOW, moves=0)


def test_an_end_that_came_before_the_start_stays_the_end() -> None:
    assert only(completed(), started()).state == "completed"


def test_the_first_of_two_ends_counts() -> None:
    cancelled = GenerationCancelled(generation_id=ONE, subject_ref=SUBJECT, cancelled_at=NOW)

    assert only(failed(), completed()) == Outcome(ONE, "failed", error_code=str(FailureCode.PROVIDER_FAILED))
    assert only(cancelled, failed()) == Outcome(ONE, "cancelled")


def test_a_void_beside_a_post_is_no_void_of_what_was_charged() -> None:
    voided = HoldVoided(hold_id=HoldId.new(), generation_id=ONE, subject_ref=SUBJECT, cause="expired")
    outcome = only(posted(20), voided)

    assert (outcome.credits_charged, outcome.is_voided) == (20, True)


def test_the_deadline_that_was_moved_most_often_counts_whenever_it_is_heard_of() -> None:
    first, second, third = scheduled(NOW), scheduled(NOW + timedelta(days=1), 1), scheduled(None, 2)

    for told in permutations((first, second)):
        assert only(*told) == Outcome(ONE, expires_at=NOW + timedelta(days=1), moves=1)
    for told in permutations((first, second, third)):
        assert only(*told) == Outcome(ONE, expires_at=None, moves=2)


def test_a_due_item_is_hidden_from_its_first_deadline_on() -> None:
    assert only(due(NOW), due(NOW + timedelta(days=1))).hidden_at == NOW


def test_generations_are_kept_apart_in_the_order_they_were_first_told_of() -> None:
    outcomes = fold([completed(OTHER), started(), posted(5, OTHER)])

    assert [(one.generation_id, one.state, one.credits_charged) for one in outcomes] == [
        (OTHER, "completed", 5), (ONE, "in_progress", None),
    ]  # fmt: skip


def test_every_told_type_changes_something() -> None:
    events: list[Told] = [
        started(), completed(), failed(), GenerationCancelled(generation_id=ONE, subject_ref=SUBJECT, cancelled_at=NOW),
        posted(1), HoldVoided(hold_id=HoldId.new(), generation_id=ONE, subject_ref=SUBJECT, cause="failed"),
        scheduled(NOW), due(NOW),
    ]  # fmt: skip

    assert {type(event) for event in events} == set(TELLING)
    assert all(only(event) != Outcome(ONE) for event in events)
