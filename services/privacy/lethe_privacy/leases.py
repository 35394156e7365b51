"""Leases: which service may open what for which purpose. Everything not listed is refused."""

from lethe_common.rpc.privacy import Purpose
from lethe_common.services import Service

ALLOWED = frozenset({
    (Service.GATEWAY, Purpose.SIGN_IN),
    (Service.GATEWAY, Purpose.SHOW),
    (Service.GATEWAY, Purpose.MAIL),
    (Service.GATEWAY, Purpose.SERVE),
    (Service.JOBS, Purpose.GENERATE),
    (Service.JOBS, Purpose.STORE),
})  # fmt: skip

PURPOSE_REFUSED = "purpose_refused"
SUBJECT_UNKNOWN = "subject_unknown"
SUBJECT_FENCED = "subject_fenced"
KEY_UNKNOWN = "key_unknown"


def is_allowed(caller: Service, purpose: Purpose) -> bool:
    """Whether a service may lease keys for a purpose at all."""
    return (caller, purpose) in ALLOWED


def refusal_of(subject_state: str | None) -> str | None:
    """Why nothing of a subject in this state is opened or begun; None when it may be."""
    if subject_state is None:
        return SUBJECT_UNKNOWN
    return None if subject_state == "active" else SUBJECT_FENCED
