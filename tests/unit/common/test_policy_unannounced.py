"""Which versions may not be run on: those that come too late, those announced otherwise, those that hide what was before them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.policy import PolicyBook, load_book
from lethe_common.policy.diff import Announced, unannounced
from lethe_common.policy.errors import AnnouncedOtherwise, HistoryMissing, NoticeTooLate
from tests.unit.common.policy_files import in_two_versions

EFFECTIVE = datetime(2027, 1, 1, tzinfo=UTC)
BY = EFFECTIVE - timedelta(days=14)
SECOND = timedelta(seconds=1)


@pytest.fixture
def book(tmp_path: Path) -> PolicyBook:
    return load_book(in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("free: P7D", "free: P8D")))


def fresh(book: PolicyBook, known: Announced, now: datetime) -> list[int]:
    return [newer.version for _, newer in unannounced(book, known, now)]


def test_what_nobody_was_told_of_yet_is_to_be_announced_until_it_would_come_too_late(book: PolicyBook) -> None:
    first, second = book.versions
    known = Announced({1: first.hash}, has_audience=True)

    assert fresh(book, Announced({}, has_audience=False), BY) == [1, 2]
    assert fresh(book, known, BY) == [2]
    assert fresh(book, Announced({1: first.hash, 2: second.hash}, has_audience=True), EFFECTIVE - SECOND) == []
    for late in (SECOND, timedelta(days=99)):
        with pytest.raises(NoticeTooLate, match=r"P14D before: .* Let it take effect at \S+ or later\."):
            unannounced(book, known, BY + late)


def test_nothing_is_too_late_for_nobody(book: PolicyBook) -> None:
    assert fresh(book, Announced({1: "0" * 64}, has_audience=False), EFFECTIVE - SECOND) == [2]


def test_what_was_announced_keeps_its_text_until_its_day(book: PolicyBook) -> None:
    known = {1: book.versions[0].hash, 2: "0" * 64}

    with pytest.raises(AnnouncedOtherwise):
        unannounced(book, Announced(known, has_audience=True), BY)
    assert fresh(book, Announced(known, has_audience=False), BY) == [2]
    assert fresh(book, Announced(known, has_audience=True), EFFECTIVE) == []


def test_a_version_that_takes_the_place_of_another_one_is_refused_and_an_old_one_may_go_when_its_time_is_over(
    book: PolicyBook,
) -> None:
    first, second = book.versions
    alone = PolicyBook((second,))

    with pytest.raises(
        HistoryMissing, match=r"version 1 back as policy\.yaml, and version 2 beside it as policy-2\.yaml"
    ):
        unannounced(alone, Announced({1: first.hash}, has_audience=True), BY)
    assert fresh(alone, Announced({1: first.hash}, has_audience=False), BY) == [2]
    assert fresh(alone, Announced({1: first.hash, 2: second.hash}, has_audience=True), BY) == []
