"""The register of processors: who is a recipient by the policy, and what operators entered about each contract.

What is entered is heard of by every process (`lethe_common.register`), which decides by
itself, at policy time, whether anything goes out; here it is kept, shown and warned about.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import asyncpg
import structlog

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.egress.contracts import ContractState, Span, is_demanded, last_day, state_of
from lethe_common.policy import PolicyBook
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.parties import Recipient
from lethe_common.rpc import processors as rpc
from lethe_common.services import Service
from lethe_privacy import processor_queries as queries
from lethe_privacy.errors import ContractBackwards, RecipientUnknown
from lethe_privacy.gauges import Gauges

log = structlog.get_logger()

REGISTER = "register.record"
_OPEN = frozenset({ContractState.STANDS, ContractState.NOT_NEEDED})


class Processors:
    """Shows, takes and warns. `warn_days`: so long before its last day a contract is ending."""

    def __init__(self, database: Database, book: PolicyBook, clock: Clock, gauges: Gauges, *, warn_days: int) -> None:
        self._database, self._book, self._clock, self._gauges = database, book, clock, gauges
        self._warn_days = warn_days
        self._warned: frozenset[tuple[str, str]] = frozenset()

    async def contracts(self, _question: rpc.ContractsQuestion, _caller: Service) -> rpc.ContractsAnswer:
        """The span of each contract that was entered."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.NEWEST, rpc.RECIPIENTS_MOST)
        return rpc.ContractsAnswer(
            contracts=tuple(
                rpc.ContractSpan(recipient_id=row["recipient_id"], starts_on=row["starts_on"], ends_on=row["ends_on"])
                for row in rows
            )
        )

    async def list(self, _question: rpc.ProcessorListQuestion, _caller: Service) -> rpc.ProcessorListAnswer:
        """The recipients of the version in force, each with what was entered."""
        async with self._database.transaction() as tx:
            return rpc.ProcessorListAnswer(processors=await self._all(tx, self._clock.now()))

    async def enter(self, question: rpc.ProcessorEnterQuestion, _caller: Service) -> rpc.ProcessorAnswer:
        """Write an entry, which counts from this commit on, in each process as soon as that reads it.

        Raises:
            RecipientUnknown: no recipient of the version in force has this id.
            ContractBackwards: it would end before it begins.
        """
        now, entry = self._clock.now(), question.entry
        if entry.ends_on is not None and entry.ends_on < entry.starts_on:
            raise ContractBackwards
        content = self._book.governing(now).content
        if all(one.id != question.recipient_id for one in content.recipients):
            raise RecipientUnknown
        async with self._database.transaction() as tx:
            await tx.execute(
                queries.ENTER, question.recipient_id, entry.reference, entry.starts_on, entry.ends_on,
                entry.subprocessors, entry.contact, question.operator, now,
            )  # fmt: skip
            known = await self._all(tx, now)
        return rpc.ProcessorAnswer(processor=next(one for one in known if one.recipient_id == question.recipient_id))

    async def sweep(self, now: datetime) -> None:
        """Count the days left, say once of each contract that it is ending or does not stand, and let old entries go."""
        kept = self._book.kept(REGISTER, now)
        async with self._database.transaction() as tx:
            known = await self._all(tx, now)
            if kept is not None:
                await tx.fetchval(queries.FORGET_REPLACED, now - kept)
        self._gauges.contract_days.clear()
        for one in known:
            if one.days_left is not None or not one.is_open:
                self._gauges.contract_days.labels(one.recipient_id).set(_days(one))
        alarming = frozenset((one.recipient_id, one.state) for one in known if one.is_ending or not one.is_open)
        for recipient_id, state in sorted(alarming - self._warned):
            log.warning("contract_ending", recipient=recipient_id, state=state)
        self._warned = alarming

    async def _all(self, tx: Transaction, now: datetime) -> tuple[rpc.Processor, ...]:
        content = self._book.governing(now).content
        entries = {row["recipient_id"]: row for row in await tx.fetch(queries.NEWEST, rpc.RECIPIENTS_MOST)}
        return tuple(
            shown(content, recipient, entries.get(recipient.id), now.date(), self._warn_days)
            for recipient in content.recipients
        )


def shown(
    content: PolicyFile,
    recipient: Recipient,
    row: Mapping[str, object] | asyncpg.Record | None,
    today: date,
    warn_days: int,
) -> rpc.Processor:
    """A recipient of the policy with its entry, and what follows from both on a day."""
    entry = None if row is None else _entry(row)
    span = None if entry is None else Span(entry.starts_on, entry.ends_on)
    end, state = last_day(recipient, span), state_of(content, recipient, span, today)
    return rpc.Processor(
        recipient_id=recipient.id,
        name=recipient.name,
        role=recipient.role,
        country=recipient.country,
        is_demanded=is_demanded(content, recipient),
        stated_end=recipient.contract_expires,
        ends_on=end,
        days_left=None if end is None else (end - today).days,
        state=state,
        is_open=state in _OPEN,
        is_ending=state in _OPEN and end is not None and end - today <= timedelta(days=warn_days),
        entry=entry,
        entered=None
        if row is None
        else rpc.EnteredBy.model_validate({"operator": row["operator"], "at": row["entered_at"]}),
    )


def _entry(row: Mapping[str, object] | asyncpg.Record) -> rpc.ProcessorEntry:
    fields = ("reference", "starts_on", "ends_on", "subprocessors", "contact")
    return rpc.ProcessorEntry.model_validate({name: row[name] for name in fields})


def _days(one: rpc.Processor) -> int:
    """Days left; below zero where nothing goes to the recipient, whatever its end."""
    if one.is_open and one.days_left is not None:
        return one.days_left
    return min(-1, one.days_left or 0)
