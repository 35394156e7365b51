from datetime import timedelta

from lethe_retention.overdue import AGES, Change, changes

KEY, OLDER = ("output.video", "under_1h"), ("output.video", "under_1d")


def test_the_ages_grow_and_the_last_one_has_no_end() -> None:
    limits = [limit for _, limit in AGES]

    assert limits[-1] is None
    assert [limit for limit in limits if limit is not None] == sorted(limit for limit in limits if limit is not None)
    assert all(limit > timedelta(0) for limit in limits if limit is not None)


def test_an_alarm_is_raised_once_and_cleared_once() -> None:
    assert list(changes({}, {KEY: 2})) == [Change(*KEY, 2)]
    assert list(changes({KEY: 2}, {KEY: 2})) == []
    assert list(changes({KEY: 2}, {})) == [Change(*KEY, 0)]


def test_what_gets_older_leaves_one_bucket_and_enters_the_next() -> None:
    assert set(changes({KEY: 2}, {OLDER: 2})) == {Change(*KEY, 0), Change(*OLDER, 2)}
