from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy import load_book, load_catalogue, load_profile
from lethe_retention.deadlines import CATEGORY, Rule, Timetable
from tests.tree import ROOT
from tests.unit.common.policy_files import PROFILES, in_two_versions, written

START = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def timetable() -> Timetable:
    profile = load_profile(ROOT / "deploy/profiles/aisora2")
    return Timetable(profile.book, profile.catalogue)


def test_a_deadline_names_its_item_and_counts_from_its_start(timetable: Timetable) -> None:
    item, subject = GenerationId.new(), SubjectRef.new()

    deadline = timetable.deadline(item, subject, START, [("basic", START - timedelta(days=5))], START)

    assert (deadline.item_id, deadline.subject_ref, deadline.category) == (item, subject, CATEGORY)
    assert deadline.due_at == START + timedelta(days=30)


def test_an_owner_without_a_known_plan_counts_as_on_the_opening_plan(timetable: Timetable) -> None:
    assert timetable.due_at(CATEGORY, START, [], START) == START + timedelta(days=7)


def test_of_all_plans_held_since_the_start_the_longest_counts(timetable: Timetable) -> None:
    plans = [
        ("pro", START + timedelta(days=1)),
        ("free", START - timedelta(days=1)),
        ("free", START + timedelta(days=2)),
    ]

    assert timetable.due_at(CATEGORY, START, plans, START) == START + timedelta(days=90)


def without_basic(folder: Path, *replacements: tuple[str, str]) -> Timetable:
    """By a profile whose catalogue has no plan `basic` any more."""
    catalogue = (PROFILES / "aisora2" / "catalogue.yaml").read_text().splitlines(keepends=True)
    (folder / "catalogue.yaml").write_text("".join(line for line in catalogue if "id: basic" not in line))
    written(folder, *replacements)
    profile = load_profile(folder)
    return Timetable(profile.book, profile.catalogue)


def test_a_plan_that_left_the_catalogue_counts_by_the_period_that_the_policy_still_states(tmp_path: Path) -> None:
    timetable, held = without_basic(tmp_path), [("basic", START - timedelta(days=1))]
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, held, START)

    assert deadline.due_at == START + timedelta(days=30)
    assert timetable.rule(deadline, held, START) == Rule("completed", "basic", timedelta(days=30), "longest")


def test_a_plan_that_left_the_policy_as_well_counts_as_the_one_kept_longest(tmp_path: Path) -> None:
    unstated = ("basic: P30D, ", ""), ("{data.output.video.keep.exactly.basic}", "30 days")
    timetable, held = without_basic(tmp_path, *unstated), [("basic", START - timedelta(days=1))]
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, held, START)

    assert deadline.due_at == START + timedelta(days=90)
    assert timetable.rule(deadline, held, START).plan == "basic"


def test_a_plan_that_was_left_before_the_start_counts_for_nothing(tmp_path: Path) -> None:
    held = [("basic", START - timedelta(days=90)), ("free", START - timedelta(days=60))]

    assert without_basic(tmp_path).due_at(CATEGORY, START, held, START) == START + timedelta(days=7)


@settings(max_examples=25)
@given(st.integers(1, 60), st.sampled_from(["longest", "new", "at_creation"]), st.integers(-30, 30), st.integers(0, 60))
def test_a_deadline_by_the_book_is_that_of_one_version_or_the_instant_of_a_change(
    days: int, choice: str, start: int, look: int
) -> None:
    """Whatever is looked at when: never earlier than the policy allows, and once passed it stays."""
    with TemporaryDirectory() as folder:
        changed = ("free: P7D", f"free: P{days}D"), ("on_policy_change: longest", f"on_policy_change: {choice}")
        book = load_book(in_two_versions(Path(folder), START.isoformat(), *changed))
    timetable = Timetable(book, load_catalogue(ROOT / "deploy/profiles/aisora2"))
    started_at = START + timedelta(days=start)
    now = max(started_at, START) + timedelta(days=look)

    due_at, old = timetable.due_at(CATEGORY, started_at, [], now), started_at + timedelta(days=7)

    new = started_at + timedelta(days=days)
    if started_at >= START:
        assert due_at == new
    elif old <= START:
        assert due_at == old
    else:
        assert due_at == max({"longest": max(old, new), "new": new, "at_creation": old}[choice], START)


@pytest.mark.parametrize(
    ("lead", "notice_at"),
    [
        (None, None),
        ("P2D", START + timedelta(days=5)),
        ("P7D", None),
        ("P14D", None),
    ],
)
def test_a_notice_comes_a_lead_before_the_deadline_and_never_at_the_start(
    tmp_path: Path, lead: str | None, notice_at: datetime | None
) -> None:
    written(tmp_path, ("    notice: P2D\n", "" if lead is None else f"    notice: {lead}\n"))
    timetable = Timetable(load_book(tmp_path), load_catalogue(ROOT / "deploy/profiles/aisora2"))
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, [], START)

    assert timetable.notice_at(deadline, START) == notice_at


def test_the_lead_is_that_of_the_version_in_force(tmp_path: Path) -> None:
    effective_at = START + timedelta(days=3)
    folder = in_two_versions(tmp_path, effective_at.isoformat(), ("    notice: P2D\n", "    notice: P3D\n"))
    timetable = Timetable(load_book(folder), load_catalogue(folder))
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, [], START)
    due_at = START + timedelta(days=7)

    told = [timetable.notice_at(deadline, at) for at in (effective_at - timedelta(seconds=1), effective_at)]

    assert told == [due_at - timedelta(days=2), due_at - timedelta(days=3)]


def test_the_rule_of_a_deadline_names_the_latest_plan_that_gives_its_period(timetable: Timetable) -> None:
    plans = [("free", START), ("pro", START + timedelta(days=1)), ("basic", START + timedelta(days=2))]
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, plans, START)

    assert timetable.rule(deadline, plans, START) == Rule("completed", "pro", timedelta(days=90), "longest")


def test_the_rule_of_a_deadline_whose_owner_has_no_known_plan_names_the_opening_plan(timetable: Timetable) -> None:
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, [], START)

    assert timetable.rule(deadline, [], START).plan == "free"


def test_a_period_that_no_plan_gives_any_more_is_shown_without_one(timetable: Timetable) -> None:
    deadline = timetable.deadline(GenerationId.new(), SubjectRef.new(), START, [("free", START)], START)

    assert timetable.rule(replace(deadline, due_at=START + timedelta(days=8)), [("free", START)], START).plan is None
