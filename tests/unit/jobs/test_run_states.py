import re
from itertools import product
from pathlib import Path

import pytest

import lethe_jobs
from lethe_common.events.jobs import FailureCode
from lethe_jobs.errors import IllegalArrow
from lethe_jobs.runs import ACTIVE, ARROWS, FINAL, RESUMABLE, Cause, State, arrow, failure_of


def reachable(start: State) -> set[State]:
    seen, left = {start}, [start]
    while left:
        for goal in ARROWS[left.pop()] - seen:
            seen.add(goal)
            left.append(goal)
    return seen


def test_every_state_has_its_arrows_and_can_be_reached() -> None:
    assert set(ARROWS) == set(State)
    assert reachable(State.QUEUED) == set(State)


def test_every_state_that_is_not_final_can_end_in_every_way_but_by_itself() -> None:
    for state in set(State) - FINAL:
        assert {State.FAILED, State.CANCELLED} <= ARROWS[state]
        assert state not in ARROWS[state]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_follows_a_final_state(state: State) -> None:
    assert state.is_final
    assert not state.is_active
    assert ARROWS[state] == frozenset()


def test_what_may_have_been_bought_is_never_bought_again() -> None:
    for state in (State.SUBMITTING, State.SUBMITTED, State.SUBMIT_UNKNOWN):
        assert State.SUBMITTING not in ARROWS[state]
        assert State.QUEUED not in ARROWS[state]


def test_only_runs_nobody_was_paid_for_start_anew() -> None:
    assert set(RESUMABLE) == {State.LEASED, State.RENDERING, State.STORING}
    assert set(RESUMABLE) <= ACTIVE


def test_an_arrow_that_does_not_exist_is_refused() -> None:
    for before, after in product(State, State):
        if after in ARROWS[before]:
            assert arrow(before, after) == (before, after)
        else:
            with pytest.raises(IllegalArrow):
                arrow(before, after)


def test_the_database_knows_the_same_arrows() -> None:
    migration = Path(lethe_jobs.__path__[0], "migrations/pre_20261122_first.py").read_text()
    check = migration.partition("attempts_arrow CHECK")[2].partition(");")[0]
    clauses = re.findall(r"from_state = '(\w+)' AND to_state IN\s+\(([^)]*)\)", check)
    written = {State(before): frozenset(map(State, re.findall(r"'(\w+)'", goals))) for before, goals in clauses}

    assert written == {before: goals for before, goals in ARROWS.items() if goals}


def test_a_user_is_told_what_they_can_change_and_else_that_the_provider_failed() -> None:
    assert failure_of(Cause.BAD_INPUT) is FailureCode.BAD_INPUT
    assert failure_of(Cause.REFUSED) is FailureCode.REFUSED
    assert failure_of(Cause.TIMED_OUT) is FailureCode.TIMED_OUT
    assert failure_of(Cause.ATTEMPTS_EXHAUSTED) is FailureCode.PROVIDER_FAILED
    assert failure_of(Cause.PROVIDER_FAILED) is FailureCode.PROVIDER_FAILED
