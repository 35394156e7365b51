from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy import Policy, PolicyError, load_policy
from lethe_common.policy.errors import UnknownCategory, UnknownPeriod, UnknownPlan
from tests.tree import ROOT

AISORA2 = ROOT / "deploy" / "profiles" / "aisora2"
START = datetime(2026, 12, 1, 12, tzinfo=UTC)
PERIODS = {"free": 7, "basic": 30, "standard": 60, "pro": 90}


def changed(tmp_path: Path, *replacements: tuple[str, str]) -> Path:
    text = (AISORA2 / "policy.yaml").read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "policy.yaml").write_text(text)
    return tmp_path


def line_of(folder: Path, text: str) -> int:
    lines = (folder / "policy.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(AISORA2)


def test_each_plan_keeps_videos_for_its_own_period(policy: Policy) -> None:
    assert {plan: policy.period("output.video", plan).days for plan in policy.plans} == PERIODS


def test_a_prompt_is_kept_as_long_as_its_video(policy: Policy) -> None:
    assert policy.period("content.prompt", "basic") == policy.period("output.video", "basic")
    assert policy.deadline("content.prompt", [("pro", START)], START) == START + timedelta(days=90)


def test_uploads_are_gone_an_hour_after_processing_whatever_the_plan(policy: Policy) -> None:
    assert policy.period("upload.image", "free") == policy.period("upload.image", "pro") == timedelta(hours=1)


def test_seven_years_of_ledger_are_never_shortened_by_leap_years(policy: Policy) -> None:
    assert policy.keep("ledger.transfer").at_least == timedelta(days=7 * 366)
    with pytest.raises(UnknownPeriod):
        policy.period("ledger.transfer", "free")


def test_the_hash_is_that_of_the_file(policy: Policy) -> None:
    assert policy.hash == sha256((AISORA2 / "policy.yaml").read_bytes()).hexdigest()


def test_what_the_policy_does_not_know_is_refused(policy: Policy) -> None:
    with pytest.raises(UnknownCategory):
        policy.keep("face.print")
    with pytest.raises(UnknownPlan):
        policy.period("output.video", "platinum")


@pytest.mark.parametrize(
    ("choice", "days"),
    [("longest", 60), ("current", 30), ("at_creation", 7)],
)
def test_a_plan_change_counts_as_the_policy_says(tmp_path: Path, choice: str, days: int) -> None:
    policy = load_policy(changed(tmp_path, ("on_plan_change: longest", f"on_plan_change: {choice}")))
    held = [
        ("basic", START + timedelta(days=3)),
        ("pro", START - timedelta(days=90)),
        ("free", START - timedelta(days=1)),
        ("standard", START + timedelta(days=2)),
    ]

    assert policy.deadline("output.video", held, START) == START + timedelta(days=days)


def test_a_plan_given_up_before_completion_does_not_count(policy: Policy) -> None:
    held = [("pro", START - timedelta(days=9)), ("free", START - timedelta(seconds=1))]

    assert policy.deadline("output.video", held, START) == START + timedelta(days=7)


def test_a_plan_taken_in_the_very_second_of_completion_counts_alone(policy: Policy) -> None:
    held = [("pro", START - timedelta(days=9)), ("free", START)]

    assert policy.deadline("output.video", held, START) == START + timedelta(days=7)


def test_an_owner_whose_plan_is_heard_of_late_counts_as_having_had_it(policy: Policy) -> None:
    assert policy.deadline("output.video", [("basic", START + timedelta(hours=1))], START) == START + timedelta(days=30)


@pytest.mark.parametrize(("late", "days"), [(timedelta(seconds=-1), 90), (timedelta(0), 7), (timedelta(days=1), 7)])
def test_a_plan_that_begins_when_the_time_is_over_revives_nothing(policy: Policy, late: timedelta, days: int) -> None:
    plans = [("free", START), ("pro", START + timedelta(days=7) + late)]
    assert policy.deadline("output.video", plans, START) == START + timedelta(days=days)


def test_no_plan_at_all_is_an_error(policy: Policy) -> None:
    with pytest.raises(ValueError, match="at least one plan"):
        policy.deadline("output.video", [], START)


@given(st.lists(st.tuples(st.sampled_from(sorted(PERIODS)), st.integers(-1000, 1000)), min_size=1, max_size=6))
def test_longest_never_takes_away_what_a_plan_promised(policy: Policy, held: list[tuple[str, int]]) -> None:
    plans = [(plan, START + timedelta(hours=hours)) for plan, hours in held]
    deadline = policy.deadline("output.video", plans, START)

    assert deadline - START in {timedelta(days=PERIODS[plan]) for plan, _ in held}
    begun = [plan for plan, since in plans if START < since < deadline]
    assert all(deadline >= START + timedelta(days=PERIODS[plan]) for plan in begun)
    assert deadline == policy.deadline("output.video", plans[::-1], START) or len({h for _, h in held}) < len(held)


@pytest.mark.parametrize(
    ("old", "new", "at", "told"),
    [
        ("free: P7D, basic: P30D, standard: P60D, pro: P90D}}\n    on_plan", "free: sometimes}}\n    on_plan", "sometimes", "ISO 8601"),
        ("at_most: PT1H", "at_most: P0D", "P0D", "longer than nothing"),
        ("exactly: {free: P7D", "exactly: {free: P1M", "P1M", "not in years or months"),
        ("    grace: PT1H", "    graze: PT1H", "graze", "Extra inputs"),
        ("    ground: tax records (GDPR Art. 17(3)(b))\n", "", "ledger.transfer:", "names its ground"),
        ("keep: {with: output.video}", "keep: {from: created}", "keep: {from: created}", "without a period"),
    ],
)  # fmt: skip
def test_an_error_names_its_line(tmp_path: Path, old: str, new: str, at: str, told: str) -> None:
    folder = changed(tmp_path, (old, new))

    with pytest.raises(PolicyError, match=told) as refusal:
        load_policy(folder)

    assert f"policy.yaml:{line_of(folder, at)}: " in str(refusal.value)


def test_a_category_stated_twice_is_an_error_at_its_line(tmp_path: Path) -> None:
    folder = changed(tmp_path, ("  mail.queue:", "  output.video: {}\n  mail.queue:"))

    with pytest.raises(PolicyError, match=rf"policy.yaml:{line_of(folder, 'output.video: {}')}: "):
        load_policy(folder)


@pytest.mark.parametrize("companion", ["no.such", "content.prompt"])
def test_a_companion_without_a_period_is_refused(tmp_path: Path, companion: str) -> None:
    folder = changed(tmp_path, ("keep: {with: output.video}", f"keep: {{with: {companion}}}"))

    with pytest.raises(PolicyError, match=r"content\.prompt is kept with"):
        load_policy(folder)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "profile: x"])
def test_what_is_no_policy_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)

    with pytest.raises(PolicyError, match=r"^policy\.yaml"):
        load_policy(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"policy\.yaml cannot be read"):
        load_policy(tmp_path)
