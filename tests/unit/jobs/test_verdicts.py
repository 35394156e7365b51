from datetime import timedelta

from lethe_common.identifiers import AssetId, GenerationId, HoldId, SealKeyId, SubjectRef
from lethe_jobs.leases import Lease, Run, delay_after
from lethe_jobs.paces import Pace
from lethe_jobs.runs import Cause, State
from lethe_jobs.verdicts import Asset, Variant, broken, delivered_of, postponed, released


def run(*, attempts: int = 1, postponements: int = 0) -> Run:
    lease = Lease(GenerationId.new(), token=1)
    return Run(lease, SubjectRef.new(), HoldId.new(), "m", 64, 36, 4, None, attempts, postponements)


def asset(variant: Variant, width_px: int) -> Asset:
    return Asset(
        AssetId.new(), variant, "key", None, "video/mp4", 1, 2, "0" * 64, SealKeyId.new(), width_px, 36, 24, 1.0,
    )  # fmt: skip


def test_waiting_for_a_neighbour_is_no_attempt_and_gets_longer_up_to_half_a_minute() -> None:
    verdicts = [postponed(run(postponements=count), Cause.SERVICE_AWAY) for count in range(40)]

    assert not any(verdict.counts_as_attempt for verdict in verdicts)
    assert {verdict.state for verdict in verdicts} == {State.QUEUED}
    assert [verdict.delay for verdict in verdicts] == sorted(verdict.delay for verdict in verdicts)
    assert verdicts[0].delay == timedelta(seconds=0.25)
    assert verdicts[-1].delay == timedelta(seconds=30)


def test_a_broken_attempt_counts_and_the_last_one_fails_the_run() -> None:
    again, over = broken(run(attempts=2), Cause.PROVIDER_FAILED, 3), broken(run(attempts=3), Cause.PROVIDER_FAILED, 3)

    assert (again.state, again.counts_as_attempt) == (State.QUEUED, True)
    assert again.delay > timedelta(0)
    assert (over.state, over.cause) == (State.FAILED, Cause.PROVIDER_FAILED)


def test_a_run_whose_workers_keep_dying_fails_as_exhausted() -> None:
    assert broken(run(attempts=3), Cause.LEASE_EXPIRED, 3).cause is Cause.ATTEMPTS_EXHAUSTED


def test_a_run_given_back_may_be_taken_at_once() -> None:
    verdict = released(run())

    assert (verdict.state, verdict.delay, verdict.counts_as_attempt) == (State.QUEUED, timedelta(0), False)


def test_what_is_charged_for_is_the_video_not_its_thumbnail() -> None:
    assert delivered_of([asset("thumbnail", 32), asset("video", 64)]).width_px == 64


def test_delays_double_from_a_quarter_second() -> None:
    assert [delay_after(failures).total_seconds() for failures in (0, 1, 2, 3, 99)] == [0.25, 0.25, 0.5, 1, 30]


def test_a_pace_starts_with_a_guess_and_follows_what_was_seen() -> None:
    pace = Pace(1.0)
    assert pace.expect(4) == 4
    for _ in range(50):
        pace.observe(video_seconds=4, took_seconds=2)
    pace.observe(video_seconds=0, took_seconds=2)

    assert round(pace.expect(4), 2) == 2
