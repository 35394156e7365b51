from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy import OnPolicyChange, PolicyBook, PolicyError, load_book
from lethe_common.policy.deadlines import due_under
from lethe_common.policy.errors import NotYetInForce
from lethe_common.policy.rules import Fact
from tests.unit.common.policy_files import PROFILES, in_two_versions, shipped, written

FIRST, SECOND = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, 9, tzinfo=UTC)
START = SECOND - timedelta(days=3)
LATER = [("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", "effective: 2026-12-01T09:00:00Z")]
DAY = timedelta(days=1)
Version = tuple[int, OnPolicyChange]


def book(tmp_path: Path, *replacements: tuple[str, str]) -> PolicyBook:
    written(tmp_path)
    written(tmp_path, *LATER, *replacements, name="policy-2.yaml")
    return load_book(tmp_path)


def test_the_version_in_force_changes_at_one_instant(tmp_path: Path) -> None:
    both = book(tmp_path)

    assert both.in_force(SECOND - timedelta(microseconds=1)).version == 1
    assert both.in_force(SECOND).version == 2
    assert [version.hash for version in both.versions] == sorted(
        {v.hash for v in both.versions}, key=[v.hash for v in both.versions].index
    )


def test_the_next_version_is_known_until_it_takes_effect(tmp_path: Path) -> None:
    both = book(tmp_path)

    coming = both.next_after(SECOND - DAY)
    assert coming is not None
    assert coming.version == 2
    assert both.next_after(SECOND) is None


def test_before_the_first_version_nothing_is_in_force(tmp_path: Path) -> None:
    with pytest.raises(NotYetInForce, match="2026-11-01"):
        book(tmp_path).in_force(FIRST - DAY)


@pytest.mark.parametrize(
    ("replacements", "told"),
    [
        (LATER[:1], "policy-2.yaml: it takes effect at the same instant as policy.yaml"),
        (LATER[1:], "its version 1 is not higher"),
        ([*LATER, ("profile: aisora2", "profile: other")], "a version of other"),
    ],
)
def test_versions_that_contradict_one_another_are_refused(
    tmp_path: Path, replacements: list[tuple[str, str]], told: str
) -> None:
    written(tmp_path)
    written(tmp_path, *replacements, name="policy-2.yaml")

    with pytest.raises(PolicyError, match=told):
        load_book(tmp_path)


@pytest.mark.parametrize(("choice", "days"), [("longest", 7), ("new", 5), ("at_creation", 7)])
def test_a_shorter_period_counts_as_the_policy_says(tmp_path: Path, choice: str, days: int) -> None:
    both = book(tmp_path, ("free: P7D", "free: P5D"), ("on_policy_change: longest", f"on_policy_change: {choice}"))

    assert both.due_at("output.video", [("free", FIRST)], {Fact.COMPLETED: START}, SECOND) == START + days * DAY


@pytest.mark.parametrize(("choice", "days"), [("longest", 9), ("new", 9), ("at_creation", 7)])
def test_a_longer_period_counts_as_the_policy_says(tmp_path: Path, choice: str, days: int) -> None:
    both = book(tmp_path, ("free: P7D", "free: P9D"), ("on_policy_change: longest", f"on_policy_change: {choice}"))

    assert both.due_at("output.video", [("free", FIRST)], {Fact.COMPLETED: START}, SECOND) == START + days * DAY
    assert (
        both.due_at("output.video", [("free", FIRST)], {Fact.COMPLETED: START}, SECOND - timedelta(seconds=1))
        == START + 7 * DAY
    )


def test_a_period_cut_below_an_items_age_makes_it_due_when_it_takes_effect(tmp_path: Path) -> None:
    both = book(tmp_path, ("free: P7D", "free: P1D"), ("on_policy_change: longest", "on_policy_change: new"))

    assert both.due_at("output.video", [("free", FIRST)], {Fact.COMPLETED: START}, SECOND + DAY) == SECOND


def test_a_deadline_that_had_passed_is_not_revived_by_a_longer_period(tmp_path: Path) -> None:
    both = book(tmp_path, ("free: P7D", "free: P90D"), ("on_policy_change: longest", "on_policy_change: new"))
    long_ago = SECOND - 8 * DAY

    assert (
        both.due_at("output.video", [("free", FIRST)], {Fact.COMPLETED: long_ago}, SECOND + DAY) == long_ago + 7 * DAY
    )


def test_a_plan_bought_after_the_change_counts_by_the_new_version(tmp_path: Path) -> None:
    both = book(tmp_path, ("pro: P90D", "pro: P100D"))
    held = [("free", FIRST), ("pro", SECOND + DAY)]

    assert both.due_at("output.video", held, {Fact.COMPLETED: START}, SECOND + 2 * DAY) == START + 100 * DAY


def due(versions: Sequence[tuple[Version, datetime]], now: datetime) -> datetime | None:
    return due_under(lambda version: version[1], lambda version, _: START + version[0] * DAY, versions, START, now)


def moments(changes: list[tuple[int, OnPolicyChange, int]]) -> list[tuple[Version, datetime]]:
    return [((days, choice), START + hours * timedelta(hours=1)) for days, choice, hours in changes]


