"""Everything billing can refuse, on one page.

BillingError
├── UnknownSubject       404   no such account here, or it is being erased
├── UnknownPrice         400   nothing in the catalogue has this model, size and length
├── HoldNotFound         503   an outcome came before its hold; the message is retried
└── PostExceedsHold      500   a bug: the charge is above the quote; the message is parked

What a single hold is refused for (too few credits, another body under the same
key, a quote that is over) is no error but an outcome: its neighbours go through.
"""

from lethe_common.errors import LetheError


class BillingError(LetheError):
    """The root of billing's errors."""


class UnknownSubject(BillingError):
    """No such account here, or it is being erased."""

    code, status = "unknown_subject", 404

    def __init__(self) -> None:
        super().__init__("There is no such account. If it was opened this second, try again.")


class UnknownPrice(BillingError):
    """Nothing in the catalogue has this model, size and length."""

    code, status = "unknown_price", 400

    def __init__(self) -> None:
        super().__init__("There is no price for this model, size and length. GET /v1/models lists what is on offer.")


class HoldNotFound(BillingError):
    """An outcome came before its hold was known; the hold may still be on its way."""

    code, status = "hold_not_found", 503

    def __init__(self, missing: int) -> None:
        super().__init__(f"{missing} outcomes have no hold yet.")


class PostExceedsHold(BillingError):
    """The charge is above what was quoted and held."""

    code, status = "post_exceeds_hold", 500

    def __init__(self, held: int, spent: int) -> None:
        super().__init__(f"Tried to post {spent} credits on a hold of {held}.")
