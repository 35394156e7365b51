"""Going through the ledger of facts: at each start, before anything else, and a step further while all is well.

A service's own data remember up to which fact all of them hold. Old data, from a
backup or a copy of a disk, remember an older one: what came since is done again
before the service asks, answers or works. A ledger that does not have the fact which
the data remember is older than they are, or another one; then nothing starts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog

from lethe_common.bus import Bus
from lethe_common.database import Database, Transaction
from lethe_common.errors import ConfigurationError, Unavailable
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.facts import (
    ErasureAgain,
    ErasureAgainQuestion,
    Fact,
    FactsPage,
    FactsPageAnswer,
    FactsPageQuestion,
    FactsReplayed,
    FactsReplayedQuestion,
)

log = structlog.get_logger()

Apply = Callable[[Sequence[Fact], Transaction], Awaitable[Collection[SubjectRef]]]
"""Brings about once more what facts say; the subjects of whom something was found although they were erased."""

MARK = "SELECT number, hash FROM facts_mark"
SET_MARK = """
    INSERT INTO facts_mark (number, hash) VALUES ($1, $2)
        ON CONFLICT (is_only) DO UPDATE SET number = excluded.number, hash = excluded.hash
"""
_LEDGER_CODES = frozenset({"ledger_behind", "ledger_other"})
_AGAIN_SECONDS, _AGAIN_MOST_SECONDS = 0.1, 2.0


class LedgerRefused(ConfigurationError):
    """The ledger of facts is not there, older than the data, or another one."""

    code = "ledger_refused"


@dataclass(frozen=True, slots=True)
class Mark:
    """A fact by its number, with the chain's hash there in hex."""

    number: int = 0
    hash: str = ""


class Replay:
    """One service's way through the facts. `waits_for_all`: it opens only when all services have been through."""

    def __init__(
        self, database: Database, bus: Bus, apply: Apply, *, waits_for_all: bool, page: int, every_seconds: float
    ) -> None:
        self._database, self._bus, self._apply = database, bus, apply
        self._waits_for_all, self._page, self._every_seconds = waits_for_all, page, every_seconds

    async def catch_up(self) -> None:
        """Go through all facts that the data do not remember. Begins again where a killed process stopped.

        Raises:
            LedgerRefused: this is not the data's ledger, or not the newest one.
        """
        mark = first = await self._mark()
        while (answer := await self._ask(mark, self._page)).facts:
            mark = await self._take(answer)
        if mark != first:
            log.info("facts_replayed", count=mark.number - first.number)
        delay = _AGAIN_SECONDS
        while await self._is_waiting(mark):
            await asyncio.sleep(delay)
            delay = min(delay * 2, _AGAIN_MOST_SECONDS)

    async def follow(self) -> None:
        """Remember facts whose effect is committed, now and then; a worker of the frame.

        Raises:
            LedgerRefused: the ledger was changed under a running suite.
        """
        while True:
            await asyncio.sleep(self._every_seconds)
            mark = await self._mark()
            answer = await self._ask(mark, 0)
            if answer.settled > mark.number:
                async with self._database.transaction() as tx:
                    await tx.execute(SET_MARK, answer.settled, bytes.fromhex(answer.settled_hash))

    async def _mark(self) -> Mark:
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(MARK)
        return Mark() if row is None else Mark(row["number"], row["hash"].hex())

    async def _take(self, answer: FactsPageAnswer) -> Mark:
        mark = Mark(answer.facts[-1].number, answer.hash)
        async with self._database.transaction() as tx:
            if found := await self._apply(answer.facts, tx):
                # Before the commit: a crash in between comes here again and finds the erasures open.
                await self._bus.ask(ErasureAgain, ErasureAgainQuestion(subject_refs=tuple(sorted(found))))
            await tx.execute(SET_MARK, mark.number, bytes.fromhex(mark.hash))
        return mark

    async def _ask(self, mark: Mark, limit: int) -> FactsPageAnswer:
        question = FactsPageQuestion(after=mark.number, hash=mark.hash, limit=limit)
        delay = _AGAIN_SECONDS
        while True:
            try:
                return await self._bus.ask(FactsPage, question)
            except Unavailable as error:
                log.info("facts_wait", cause=type(error).__name__, delay_seconds=delay)
            except Refused as error:
                if error.refusal_code in _LEDGER_CODES:
                    raise LedgerRefused(str(error)) from error
                log.warning("facts_wait", cause=error.refusal_code, delay_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _AGAIN_MOST_SECONDS)

    async def _is_waiting(self, mark: Mark) -> bool:
        try:
            waiting = (await self._bus.ask(FactsReplayed, FactsReplayedQuestion(through=mark.number))).waiting
        except (Unavailable, Refused) as error:
            log.info("facts_wait", cause=type(error).__name__)
            return True
        if waiting and self._waits_for_all:
            log.info("facts_wait", cause="others", count=len(waiting))
        return bool(waiting) and self._waits_for_all
