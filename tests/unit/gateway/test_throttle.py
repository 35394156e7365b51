import pytest

from lethe_gateway.errors import TooManyRequests
from lethe_gateway.throttle import Throttle


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
