import pytest

from lethe_gateway.numbers import whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_a_number_is_ascii_digits(text: str, number: int) -> None:
    assert whole(text) == number


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", " 1", "1_0", "9" * 19])
def test_everything_else_is_none(text: str) -> None:
    assert whole(text) is None
