"""What an account has: looked up with its owner, shown until its deadline, removed on wish."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

import asyncpg
import structlog

from lethe_common.clock import Clock, monotonic_seconds
from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.events.jobs import GenerationCancelRequested, GenerationDeleteRequested
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.privacy import Purpose
from lethe_common.sealing import CannotOpen, SealContext, Sealer
from lethe_gateway import account_queries, queries
from lethe_gateway.callers import Caller
from lethe_gateway.errors import Gone, NotFound
from lethe_gateway.facts import Facts
from lethe_gateway.ids import named
from lethe_gateway.intake import PROMPT
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.legal_holds import LegalHolds
from lethe_gateway.mails import Mails
from lethe_gateway.watchers import Watchers

log = structlog.get_logger()

_LOOK_SECONDS = 0.5
RUNNING = frozenset({"queued", "in_progress"})


class Removal(StrEnum):
    """How far a removal is when its owner is answered."""

    VERIFIED = "verified"
    UNDER_WAY = "under_way"
    HELD = "legal_hold"


class Gallery:
    """One account's generations."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        watchers: Watchers,
        holds: LegalHolds,
        facts: Facts,
        *,
        delete_wait_seconds: float,
    ) -> None:
        self._database, self._clock, self._keys, self._sealer = database, clock, keys, sealer
        self._watchers, self._holds, self._facts = watchers, holds, facts
        self._delete_wait_seconds = delete_wait_seconds

    async def get(self, caller: Caller, generation_id: str) -> asyncpg.Record:
        """One generation that is still served.

        Raises:
            NotFound: there is none, or it is somebody else's.
            Gone: it was removed, or its time is over by policy time.
        """
        generation_id = named(GenerationId, generation_id)
        row = await queries.find(self._database.pool, generation_id, caller.account_id)
        if row is None:
            if await queries.tombstone(self._database.pool, generation_id, caller.account_id):
                raise Gone
            raise NotFound
        if row["hidden_at"] is not None:
            raise Gone("This is being removed.")
        if row["expires_at"] is not None and row["expires_at"] <= self._clock.now():
            raise Gone("Its time was over and it is being removed.")
        return row

    async def page(
        self, caller: Caller, after: str | None, limit: int, *, is_ascending: bool, state: str | None = None
    ) -> tuple[list[asyncpg.Record], bool]:
        """One page and whether there is more."""
        rows = await queries.page(
            self._database.pool,
            caller.account_id,
            self._clock.now(),
            after,
            limit + 1,
            is_ascending=is_ascending,
            state=state,
        )
        return rows[:limit], len(rows) > limit

    async def prompts(self, caller: Caller, rows: Sequence[asyncpg.Record]) -> list[str | None]:
        """The prompts of these rows; None where its key is not to be had right now."""
        return list(await asyncio.gather(*(self._prompt(caller, row) for row in rows)))

    async def cancel(self, caller: Caller, generation_id: str) -> tuple[asyncpg.Record, bool]:
        """Ask for a generation to be stopped; its row, and whether it was still running."""
        row = await self.get(caller, generation_id)
        if row["state"] not in RUNNING:
            return row, False
        async with self._database.transaction() as tx:
            tx.tell(
                GenerationCancelRequested(
                    generation_id=GenerationId.trusted(row["generation_id"]),
                    subject_ref=SubjectRef.trusted(row["subject_ref"]),
                )
            )
        return row, True

    async def remove(self, caller: Caller, generation_id: str) -> Removal:
        """Hide a generation at once, have every trace of it removed, and wait a little. Repeating is safe.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        generation_id = named(GenerationId, generation_id)
        with self._watchers.watch(generation_id, caller.subject_ref) as watch:
            await self._hide(caller.account_id, generation_id)
            if await self._is_held(caller, generation_id):
                return Removal.HELD
            until = monotonic_seconds() + self._delete_wait_seconds
            while not await queries.tombstone(self._database.pool, generation_id, caller.account_id):
                left = until - monotonic_seconds()
                if left <= 0:
                    return Removal.UNDER_WAY
                await watch.wait(min(left, _LOOK_SECONDS))
        return Removal.VERIFIED

    async def _is_held(self, caller: Caller, generation_id: str) -> bool:
        try:
            return generation_id in await self._holds.held([(caller.subject_ref, generation_id)])
        except LetheError:
            # Who removes asks too, and waits for an answer; here it is only about what to say.
            return False

    async def take_down(self, generation_id: str, mails: Mails) -> None:
        """Remove anybody's generation, as its owner would: a person who is seen in it may ask for that. Repeating is safe.

        Its owner is told once, by mail, if there is an address.

        Raises:
            NotFound: there is none, and never was.
        """
        account_id = await self._database.pool.fetchval(queries.ACCOUNT_OF, generation_id)
        if account_id is None:
            raise NotFound("There is no such video. It may have been removed with its owner's account.")
        await self._hide(account_id, generation_id, mails)

    async def _hide(self, account_id: str, generation_id: str, mails: Mails | None = None) -> None:
        there = await queries.find(self._database.pool, generation_id, account_id)
        if there is not None and there["hidden_at"] is None:
            await self._facts.item_deleted(there["subject_ref"], generation_id)
        async with self._database.transaction() as tx:
            args = (generation_id, account_id, self._clock.now(), "deleted_by_user")
            row = await tx.fetchrow(queries.HIDE, *args)
            if row is not None:
                tx.tell(
                    GenerationDeleteRequested(
                        generation_id=GenerationId.trusted(generation_id),
                        subject_ref=SubjectRef.trusted(row["subject_ref"]),
                    )
                )
                if mails is not None and await tx.fetchval(account_queries.HAS_ADDRESS, account_id):
                    await mails.removed(tx, account_id, row["subject_ref"])
            elif (
                await queries.find(tx, generation_id, account_id) is None
                and await queries.tombstone(tx, generation_id, account_id) is None
            ):
                raise NotFound
        if row is not None:
            await self._watchers.tell([(generation_id, row["state_version"])])

    async def _prompt(self, caller: Caller, row: asyncpg.Record) -> str | None:
        try:
            held = await self._keys.lease(Purpose.SHOW, caller.subject_ref, row["generation_id"])
            context = SealContext(PROMPT, row["subject_ref"], row["generation_id"], held.key_id)
            return self._sealer.open(held.key, context, row["prompt_sealed"]).decode()
        except CannotOpen:
            log.error("prompt_damaged", generation_id=row["generation_id"])  # noqa: TRY400  an exception's text may hold content
            return None
        except LetheError:
            # The list is worth showing without its words; they come back with the key service.
            return None
