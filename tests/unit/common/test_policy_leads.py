"""People hear of a coming version as early as the one before it promised, or it is refused with the arithmetic."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.policy import Policy, load_book
from lethe_common.policy.diff import late
from lethe_common.policy.lint import lint_folder
from tests.unit.common.policy_files import in_two_versions, line_with

EFFECTIVE = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = timedelta(days=1)
LONGER = ("free: P7D", "free: P8D")


@pytest.mark.parametrize(
    ("profile", "change", "days"),
    [
        ("aisora2", LONGER, 14),
        ("aisora2", ("name: Example Video Ltd", "name: Other Video Ltd"), 30),
        ("imageshop", ("country: SI", "country: HR"), 30),
    ],
)
def test_in_time_is_until_the_very_instant_and_what_changes_says_how_early_that_is(
    tmp_path: Path, profile: str, change: tuple[str, str], days: int
) -> None:
    older, newer = _versions(tmp_path, change, profile=profile)
    by = EFFECTIVE - days * DAYS

    assert late(older, newer, by) is None
    found = late(older, newer, by + timedelta(microseconds=1))
    assert found is not None
    assert found.notice.by == by
    assert found.earliest == EFFECTIVE + timedelta(microseconds=1)


def test_the_arithmetic_is_shown(tmp_path: Path) -> None:
    older, newer = _versions(tmp_path, LONGER)

    assert str(late(older, newer, datetime(2026, 12, 24, 12, tzinfo=UTC))) == (
        "Version 2 takes effect at 2027-01-01T00:00:00Z, and version 1 promises notice P14D before: "
        "2027-01-01T00:00:00Z - P14D = 2026-12-18T00:00:00Z, but people would hear of it at 2026-12-24T12:00:00Z only. "
        "Let it take effect at 2027-01-07T12:00:00Z or later."
    )


def test_of_what_no_notice_is_promised_none_is_late(tmp_path: Path) -> None:
    older, newer = _versions(tmp_path, ("a video is kept for {data", "each video is kept for {data"))

    assert late(older, newer, EFFECTIVE) is None


def test_a_policy_that_promises_no_lead_has_none_to_keep(tmp_path: Path) -> None:
    folder = in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), LONGER)
    file = folder / "policy.yaml"
    file.write_text(file.read_text().replace("  before: P14D\n", "").replace("{notice.before}", "some days"))
    older, newer = load_book(folder).versions

    assert late(older, newer, EFFECTIVE) is None


def test_the_linter_finds_a_version_that_comes_too_soon_on_the_day_from_which_it_looks(tmp_path: Path) -> None:
    folder = in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), LONGER)

    def found(day: date) -> list[str]:
        return [one.rule for one in lint_folder(folder, day)["policy-2.yaml"]]

    assert found(date(2026, 12, 18)) == []
    assert found(date(2026, 12, 19)) == ["late-notice"]
    assert found(date(2027, 1, 1)) == []
    (finding,) = lint_folder(folder, date(2026, 12, 19))["policy-2.yaml"]
    assert finding.line == line_with(folder / "policy-2.yaml", "effective:")
    assert "2027-01-01T00:00:00Z - P14D = 2026-12-18T00:00:00Z" in finding.sentence
    assert "aisora2-80" in finding.clauses


def _versions(tmp_path: Path, change: tuple[str, str], profile: str = "aisora2") -> tuple[Policy, ...]:
    return load_book(in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), change, profile=profile)).versions
