from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lethe_common.events.privacy import StoreCount
from lethe_common.services import Service
from lethe_privacy.erasures import (
    OUTSTANDING,
    OWNERS,
    Called,
    Calling,
    Finding,
    Report,
    State,
    after_report,
    left_over,
    merged,
    retry_delay,
)


def count(before: int, after: int = 0, store: str = "pg:jobs.runs", ground: str | None = None) -> StoreCount:
    return StoreCount(store=store, category="content.generation", before=before, after=after, retained_ground=ground)


def test_every_state_but_the_last_has_one_outstanding_step() -> None:
    assert set(OUTSTANDING) == set(State) - {State.COMPLETED}


def test_nothing_is_erased_while_a_process_that_has_time_may_have_keys() -> None:
    gone, there = Called(Service.JOBS, is_let_go=True), Called(Service.GATEWAY, is_let_go=False)

    assert Calling((), is_by_record=True, is_time_over=False).is_quiet
    assert Calling((gone, gone), is_by_record=True, is_time_over=False).is_quiet
    assert not Calling((gone, there), is_by_record=True, is_time_over=False).is_quiet
    assert Calling((gone, there), is_by_record=True, is_time_over=True).is_quiet


def test_where_nobody_knows_who_has_keys_only_time_makes_quiet() -> None:
    assert not Calling((), is_by_record=False, is_time_over=False).is_quiet
    assert Calling((), is_by_record=False, is_time_over=True).is_quiet


def test_keys_are_destroyed_once_the_last_owner_has_reported() -> None:
    for missing in OWNERS:
        assert after_report(State.ERASING, OWNERS - {missing}) is State.ERASING
    assert after_report(State.ERASING, OWNERS | {Service.PRIVACY}) is State.DESTROYING


def test_after_a_failed_verification_all_owners_report_again_before_the_next_look() -> None:
    assert after_report(State.VERIFICATION_FAILED, {Service.JOBS}) is State.VERIFICATION_FAILED
    assert after_report(State.VERIFICATION_FAILED, OWNERS) is State.DESTROYING


@given(
    st.sampled_from(
        [State.REQUESTED, State.FENCED, State.QUIET, State.HELD, State.DESTROYING, State.VERIFYING, State.COMPLETED]
    ),
    st.sets(st.sampled_from(Service)),
)
def test_a_late_report_never_moves_an_erasure_back(state: State, reported: set[Service]) -> None:
    assert after_report(state, reported) is state


def test_a_second_report_keeps_what_the_first_one_saw_and_takes_what_the_later_one_left() -> None:
    first = Report(Service.JOBS, (count(7, 2), count(1, store="s3:output.video")), ("outputs/a/",))
    second = Report(Service.JOBS, (count(2, 0), count(3, store="pg:jobs.assets")), ("outputs/b/",))

    both = merged(first, second)

    assert {one.store: (one.before, one.after) for one in both.counts} == {
        "pg:jobs.runs": (7, 0),
        "s3:output.video": (1, 0),
        "pg:jobs.assets": (3, 0),
    }
    assert both.prefixes == ("outputs/a/", "outputs/b/")


def test_what_law_keeps_stays_counted_when_a_second_report_cannot_find_whose_it_was() -> None:
    first = Report(Service.BILLING, (count(9, 9, ground="tax records"), count(4, 1, store="pg:billing.holds")))
    second = Report(Service.BILLING, ())

    assert {one.store: one.after for one in merged(first, second).counts} == {"pg:jobs.runs": 9, "pg:billing.holds": 0}
    assert merged(first, Report(Service.BILLING, (count(0, 0, ground="tax records"),))).counts[1].after == 9


@given(st.integers(0, 9), st.integers(0, 9))
def test_the_same_report_twice_is_the_same_as_once(before: int, after: int) -> None:
    report = Report(Service.BILLING, (count(before, after),), ("a/b/",))

    assert merged(report, report) == merged(None, report) == report


def test_what_was_seen_or_admitted_stands_against_a_certificate() -> None:
    kept_by_law = Report(Service.BILLING, (count(9, 9, ground="tax records"),))
    admitted = Report(Service.JOBS, (count(9, 1),))
    seen = [Finding("pg:gateway.accounts", "counted", 1), Finding("pg:jobs.runs", "counted", 0)]

    assert left_over([kept_by_law], [Finding("pg:jobs.runs", "counted", 0)]) == []
    assert {one.store for one in left_over([kept_by_law, admitted], seen)} == {"pg:gateway.accounts", "pg:jobs.runs"}


@given(st.integers(1, 10_000))
def test_the_wait_after_a_failure_grows_up_to_its_limit(failures: int) -> None:
    first, most = timedelta(seconds=2), timedelta(minutes=10)

    delay = retry_delay(failures, first, most)

    assert first <= delay <= most
    assert delay == most or retry_delay(failures + 1, first, most) > delay
