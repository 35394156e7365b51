"""Everything jobs can refuse or meet, on one page.

JobsError
├── IllegalArrow      500   a bug: a run never goes this way
├── ProviderError           a provider did not deliver
│   ├── BadInput      400   it cannot work with this prompt or reference; change it
│   ├── ProviderFailed 502  it broke; the run is tried again, then fails
│   └── RunStopped    409   the run was cancelled or its lease was lost; nothing is written
└── InputUnreadable   500   what the gateway sealed does not open; the run fails

KeysStale             503   (an Unavailable) a run was held up; it asks for its keys again
"""

from lethe_common.errors import LetheError, Unavailable


class JobsError(LetheError):
    """The root of this service's refusals."""

    code, status = "jobs_error", 500


class IllegalArrow(JobsError):
    """Somebody tried a change of state that does not exist."""

    code = "illegal_arrow"

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"A run never goes from {before} to {after}.")


class ProviderError(JobsError):
    """A provider did not deliver."""

    code, status = "provider_error", 502


class BadInput(ProviderError):
    """The provider cannot work with what it was given; trying again would not help."""

    code, status = "bad_input", 400


class ProviderFailed(ProviderError):
    """The provider broke. Trying again may help."""

    code = "provider_failed"


class RunStopped(ProviderError):
    """The run was cancelled, or its lease went to another worker."""

    code, status = "run_stopped", 409


class InputUnreadable(JobsError):
    """A sealed input does not open with its own key."""

    code = "input_unreadable"


class KeysStale(Unavailable):
    """A run was held up for so long that what its keys were leased on may not hold any more."""

    code = "keys_stale"
