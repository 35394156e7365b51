"""Records of what trainers were given: shown to whom they are about, and gone with the consent, its item or its owner.

They end at once when somebody says no. What a crash, or a service that was away, left of them is found within the
hour, by asking what each of their owners last chose; so is what a restored backup brought back.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.errors import Unavailable
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.policy.training import TRAIN
from lethe_common.rpc.consents import ConsentsShow, ConsentsShowQuestion
from lethe_common.rpc.envelope import Refused
from lethe_gateway import training_queries as queries
from lethe_gateway.item_keys import ItemKeys

log = structlog.get_logger()

_REGISTER = "register.record"
_PAGE = 200
_LOOKED_EVERY = timedelta(hours=1)
_AT_ONCE = datetime.min.replace(tzinfo=UTC)


class TrainingRecords:
    """Shows and ends them."""

    def __init__(self, database: Database, bus: Bus, keys: ItemKeys, book: PolicyBook) -> None:
        self._database, self._bus, self._keys, self._book = database, bus, keys, book
        self._look_from = _AT_ONCE

    async def of(self, account_id: str, limit: int) -> Sequence[asyncpg.Record]:
        """What was given of an account, to whom and when, the last first; each with how much it is in all, and since when."""
        found: Sequence[asyncpg.Record] = await self._database.pool.fetch(queries.OF_ACCOUNT, account_id, limit)
        return found

    async def said_no(self, subject_ref: str, purposes: Collection[str]) -> None:
        """Somebody does not allow these purposes any more. That counts already; what is left of it ends here or soon."""
        if TRAIN not in purposes:
            return
        try:
            while await self._end(await self._database.pool.fetch(queries.OF_SUBJECT, subject_ref, _PAGE)):
                continue
        except (Unavailable, Refused) as error:
            self._look_from = _AT_ONCE
            log.info("training_records_wait", cause=type(error).__name__)

    async def sweep(self, now: datetime) -> None:
        """Once an hour: end what no consent stands behind, and what the owner deleted; and old days of the register."""
        if now < self._look_from:
            return
        self._look_from = now + _LOOKED_EVERY
        try:
            while await self._end(await self._database.pool.fetch(queries.DELETED, _PAGE)):
                continue
            after = ""
            while page := await self._database.pool.fetch(queries.SUBJECTS, after, _PAGE):
                for row in page:
                    if not await self._consents(SubjectRef.trusted(row["subject_ref"])):
                        await self.said_no(row["subject_ref"], (TRAIN,))
                after = page[-1]["subject_ref"]
        except (Unavailable, Refused) as error:
            self._look_from = _AT_ONCE
            log.info("training_records_wait", cause=type(error).__name__)
        kept = self._book.kept(_REGISTER, now)
        if kept is not None:
            async with self._database.transaction() as tx:
                await tx.execute(queries.FORGET_DAYS, (now - kept).date())

    async def _consents(self, subject_ref: SubjectRef) -> bool:
        try:
            choices = (await self._bus.ask(ConsentsShow, ConsentsShowQuestion(subject_ref=subject_ref))).choices
        except Refused:
            # It is being erased, and what there is goes with it.
            return True
        return any(one.purpose == TRAIN and one.is_allowed for one in choices)

    async def _end(self, rows: Sequence[asyncpg.Record]) -> bool:
        """The keys first: a crash in between leaves rows that nothing opens, and the next look finds them."""
        if not rows:
            return False
        await self._keys.destroy([(row["subject_ref"], row["handover_id"]) for row in rows])
        async with self._database.transaction() as tx:
            await tx.execute(queries.END, [row["handover_id"] for row in rows])
        return True
