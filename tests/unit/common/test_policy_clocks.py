from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy.calendars import after_working_days, calendar_of, calendars, easter
from lethe_common.policy.clocks import Extension, answer_by, extension_of, warn_at
from lethe_common.policy.errors import UnknownRight
from lethe_common.policy.laws import packs
from lethe_common.policy.margins import timer_of
from tests.unit.common.policy_files import NAMES, shipped_policy

FRIDAY = datetime(2026, 11, 27, 15, tzinfo=UTC)
MOMENTS = st.integers(1577836800, 2840140800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("year", "western", "orthodox"),
    [(2024, (3, 31), (5, 5)), (2025, (4, 20), (4, 20)), (2026, (4, 5), (4, 12)), (2027, (3, 28), (5, 2))],
)
def test_easter_falls_on_its_sunday(year: int, western: tuple[int, int], orthodox: tuple[int, int]) -> None:
    assert easter(year, "western") == date(year, *western)
    assert easter(year, "orthodox") == date(year, *orthodox)


def test_three_working_days_leave_out_the_weekend() -> None:
    aisora2 = shipped_policy("aisora2").content

    assert answer_by(aisora2, "enquiry", FRIDAY) == datetime(2026, 12, 2, 15, tzinfo=UTC)


def test_working_days_leave_out_the_holidays_of_the_controllers_country() -> None:
    before_new_year = datetime(2026, 12, 31, 9, tzinfo=UTC)

    assert answer_by(shipped_policy("aisora2").content, "enquiry", before_new_year).date() == date(2027, 1, 6)
    assert after_working_days(date(2026, 12, 31), 1, calendar_of("RU")) == date(2027, 1, 11)
    assert after_working_days(date(2026, 12, 31), 1, calendar_of("nowhere")) == date(2027, 1, 1)


def test_easter_monday_is_no_working_day_where_it_is_none() -> None:
    assert not calendar_of("SI").is_working(date(2026, 4, 6))
    assert calendar_of("MD").is_working(date(2026, 4, 6))
    assert not calendar_of("MD").is_working(date(2026, 4, 13))


def test_the_law_comes_first_where_it_is_stricter() -> None:
    """Thirty days are promised; a month that begins on 31 January ends on 28 February."""
    aisora2 = shipped_policy("aisora2").content

    assert answer_by(aisora2, "access", datetime(2027, 1, 31, tzinfo=UTC)) == datetime(2027, 2, 28, tzinfo=UTC)
    assert answer_by(aisora2, "access", datetime(2027, 3, 1, tzinfo=UTC)) == datetime(2027, 3, 31, tzinfo=UTC)


def test_ten_russian_working_days_are_two_weeks_without_holidays() -> None:
    assert answer_by(shipped_policy("videogen").content, "access", FRIDAY) == FRIDAY + timedelta(days=14)


def test_what_people_do_by_themselves_is_due_at_once() -> None:
    assert answer_by(shipped_policy("soragpt").content, "erase", FRIDAY) == FRIDAY


def test_a_request_of_which_nothing_is_said_has_no_clock() -> None:
    with pytest.raises(UnknownRight):
        answer_by(shipped_policy("aisora2").content, "refund", FRIDAY)


@given(st.dates(date(2020, 1, 1), date(2060, 1, 1)), st.integers(1, 40), st.sampled_from(sorted(calendars())))
def test_so_many_working_days_lie_between_start_and_end(start: date, count: int, country: str) -> None:
    calendar = calendar_of(country)
    end = after_working_days(start, count, calendar)

    passed = [start + timedelta(days=n) for n in range(1, (end - start).days + 1)]
    assert sum(calendar.is_working(day) for day in passed) == count
    assert calendar.is_working(end)


@pytest.mark.parametrize("name", NAMES)
def test_the_timer_of_a_longest_period_leaves_room_for_all_that_comes_after(name: str) -> None:
    content = shipped_policy(name).content

    for category, rule in content.data.items():
        timer = timer_of(content, rule)
        assert timer is None or timedelta(0) <= timer < (rule.keep.at_most or timedelta(0)), category


def test_the_timer_of_an_upload_starts_its_removal_at_once() -> None:
    content = shipped_policy("aisora2").content

    assert timer_of(content, content.data["upload.image"]) == timedelta(0)
    assert timer_of(content, content.data["identity.email"]) == timedelta(days=30 - 1 - 3)
    assert timer_of(content, content.data["ledger.transfer"]) is None


def test_every_entry_of_a_law_pack_has_its_source_and_says_whether_it_was_checked() -> None:
    entries = [(law.id, entry) for law in packs().values() for entry in law.entries]

    assert [(law, entry.key) for law, entry in entries if not entry.source or not entry.says] == []
    assert [(law, entry.key) for law, entry in entries if entry.checked and not entry.seen_at] == []
    assert [
        (law, entry.key) for law, entry in entries if not entry.checked and "not checked" not in (entry.note or "")
    ] == []
    assert set(packs()) == {"EU", "MD", "RU", "COPPA", "AI-ACT"}


def test_an_extension_runs_from_the_end_of_the_laws_own_time_and_the_strictest_law_counts() -> None:
    march, content = datetime(2027, 3, 1, tzinfo=UTC), shipped_policy("aisora2").content

    assert extension_of(content, "access", march) == Extension(
        told_by=datetime(2027, 4, 1, tzinfo=UTC), ends_at=datetime(2027, 6, 1, tzinfo=UTC)
    )
    russian = extension_of(shipped_policy("videogen").content, "access", FRIDAY)
    assert russian == Extension(told_by=FRIDAY + timedelta(days=14), ends_at=FRIDAY + timedelta(days=21))


def test_what_only_the_policy_promises_cannot_be_extended() -> None:
    for name in NAMES:
        content = shipped_policy(name).content

        assert extension_of(content, "enquiry", FRIDAY) is None, name
        assert extension_of(content, "child", FRIDAY) is None, name


@given(st.sampled_from(NAMES), st.sampled_from(["access", "correct", "erase", "object"]), MOMENTS)
def test_an_extension_always_gives_more_time_than_the_request_had(name: str, right: str, received_at: datetime) -> None:
    content = shipped_policy(name).content
    extension = extension_of(content, right, received_at)

    assert extension is not None
    assert answer_by(content, right, received_at) <= extension.told_by < extension.ends_at


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=90)))
def test_a_warning_comes_between_receipt_and_end_with_a_quarter_of_the_time_left(
    received_at: datetime, length: timedelta
) -> None:
    at = warn_at(received_at, received_at + length)

    assert received_at <= at <= received_at + length
    assert received_at + length - at == length / 4