CHANGES = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from(OnPolicyChange), st.integers(1, 2000)), max_size=5, unique_by=lambda one: one[2]
)  # fmt: skip
NOW = START + timedelta(days=200)
NEVER = datetime.max.replace(tzinfo=UTC)


@given(st.integers(1, 60), CHANGES)
def test_no_change_of_policy_revives_what_was_due(first: int, changes: list[tuple[int, OnPolicyChange, int]]) -> None:
    versions = [((first, OnPolicyChange.LONGEST), START - DAY), *moments(changes)]
    for _, since in versions[1:]:
        before = due(versions, since - timedelta(microseconds=1))
        if before is not None and before <= since:
            assert due(versions, NOW) == before


@given(st.integers(1, 60), CHANGES)
def test_longest_throughout_never_shortens(first: int, changes: list[tuple[int, OnPolicyChange, int]]) -> None:
    versions = [
        ((first, OnPolicyChange.LONGEST), START - DAY),
        *moments([(days, OnPolicyChange.LONGEST, hours) for days, _, hours in changes]),
    ]
    looks = sorted(since for _, since in versions[1:])

    seen = [due(versions, at) or NEVER for at in (START, *looks, NOW)]
    assert seen == sorted(seen)
    assert seen[0] == START + first * DAY


@given(st.integers(1, 60), CHANGES)
def test_at_creation_throughout_never_moves(first: int, changes: list[tuple[int, OnPolicyChange, int]]) -> None:
    later = moments([(days, OnPolicyChange.AT_CREATION, hours) for days, _, hours in changes])

    assert due([((first, OnPolicyChange.AT_CREATION), START - DAY), *later], NOW) == START + first * DAY


@given(CHANGES)
def test_versions_may_be_told_in_any_order(changes: list[tuple[int, OnPolicyChange, int]]) -> None:
    versions = [((7, OnPolicyChange.LONGEST), START - DAY), *moments(changes)]

    assert due(versions, NOW) == due(versions[::-1], NOW)


def test_without_a_version_in_force_there_is_no_deadline() -> None:
    with pytest.raises(ValueError, match="a version that is in force"):
        due([((7, OnPolicyChange.NEW), NOW + DAY)], NOW)


def test_without_the_event_from_which_a_period_counts_no_clock_runs() -> None:
    videogen = shipped("videogen").book
    deleted_at = START + 400 * DAY
    facts = {Fact.COMPLETED: START}

    assert videogen.due_at("output.video", [("prepaid", FIRST)], facts, deleted_at) is None
    facts[Fact.DELETED_BY_USER] = deleted_at
    due_at = videogen.due_at("output.video", [("prepaid", FIRST)], facts, deleted_at)
    # Ten days are promised: a day of grace and three until backups of keys are forgotten have to fit inside.
    assert due_at == deleted_at + 6 * DAY


def test_a_version_may_start_a_clock_or_take_it_away(tmp_path: Path) -> None:
    both = book(tmp_path, ("keep: {from: completed, exactly:", "keep: {until: deleted_by_user, exactly:"))
    completed = {Fact.COMPLETED: START}

    assert both.due_at("output.video", [("free", FIRST)], completed, SECOND - timedelta(seconds=1)) == START + 7 * DAY
    assert both.due_at("output.video", [("free", FIRST)], completed, SECOND) is None
    passed = {Fact.COMPLETED: SECOND - 7 * DAY}
    assert both.due_at("output.video", [("free", FIRST)], passed, SECOND + DAY) == SECOND


def test_before_its_date_the_first_version_counts_though_it_is_not_in_force(tmp_path: Path) -> None:
    both = book(tmp_path)

    assert both.governing(FIRST - DAY).version == 1
    assert both.next_after(FIRST - DAY) == both.versions[0]


def test_a_plan_told_by_a_clock_that_is_ahead_counts(tmp_path: Path) -> None:
    held = [("free", FIRST), ("pro", START + timedelta(milliseconds=20))]

    assert book(tmp_path).due_at("output.video", held, {Fact.COMPLETED: START}, START) == START + 90 * DAY


def test_nothing_that_happened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="something that has happened"):
        book(tmp_path).due_at("output.video", [("free", FIRST)], {}, START)


def test_an_account_ends_without_contact_as_the_most_patient_version_said(tmp_path: Path) -> None:
    changed = (("inactive: P2Y", "inactive: P1Y"),)
    book = load_book(in_two_versions(tmp_path, "2027-06-01", *changed, profile="imageshop"))
    before, after = datetime(2027, 5, 31, tzinfo=UTC), datetime(2027, 6, 2, tzinfo=UTC)

    assert [one.inactive for one in book.versions] == [timedelta(days=730), timedelta(days=365)]
    assert book.inactive(before) == book.inactive(after) == timedelta(days=730)
    assert load_book(PROFILES / "aisora2").inactive(after) is None


def test_what_lies_in_a_log_goes_by_age_before_it_outlives_the_last_visit_by_more_than_was_said(tmp_path: Path) -> None:
    (policy,) = load_book(written(tmp_path, ("inactive: P1Y", "inactive: P9D"), profile="imageshop").parent).versions

    assert policy.inactive == timedelta(days=730)
    assert policy.shortest_timer("log") == timedelta(days=9) - policy.rule("technical.connection").grace
