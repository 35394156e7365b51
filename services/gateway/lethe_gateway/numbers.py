"""Numbers as clients write them into headers and addresses."""

_DIGITS_MOST = 18
"""Of a bigint."""


def whole(text: str, digits_most: int = _DIGITS_MOST) -> int | None:
    """A number of so many ASCII digits at most; None for everything else, `²` and thousands of nines among it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits_most else None
