import pytest

from lethe_gateway.errors import TooManyRequests
from lethe_gateway.throttle import Lockout, Throttle


def test_a_burst_up_to_the_limit_passes_and_one_more_is_told_how_long_to_wait() -> None:
    throttle = Throttle(4, 60.0)
    for _ in range(4):
        throttle.admit("a", 1000.0)

    with pytest.raises(TooManyRequests) as refusal:
        throttle.admit("a", 1000.0)

    assert refusal.value.wait_seconds == 15


def test_waiting_as_told_lets_one_more_through() -> None:
    throttle = Throttle(4, 60.0)
    for _ in range(4):
        throttle.admit("a", 1000.0)

    throttle.admit("a", 1015.0)

    with pytest.raises(TooManyRequests):
        throttle.admit("a", 1015.0)


def test_one_key_does_not_use_up_anothers_burst() -> None:
    throttle = Throttle(1, 60.0)
    throttle.admit("a", 0.0)

    throttle.admit("b", 0.0)


def test_a_limit_of_zero_is_off() -> None:
    throttle = Throttle(0, 60.0)

    for _ in range(1000):
        throttle.admit("a", 0.0)


def test_asking_counts_nothing_and_says_what_the_next_one_would_hear() -> None:
    throttle = Throttle(2, 60.0)
    for _ in range(5):
        throttle.must_have_room("a", 0.0)
    for _ in range(2):
        throttle.admit("a", 0.0)

    with pytest.raises(TooManyRequests) as refusal:
        throttle.must_have_room("a", 0.0)

    assert refusal.value.wait_seconds == 30
    throttle.must_have_room("a", 30.0)


def test_who_is_kept_out_comes_back_when_the_time_is_over_and_others_at_any_time() -> None:
    lockout = Lockout(10)
    lockout.close("one", "two", now_seconds=100)

    assert lockout.is_closed("three", "two", now_seconds=109.9)
    assert not lockout.is_closed("one", "two", now_seconds=110)
    assert not lockout.is_closed("three", now_seconds=101)
