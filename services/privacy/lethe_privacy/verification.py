"""Verification: looking for what is left of a subject, with credentials that can only read.

`PLACES` is the list of where one looks, `NOT_LOOKED_INTO` of where not and why. A
test compares both with every column of the live databases that names a subject.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import asyncpg

from lethe_common.database import connect
from lethe_common.identifiers import SubjectRef
from lethe_common.storage import Storage
from lethe_privacy.erasures import Finding
from lethe_privacy.errors import PlaceNotSeen

_BY_REFERENCE = "rows with the subject's reference, counted by the verifier's role"
_BY_LISTING = "object versions, delete markers and unfinished uploads under the subject's prefix, listed"
_CLOSE_SECONDS = 5.0


class Cluster(StrEnum):
    """Which of the three databases."""

    DATA = "lethe"
    KEYS = "lethe_keys"
    FACTS = "lethe_facts"


@dataclass(frozen=True, slots=True)
class Place:
    """A table where nothing of an erased subject may be."""

    cluster: Cluster
    table: str

    @property
    def store(self) -> str:
        """Its name in a certificate."""
        return f"pg:{self.table}"

    @property
    def count(self) -> str:
        """The statement that counts a subject's rows."""
        return f"SELECT count(*) FROM {self.table} WHERE subject_ref = $1"  # noqa: S608  names of PLACES only


PLACES = (
    Place(Cluster.DATA, "gateway.accounts"),
    Place(Cluster.DATA, "gateway.generations"),
    Place(Cluster.DATA, "gateway.uploads"),
    Place(Cluster.DATA, "gateway.mails"),
    Place(Cluster.DATA, "gateway.exports"),
    Place(Cluster.DATA, "jobs.runs"),
    Place(Cluster.DATA, "jobs.assets"),
    Place(Cluster.DATA, "billing.subjects"),
    Place(Cluster.DATA, "retention.deadlines"),
    Place(Cluster.DATA, "retention.plans_held"),
    Place(Cluster.DATA, "retention.legal_holds"),
    Place(Cluster.DATA, "retention.pauses"),
    Place(Cluster.FACTS, "privacy.requests"),
    Place(Cluster.FACTS, "privacy.disclosures"),
    Place(Cluster.FACTS, "privacy.exports"),
    Place(Cluster.FACTS, "privacy.access_bodies"),
    Place(Cluster.KEYS, "keys.item_keys"),
    Place(Cluster.KEYS, "keys.class_keys"),
    Place(Cluster.KEYS, "keys.login_index"),
    Place(Cluster.KEYS, "keys.losses"),
)

_FENCE = "a reference that keeps late messages from bringing anything back, while such messages may come"
_REPORTED = "removed and counted by its owner, not seen by the verifier"
NOT_LOOKED_INTO = {
    "jobs.subjects": _FENCE,
    "jobs.erasures": _FENCE,
    "jobs.removals": _REPORTED,
    "jobs.early_cancels": _REPORTED,
    "keys.touched": "a reference that is copied again during a rotation, and ends with it",
    "keys.subjects": "the record that this reference is erased, so that it never begins anew",
    "privacy.facts": "the record of the erasure",
}
"""Tables that name subjects and are not looked into, with the reason; each certificate says so."""


class Verifier:
    """Looks into every place. Connects anew each time: erasures are rare, and nothing is held meanwhile."""

    def __init__(self, urls: dict[Cluster, str], storage: Storage, places: Sequence[Place] = PLACES) -> None:
        self._urls, self._storage, self._places = urls, storage, places

    async def look(self, subject_ref: SubjectRef, prefixes: Sequence[str]) -> list[Finding]:
        """What is there of a subject, place by place, those with nothing included.

        Raises:
            PlaceNotSeen: a place could not be looked into; nothing is known about it.
            Unavailable: a server is away.
        """
        rows = await asyncio.gather(*(self._look_into(cluster, subject_ref) for cluster in Cluster))
        objects = await asyncio.gather(*(self._look_under(prefix) for prefix in prefixes))
        return [*chain.from_iterable(rows), *objects]

    async def _look_under(self, prefix: str) -> Finding:
        remains = await self._storage.remains(prefix)
        category = prefix.partition("/")[0]
        return Finding(f"s3:{category}", _BY_LISTING, remains.object_versions + remains.multiparts)

    async def close(self) -> None:
        """Leave the store."""
        await self._storage.close()

    async def _look_into(self, cluster: Cluster, subject_ref: SubjectRef) -> list[Finding]:
        connection = await connect(self._urls[cluster], "pg_catalog")
        try:
            return [
                Finding(place.store, _BY_REFERENCE, await _count(connection, place, subject_ref))
                for place in self._places
                if place.cluster is cluster
            ]
        finally:
            await connection.close(timeout=_CLOSE_SECONDS)


async def _count(connection: asyncpg.Connection, place: Place, subject_ref: SubjectRef) -> int:
    try:
        found: int = await connection.fetchval(place.count, subject_ref)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError) as error:
        raise PlaceNotSeen(place.store) from error
    return found
