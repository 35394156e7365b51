"""Leases: which service may open what for which purpose. Everything not listed is refused."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from lethe_common.consents import Chosen
from lethe_common.identifiers import ActId, BreachId, DisclosureId
from lethe_common.policy import Policy
from lethe_common.policy.training import GIVEN, RECORD, TRAIN
from lethe_common.purposes import Standing, Uses
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.services import Service

ALLOWED = frozenset({
    (Service.GATEWAY, Purpose.SIGN_IN),
    (Service.GATEWAY, Purpose.SHOW),
    (Service.GATEWAY, Purpose.MAIL),
    (Service.GATEWAY, Purpose.SERVE),
    (Service.GATEWAY, Purpose.REQUEST),
    (Service.GATEWAY, Purpose.SUPPORT),
    (Service.GATEWAY, Purpose.EXPORT),
    (Service.GATEWAY, Purpose.REGISTER),
    (Service.GATEWAY, Purpose.ACT),
    (Service.GATEWAY, Purpose.TRAIN),
    (Service.JOBS, Purpose.GENERATE),
    (Service.JOBS, Purpose.STORE),
})  # fmt: skip

TICKET = "support.ticket"
# What each purpose opens, in the policy's words: category and use. All of it has to be allowed.
OPENS: Mapping[Purpose, tuple[tuple[str, str], ...]] = {
    Purpose.SIGN_IN: (("identity.credentials", "service"),),
    Purpose.SHOW: (("identity.email", "service"), ("content.prompt", "service")),
    Purpose.MAIL: (("identity.email", "service"), ("mail.queue", "service")),
    Purpose.GENERATE: (("content.prompt", "service"), ("upload.image", "service")),
    Purpose.STORE: (("output.video", "service"),),
    Purpose.SERVE: (("output.video", "service"), ("output.thumbnail", "service")),
    Purpose.REQUEST: ((TICKET, "support"),),
    Purpose.SUPPORT: ((TICKET, "support"),),
    Purpose.REGISTER: (("register.record", "accountability"),),
    # Who is being erased is named in the act of destruction, where the policy keeps one.
    Purpose.ACT: (("identity.email", "accountability"), ("destruction.act", "accountability")),
    # What a trainer is given: it rests on consent at each item, for the record of it as for the item itself.
    Purpose.TRAIN: tuple((category, TRAIN) for category in (*GIVEN, RECORD)),
    # A copy for whom it is about: whatever of it is kept may be opened for that.
    Purpose.EXPORT: (
        *(
            (category, "service")
            for category in (
                "identity.email",
                "mail.queue",
                "content.prompt",
                "upload.image",
                "output.video",
                "output.thumbnail",
                "export.archive",
            )
        ),
        (TICKET, "support"),
    ),
}
# What a restriction leaves: what people do themselves with what is theirs, what has to be told to them, their requests,
# and storage (GDPR Art. 18(2), (3)). A purpose that is not here stops.
IN_SPITE_OF_RESTRICTION = frozenset({
    Purpose.SIGN_IN, Purpose.SHOW, Purpose.SERVE, Purpose.MAIL, Purpose.STORE, Purpose.REQUEST, Purpose.SUPPORT,
    Purpose.EXPORT, Purpose.REGISTER, Purpose.ACT,
})  # fmt: skip
STOPPED_BY_RESTRICTION = frozenset({Purpose.GENERATE, Purpose.TRAIN})
# What the staff opens only where the policy gives it access, each time with a line in the dossier.
_OF_STAFF = frozenset({Purpose.SUPPORT, Purpose.REGISTER})
# What operators wrote into a register, and nothing of anybody's content beside it.
_IN_REGISTERS = tuple(f"{kind.prefix}_" for kind in (BreachId, DisclosureId, ActId))

SERVICE = "service"
# An address may be opened for another of the policy's purposes: the one that a class of mail serves.
_FOR_OTHER_USES = {Purpose.MAIL: "identity.email"}

PURPOSE_REFUSED = "purpose_refused"
SUBJECT_UNKNOWN = "subject_unknown"
SUBJECT_FENCED = "subject_fenced"
SUBJECT_RESTRICTED = "subject_restricted"
KEY_UNKNOWN = "key_unknown"


def is_allowed(caller: Service, purpose: Purpose) -> bool:
    """Whether a service may lease keys for a purpose at all."""
    return (caller, purpose) in ALLOWED


def is_about(purpose: Purpose, item_ids: Iterable[str]) -> bool:
    """Whether a purpose may be about these items: what is leased for a register lies in one."""
    return purpose is not Purpose.REGISTER or all(item_id.startswith(_IN_REGISTERS) for item_id in item_ids)


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
    """The purpose gate for one batch of leases: what the policy in force declares, the words it asks for consent with,
    and the categories that its staff may open."""

    def __init__(self, uses: Uses, texts: frozenset[tuple[str, str]], staffed: AbstractSet[str] = frozenset()) -> None:
        self._uses, self._texts, self._staffed = uses, texts, staffed
        self._usual: dict[Opening, bool] = {}

    def lets(
        self, opening: Opening, consents: Sequence[str], objections: Sequence[str], *, is_restricted: bool = False
    ) -> bool:
        """Whether a key may be opened, given what its subject chose."""
        if is_restricted and not _goes_on(opening):
            return False
        if consents or objections:
            standing = Chosen(tuple(consents), tuple(objections)).standing(self._texts)
            return self._is_use(opening, standing)
        # Nearly everybody has chosen nothing: one answer for the whole batch.
        known = self._usual.get(opening)
        if known is None:
            known = self._usual[opening] = self._is_use(opening, Standing())
        return known

    def _is_use(self, opening: Opening, standing: Standing) -> bool:
        if opening.purpose in _OF_STAFF and any(one not in self._staffed for one, _ in OPENS[opening.purpose]):
            return False
        return is_use(self._uses, opening.purpose, standing, opening.use)


def _goes_on(opening: Opening) -> bool:
    return opening.purpose in IN_SPITE_OF_RESTRICTION and opening.use == SERVICE


def staffed(policy: Policy) -> frozenset[str]:
    """The categories that a policy lets its staff open."""
    return frozenset(name for name, rule in policy.content.data.items() if rule.staff_access != "none")


Gates = Callable[[], Gate]
"""The gate of this moment, asked for each batch."""


def refusal_of(subject_state: str | None) -> str | None:
    """Why nothing of a subject in this state is opened or begun; None when it may be."""
    if subject_state is None:
        return SUBJECT_UNKNOWN
    return None if subject_state == "active" else SUBJECT_FENCED


def refusal_of_new(subject_state: str | None, key_class: KeyClass, *, is_restricted: bool) -> str | None:
    """Why no key is made for something new of a subject: as `refusal_of`, and no content under a restriction."""
    restricted = SUBJECT_RESTRICTED if is_restricted and key_class is KeyClass.CONTENT else None
    return refusal_of(subject_state) or restricted
