"""How much may go out and come back at once, and how long it may take."""

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one passage."""

    body_bytes: int = 32 * _MIB
    answer_bytes: int = 64 * _MIB
    """Of an answer that is read whole; a stream's reader states its own."""
    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    """Between two pieces."""
    total_seconds: float = 120.0
    redirects: int = 3
