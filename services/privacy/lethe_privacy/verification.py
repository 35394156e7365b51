"""Verification: looking for what is left of a subject, with credentials that can only read.

`PLACES` is the list of where one looks, `NOT_LOOKED_INTO` of where not and why. A
test compares both with every column of the live databases that names a subject.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Self

import asyncpg

from lethe_common.database import Database, Transaction
from lethe_common.errors import Unavailable
from lethe_common.identifiers import SubjectRef
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_privacy.erasures import Finding
from lethe_privacy.errors import PlaceNotSeen

_BY_REFERENCE = "rows with the subject's reference, counted by the verifier's role"
_BY_LISTING = "object versions, delete markers and unfinished uploads under the subject's prefix, listed"
_NOT_SEEN = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError)
_AT_ONCE = 2


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
    Place(Cluster.DATA, "gateway.training_records"),
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
    """Looks into every place. What it looks with stays connected for some minutes after a look."""

    def __init__(self, eyes: Sequence["Eyes"], storage: Storage) -> None:
        self._eyes, self._storage = eyes, storage

    @classmethod
    async def open(cls, urls: dict[Cluster, str], storage: Storage, places: Sequence[Place] = PLACES) -> Self:
        """With these credentials; nobody is asked before the first look."""
        by_cluster = {one: [place for place in places if place.cluster is one] for one in Cluster}
        return cls([await Eyes.open(urls[one], inside) for one, inside in by_cluster.items() if inside], storage)

    async def look(self, subject_ref: SubjectRef, prefixes: Sequence[str]) -> list[Finding]:
        """What is there of a subject, place by place, those with nothing included.

        Raises:
            PlaceNotSeen: a place could not be looked into; nothing is known about it.
            Unavailable: a server is away.
        """
        *rows, objects = await asyncio.gather(*(one.look(subject_ref) for one in self._eyes), self._list(prefixes))
        return [*chain.from_iterable(rows), *objects]

    async def approach(self) -> None:
        """Connect to the databases, if need be, so that a look that follows soon need not wait for it. May fail unseen."""
        with contextlib.suppress(Unavailable):
            await asyncio.gather(*(one.approach() for one in self._eyes))

    async def close(self) -> None:
        """Leave the databases and the store."""
        for one in self._eyes:
            await one.close()
        await self._storage.close()

    async def _list(self, prefixes: Sequence[str]) -> list[Finding]:
        return [
            Finding(f"s3:{prefix.partition('/')[0]}", _BY_LISTING, left.count)
            for prefix, left in (await self._storage.find_each(prefixes)).items()
        ]


class Eyes:
    """Looks into the places of one database, with one statement."""

    def __init__(self, database: Database, places: Sequence[Place]) -> None:
        self._database, self._places = database, places
        self._counts = f"SELECT {', '.join(f'({place.count})' for place in places)}"

    @classmethod
    async def open(cls, url: str, places: Sequence[Place]) -> Self:
        """With these credentials."""
        return cls(await Database.open(url, Service.PRIVACY, schema="pg_catalog", size=_AT_ONCE, least=0), places)

    async def look(self, subject_ref: SubjectRef) -> list[Finding]:
        """What is there of a subject in each place.

        Raises:
            PlaceNotSeen, DatabaseAway
        """
        async with self._database.single() as tx:
            try:
                counts = await tx.fetchone(self._counts, subject_ref)
            except _NOT_SEEN as error:
                raise PlaceNotSeen(await self._unseen(tx, subject_ref)) from error
        return [Finding(place.store, _BY_REFERENCE, count) for place, count in zip(self._places, counts, strict=True)]

    async def approach(self) -> None:
        """Have a connection."""
        async with self._database.single():
            pass

    async def close(self) -> None:
        """Leave the database."""
        await self._database.close()

    async def _unseen(self, tx: Transaction, subject_ref: SubjectRef) -> str:
        """The first place that cannot be looked into, by its name."""
        for place in self._places:
            try:
                await tx.fetchval(place.count, subject_ref)
            except _NOT_SEEN:
                return place.store
        return "a place that was away for a moment"
