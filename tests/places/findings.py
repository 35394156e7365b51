"""What was found, compared with what is declared, both ways, in words that say what to write and where."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lethe_common.catalogue import Kind
from tests.places.declared import Declaration

_HOMES = {
    Kind.COLUMN: "the column's sa_column_kwargs, in models.py of its service",
    Kind.JSON_KEY: "the keys of its column, in models.py of its service",
    Kind.BUCKET_PREFIX: "OBJECTS = declare(Kind.BUCKET_PREFIX, …) beside the code that stores the objects",
    Kind.STREAM: "STREAM_PLACES of libs/common/lethe_common/events/catalogue.py",
    Kind.CONSUMER: "CONSUMERS of libs/common/lethe_common/bus/permissions.py",
    Kind.KEY_VALUE: "BUCKETS = declare(Kind.KEY_VALUE, …) beside the code that opens it",
    Kind.HEADER: "HEADERS = declare(Kind.HEADER, …) beside the code that sets it",
    Kind.LOG_FIELD: "FIELDS of libs/common/lethe_common/logging.py",
    Kind.METRIC: "METRICS = declare(Kind.METRIC, …) beside the metric",
    Kind.METRIC_LABEL: "LABELS = declare(Kind.METRIC_LABEL, …) beside the metric",
    Kind.COOKIE: "COOKIES of services/gateway/lethe_gateway/browser.py",
    Kind.BROWSER_KEY: "STORAGE_KEYS of services/gateway/lethe_gateway/browser.py",
    Kind.TEMPORARY_FILE: "TEMPORARY_FILES = declare(Kind.TEMPORARY_FILE, …) beside the code that makes it",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that exists. `place` is `file:line`, a table, a server: where somebody can go and look."""

    kind: Kind
    name: str
    place: str

    @property
    def file(self) -> str:
        return self.place.partition(":")[0]


def undeclared(found: Iterable[Finding], declared: Collection[Declaration]) -> list[str]:
    """A sentence for each finding that no declaration covers."""
    missing = (one for one in found if not any(_covers(each, one) for each in declared))
    return sorted({_told(one, _home(one, declared)) for one in missing})


def undeclared_keys(place: str, written: Iterable[str], declared: Collection[str], home: str) -> list[str]:
    """The same for the keys of one JSON column, which are declared in a table of its own."""
    return sorted(_told(Finding(Kind.JSON_KEY, key, place), home) for key in written if key not in declared)


def unused(kind: Kind, found: Collection[Finding], declared: Collection[Declaration]) -> list[str]:
    """A sentence for each declaration of a kind that nothing found answers to.

    What a FRAME_… table declares is put there by a library; that it is, the live tests see.
    """
    return sorted({
        f"The {each.kind} {each.name!r} is declared in {each.variable} of {each.file}, but nothing makes it. "
        "Remove the declaration, or the policy speaks of a place that is none."
        for each in declared
        if each.kind is kind and not each.variable.startswith("FRAME_") and not any(_covers(each, one) for one in found)
    })  # fmt: skip


def _told(one: Finding, home: str) -> str:
    return (
        f"The {one.kind} {one.name!r} ({one.place}) is not in the data catalogue. Write "
        f"{one.name!r}: held('<category of policy.yaml>') or impersonal('<why it tells nothing about a person>') "
        f"into {home}."
    )


def _covers(declared: Declaration, found: Finding) -> bool:
    if declared.kind is not found.kind:
        return False
    if found.kind is Kind.HEADER:
        return declared.name.lower() == found.name.lower()
    return declared.name == found.name or (found.kind is Kind.TEMPORARY_FILE and fnmatchcase(found.name, declared.name))


def _home(found: Finding, declared: Collection[Declaration]) -> str:
    beside = sorted({f"{each.variable} of {each.file}" for each in declared
                     if each.kind is found.kind and each.file == found.file})  # fmt: skip
    return beside[0] if beside else _HOMES[found.kind]
