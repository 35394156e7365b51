"""Everything retention can run into, on one page.

RetentionError
└── PlaceNotSeen     503   a place could not be looked into: nothing is known about it, so nothing is closed
"""

from lethe_common.errors import LetheError


class RetentionError(LetheError):
    """The root of retention's errors."""


class PlaceNotSeen(RetentionError):
    """A place could not be looked into."""

    code, status = "place_not_seen", 503

    def __init__(self, place: str) -> None:
        super().__init__(f"The verifier cannot look into {place}.")
