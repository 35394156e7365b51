"""Which paths of a URL are plain: words and ids, and nothing that the body says."""

import re
from collections.abc import Iterable

_PATH_MOST = 512
_SEGMENT = re.compile(r"[A-Za-z0-9._~:@-]{1,96}")
_SHORTEST_VALUE = 5
"""Shorter values (`4`, `en`, `1:1`) stand in paths by chance."""


def is_plain(path: str, values: Iterable[str]) -> bool:
    """Whether a path has only plain segments, none of which repeats a value of the body."""
    segments = path.removeprefix("/").removesuffix("/").split("/") if path not in {"", "/"} else []
    if len(path) > _PATH_MOST or any(_SEGMENT.fullmatch(segment) is None for segment in segments):
        return False
    if any(segment in {".", ".."} for segment in segments):
        return False
    long = [value for value in values if len(value) >= _SHORTEST_VALUE]
    return not any(value in segment for value in long for segment in segments)
