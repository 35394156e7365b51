"""Subjects: who exists, who is fenced, and by which login they are found."""

from dataclasses import dataclass
from datetime import datetime

from lethe_common.database import Database
from lethe_common.identifiers import REGISTERS, SubjectRef
from lethe_privacy import key_queries as queries
from lethe_privacy import rotation_queries
from lethe_privacy.errors import SubjectGone, SubjectUnknown
from lethe_privacy.keyring import Keyring


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """How many rows the key store has of one subject."""

    item_keys: int
    class_keys: int
    login_index: int
    consents: int = 0
    """Lines of the ledger of choices, which stay without the link to the subject."""


class Subjects:
    """The key store's subjects. A subject that was erased never begins anew."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database, self._keyring = database, keyring

    async def open(self, subject_ref: SubjectRef, login_index: str) -> bool:
        """Begin a subject under its login; False when the login is another's.

        Raises:
            SubjectGone: it is fenced or erased.
        """
        digest = await self._keyring.index_digest(bytes.fromhex(login_index))
        async with self._database.transaction() as tx:
            await tx.execute(queries.SHARE)
            if await tx.fetchval(queries.SUBJECT_STATE, subject_ref) not in {None, "active"}:
                raise SubjectGone
            await tx.execute(queries.TAKE_INDEX, digest, subject_ref)
            if await tx.fetchval(queries.INDEX_OWNER, digest) != subject_ref:
                return False
            await tx.execute(queries.OPEN_SUBJECT, subject_ref)
            return True

    async def begin_registers(self) -> None:
        """See that there is a reference for the keys of registers. It signs in by nothing and is never erased."""
        async with self._database.transaction(queries.SHARE) as tx:
            await tx.execute(queries.OPEN_SUBJECT, REGISTERS)

    async def find(self, login_index: str) -> SubjectRef | None:
        """The active subject that signs in by this login."""
        digest = await self._keyring.index_digest(bytes.fromhex(login_index))
        async with self._database.transaction() as tx:
            found = await tx.fetchval(queries.FIND_SUBJECT, digest)
        return None if found is None else SubjectRef.trusted(found)

    async def move(self, subject_ref: SubjectRef, login_index: str) -> bool:
        """Have a subject found by another login, and by no other; False when that one is another's.

        Raises:
            SubjectGone: it is unknown, fenced or erased.
        """
        digest = await self._keyring.index_digest(bytes.fromhex(login_index))
        async with self._database.transaction() as tx:
            await tx.execute(queries.SHARE)
            if await tx.fetchval(queries.SUBJECT_STATE, subject_ref) != "active":
                raise SubjectGone
            await tx.execute(queries.TAKE_INDEX, digest, subject_ref)
            if await tx.fetchval(queries.INDEX_OWNER, digest) != subject_ref:
                return False
            await tx.execute(queries.DROP_OTHER_LOGINS, subject_ref, digest)
            return True

    async def has_any(self) -> bool:
        """Whether there is anybody who was not erased."""
        async with self._database.transaction() as tx:
            return bool(await tx.fetchval(queries.HAS_SUBJECTS, REGISTERS))

    async def is_known(self, subject_ref: SubjectRef) -> bool:
        """Whether it was opened and is not erased."""
        async with self._database.single() as tx:
            return await tx.fetchval(queries.SUBJECT_STATE, subject_ref) in {"active", "fenced"}

    async def restrict(self, subject_ref: SubjectRef, *, is_restricted: bool) -> None:
        """Restrict the processing of a subject's data, or end that. It counts with its commit, for every lease of a key.

        Raises:
            SubjectGone: it is unknown, fenced or erased.
        """
        async with self._database.transaction() as tx:
            # No key of new content is on its way any more when the restriction counts.
            await tx.execute(queries.EXCLUDE)
            if await tx.fetchval(queries.RESTRICT, subject_ref, is_restricted) is None:
                raise SubjectGone

    async def fence(self, subject_ref: SubjectRef) -> KeyCounts:
        """From the commit on nothing is issued or leased, and nothing of it is still on its way.

        Answers what the key store has of the subject at that moment.

        Raises:
            SubjectUnknown: it was never opened.
        """
        async with self._database.transaction(queries.EXCLUDE) as tx:
            found = dict(await tx.fetchrow(queries.FENCE_AND_COUNT, subject_ref) or {"state": None})
            if found.pop("state") is None:
                raise SubjectUnknown
        return KeyCounts(**found)

    async def destroy(self, subject_ref: SubjectRef, at: datetime) -> int | None:
        """Delete every key and login of a subject, closed at this policy time. Repeating it changes nothing.

        Answers the newest generation of the key store that may have held them; no later one does.
        """
        async with self._database.transaction(queries.SHARE) as tx:
            await tx.execute(queries.DESTROY_SUBJECT, subject_ref, at)
            # There is nothing of it that the next generation could renew.
            await tx.execute(queries.FORGET_LOSS, subject_ref)
            generation = await rotation_queries.load(tx)
        return None if generation is None else generation.newest
