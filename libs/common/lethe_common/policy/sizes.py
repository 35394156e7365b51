"""Picture sizes: `1280x720` in files and requests, two integers in code."""

import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, PlainSerializer

_WRITTEN = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")


class PictureSize(NamedTuple):
    """Width and height in pixels."""

    width_px: int
    height_px: int

    @property
    def pixels(self) -> int:
        """The area."""
        return self.width_px * self.height_px

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}"


def parse_size(text: object) -> PictureSize:
    """Read `1280x720`.

    Raises:
        ValueError: not of that form.
    """
    if isinstance(text, PictureSize):
        return text
    written = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if written is None:
        raise ValueError("not a size such as 1280x720")
    return PictureSize(int(written[1]), int(written[2]))


Size = Annotated[PictureSize, BeforeValidator(parse_size), PlainSerializer(str, return_type=str)]
