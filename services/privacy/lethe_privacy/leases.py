"""Leases: which service may open what for which purpose. Everything not listed is refused."""

from collections.abc import Mapping

from lethe_common.purposes import Standing, Uses
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

# What each purpose opens, in the policy's words: category and use. All of it has to be allowed.
OPENS: Mapping[Purpose, tuple[tuple[str, str], ...]] = {
    Purpose.SIGN_IN: (("identity.credentials", "service"),),
    Purpose.SHOW: (("identity.email", "service"), ("content.prompt", "service")),
    Purpose.MAIL: (("identity.email", "service"), ("mail.queue", "service")),
    Purpose.GENERATE: (("content.prompt", "service"), ("upload.image", "service")),
    Purpose.STORE: (("output.video", "service"),),
    Purpose.SERVE: (("output.video", "service"), ("output.thumbnail", "service")),
}

PURPOSE_REFUSED = "purpose_refused"
SUBJECT_UNKNOWN = "subject_unknown"
SUBJECT_FENCED = "subject_fenced"
KEY_UNKNOWN = "key_unknown"


def is_allowed(caller: Service, purpose: Purpose) -> bool:
    """Whether a service may lease keys for a purpose at all."""
    return (caller, purpose) in ALLOWED


def is_use(uses: Uses, purpose: Purpose, standing: Standing) -> bool:
    """Whether the policy, and what the subject chose, allow all that a purpose opens."""
    return all(uses.allowed(category, use, standing) for category, use in OPENS[purpose])


def refusal_of(subject_state: str | None) -> str | None:
    """Why nothing of a subject in this state is opened or begun; None when it may be."""
    if subject_state is None:
        return SUBJECT_UNKNOWN
    return None if subject_state == "active" else SUBJECT_FENCED
