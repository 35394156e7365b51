"""Leases: which service may open what for which purpose. Everything not listed is refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lethe_common.consents import Chosen
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

SERVICE = "service"
# An address may be opened for another of the policy's purposes: the one that a class of mail serves.
_FOR_OTHER_USES = {Purpose.MAIL: "identity.email"}

PURPOSE_REFUSED = "purpose_refused"
SUBJECT_UNKNOWN = "subject_unknown"
SUBJECT_FENCED = "subject_fenced"
KEY_UNKNOWN = "key_unknown"


def is_allowed(caller: Service, purpose: Purpose) -> bool:
    """Whether a service may lease keys for a purpose at all."""
    return (caller, purpose) in ALLOWED


def is_use(uses: Uses, purpose: Purpose, standing: Standing, use: str = SERVICE) -> bool:
    """Whether the policy, and what the subject chose, allow all that a purpose opens; `use` as in `Opening`."""
    if use != SERVICE and purpose not in _FOR_OTHER_USES:
        return False
    return all(
        uses.allowed(category, use if category == _FOR_OTHER_USES.get(purpose) else usual, standing)
        for category, usual in OPENS[purpose]
    )


@dataclass(frozen=True, slots=True)
class Opening:
    """What a key is to be opened for: our purpose, and the policy's purpose in whose service (`service` as a rule)."""

    purpose: Purpose
    use: str = SERVICE


class Gate:
    """The purpose gate for one batch of leases: what the policy in force declares, and the words it asks for consent with."""

    def __init__(self, uses: Uses, texts: frozenset[tuple[str, str]]) -> None:
        self._uses, self._texts = uses, texts
        self._usual: dict[Opening, bool] = {}

    def lets(self, opening: Opening, consents: Sequence[str], objections: Sequence[str]) -> bool:
        """Whether a key may be opened, given what its subject chose."""
        if consents or objections:
            standing = Chosen(tuple(consents), tuple(objections)).standing(self._texts)
            return is_use(self._uses, opening.purpose, standing, opening.use)
        # Nearly everybody has chosen nothing: one answer for the whole batch.
        known = self._usual.get(opening)
        if known is None:
            known = self._usual[opening] = is_use(self._uses, opening.purpose, Standing(), opening.use)
        return known


Gates = Callable[[], Gate]
"""The gate of this moment, asked for each batch."""


def refusal_of(subject_state: str | None) -> str | None:
    """Why nothing of a subject in this state is opened or begun; None when it may be."""
    if subject_state is None:
        return SUBJECT_UNKNOWN
    return None if subject_state == "active" else SUBJECT_FENCED
