"""What an archive of somebody's data consists of: documents of sections of records, and files.

Each section is a list of records that one owner has. A table, prefix or stream that
holds something personal is either in `SECTIONS`, by the statement of its owner in
`exports.py` of that service, or in `NOT_EXPORTED` with the reason; a test compares
both with the data catalogue.
"""

from dataclasses import dataclass
from types import MappingProxyType

from lethe_common.services import Service

CATEGORY = "export.archive"
FORMAT = "lethe.export/1"
MANIFEST, README, MEDIA = "manifest.json", "README.txt", "media/"

ACCOUNT, CONSENTS, DEADLINES = "account.json", "consents.json", "deadlines.json"
ACCESSES, DISCLOSURES, GENERATIONS, LEDGER, MAILS, REQUESTS, TRAINING = (
    "accesses.json",
    "disclosures.json",
    "generations.json",
    "ledger.json",
    "mails.json",
    "requests.json",
    "training.json",
)


@dataclass(frozen=True, slots=True)
class Section:
    """One list of records in one document, and who has them."""

    document: str
    name: str
    owner: Service


def _sections(document: str, owner: Service, *names: str) -> tuple[Section, ...]:
    return tuple(Section(document, name, owner) for name in names)


SECTIONS = (
    *_sections(ACCESSES, Service.PRIVACY, "accesses"),
    *_sections(ACCOUNT, Service.GATEWAY, "account", "address_changes", "api_keys", "links", "sessions"),
    *_sections(ACCOUNT, Service.JOBS, "queue"),
    *_sections(CONSENTS, Service.PRIVACY, "choices", "standing"),
    *_sections(DEADLINES, Service.RETENTION, "deadlines", "legal_holds", "pauses", "plans"),
    *_sections(DISCLOSURES, Service.PRIVACY, "disclosures"),
    *_sections(GENERATIONS, Service.GATEWAY, "generations", "removed", "uploads"),
    *_sections(GENERATIONS, Service.JOBS, "assets", "attempts", "cancellations", "removals", "runs"),
    *_sections(LEDGER, Service.BILLING, "carried", "grants", "holds", "plan", "quotes", "transfers", "wallet"),
    *_sections(MAILS, Service.GATEWAY, "mails"),
    *_sections(REQUESTS, Service.PRIVACY, "request_steps", "requests"),
    *_sections(TRAINING, Service.GATEWAY, "training"),
)
DOCUMENTS = tuple(sorted({section.document for section in SECTIONS}))


def sections_of(document: str) -> tuple[Section, ...]:
    """A document's sections in the order of their names, in which the canonical form has them."""
    return tuple(
        sorted((section for section in SECTIONS if section.document == document), key=lambda section: section.name)
    )


_ERASING = "begins with an erasure, and an erasure ends every export"
_FENCE = "keeps late messages of an erased subject out; there is no account then"
_KEYS = "keys that open what is sealed; whoever has them needs no account"
_TRANSPORT = "copies of facts on their way between services, for days at most; the facts themselves are exported"
_ITSELF = "the archive itself and its dates, which its manifest tells"
_DEMAND = "how an authority put its demand is the authority's to tell; what it was given, and by which law, is exported"
_OPERATIONS = "work in progress of a service, with references only; not kept by person"
NOT_EXPORTED = MappingProxyType({
    "gateway.exports": _ITSELF,
    "privacy.exports": _ITSELF,
    "export.archive": _ITSELF,
    "gateway.idempotency": "keyed digests of what a client sent, which nobody can read; what came of it is exported",
    "privacy.erasures": _ERASING,
    "privacy.steps": _ERASING,
    "privacy.claims": _ERASING,
    "privacy.certificates": _ERASING,
    "privacy.facts": _ERASING,
    "privacy.acts": _ERASING,
    "privacy.breach_steps": "what operators wrote about a breach; whom it touches is told by mail",
    "gateway.breach_tellings": "a mail to come, which is in mails.json when it is written",
    "gateway.training_days": "which operator gave how much on which day; what of whom is in training.json",
    "privacy.disclosure_steps": "which operator did what with a demand of an authority",
    "privacy.processors": "which operator entered a contract with a company, and a role's address there",
    "jobs.erasures": _ERASING,
    "billing.fences": _FENCE,
    "retention.fences": _FENCE,
    "jobs.fences": _FENCE,
    "retention.legal_hold_steps": "which operator did what with a hold; the hold itself is exported",
    "retention.orphans": "what one store has and another has not, without a person; it is gone within days",
    "keys.item_keys": _KEYS,
    "keys.class_keys": _KEYS,
    "keys.closed_holders": "which ledgers of choices are nobody's any more; nothing leads to a person",
    "keys.generation": "how far a rotation of the keys is",
    "keys.losses": _OPERATIONS,
    "keys.touched": _OPERATIONS,
    "keys.login_index": "an HMAC of the address, which is exported itself",
    "IDENTITY": _TRANSPORT,
    "JOBS": _TRANSPORT,
    "BILLING": _TRANSPORT,
    "RETENTION": _TRANSPORT,
    "PRIVACY": _TRANSPORT,
    "NOTICE": _TRANSPORT,
    "outbox": _TRANSPORT,
    "inbox": _OPERATIONS,
    "parked": _TRANSPORT,
})  # fmt: skip
"""Places with something personal that no archive has, and why. Named as the catalogue names them."""

COLUMNS_NOT_EXPORTED = MappingProxyType(
    {
        "subject_ref": "the reference by which services know the person; it never leaves Lethe",
        "holder_ref": "the same for the ledger of choices",
        "wallet_id": "the same for the ledger of credits",
        "gateway.accounts.password_sealed": "a digest of the password, a secret of the sign-in",
        "token_hash": "a digest of a secret that lets somebody in or act",
        "gateway.api_keys.key_hash": "a digest of the key, a secret of the sign-in",
        "billing.holds.key": "a keyed digest of what a client sent, which nobody can read",
        "billing.holds.body_hash": "a keyed digest of what a client sent, which nobody can read",
        "jobs.assets.sealed_size_bytes": "how long the file is while it is sealed; it is exported open, with its size",
        "keys.subjects.erased_at": "empty while there is an account to export",
        "privacy.disclosures.opened_at": _DEMAND,
        "privacy.disclosures.delay_until": _DEMAND,
        "privacy.disclosures.delay_ground": _DEMAND,
        "privacy.disclosures.asked_sealed": _DEMAND,
        "retention.legal_holds.reason": "what an authority asked operators to write down; it is theirs to tell",
    }
)
"""Columns of exported tables that no record has, and why: by name in every table, or in full."""

FILES_EXPORTED = frozenset({"outputs", "upload.image"})
"""Prefixes whose objects are in an archive as files; see `media_files` of the gateway."""

WITHHELD = MappingProxyType({
    "password": "only a digest of it is kept, which is a secret of the sign-in",
    "API keys and sessions": "only digests of them are kept; when they were made and used is in account.json",
    "links in mails": "whoever has such a link may act for you; that they were sent is in mails.json",
})  # fmt: skip
"""What is left out of records, in the words of the manifest."""
