"""What sealing can refuse, on one page.

SealingError
├── CannotOpen   500   what was read is not what was sealed here; retrying does not help
└── CannotSeal   500   the stream was not as long as announced; nothing of it may be kept
"""

from lethe_common.errors import LetheError


class SealingError(LetheError):
    """The root of sealing's refusals. Reasons never tell what is inside, nor whose it is."""

    code, status = "sealing_failed", 500


class CannotOpen(SealingError):
    """The sealed bytes do not open."""

    code = "cannot_open"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This cannot be opened: {reason}.")
        self.reason = reason


class CannotSeal(SealingError):
    """The stream cannot be sealed whole."""

    code = "cannot_seal"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This cannot be sealed: {reason}.")
        self.reason = reason
