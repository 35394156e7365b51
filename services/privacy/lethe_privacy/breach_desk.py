"""The register of breaches: opens and keeps them, tells who has to hear by when, warns, and lets old ones go."""

from datetime import datetime

import structlog

from lethe_common.clock import Clock
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import REGISTERS, BreachId
from lethe_common.policy import PolicyBook
from lethe_common.policy.clocks import BreachClock, breach_clocks, warn_at
from lethe_common.rpc import breaches as rpc
from lethe_common.rpc.breaches import BreachStepKind as Step
from lethe_common.rpc.privacy import LeaseWish
from lethe_common.rpc.requests import is_reserved
from lethe_common.services import Service
from lethe_privacy import breach_queries as queries
from lethe_privacy import breaches
from lethe_privacy.breaches import Breach, Done
from lethe_privacy.errors import BreachUnknown, NameReserved
from lethe_privacy.gauges import Gauges
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.processors import REGISTER

log = structlog.get_logger()


class Breaches:
    """Breaches of one deployment. Clocks are those of the version in force when a breach became known."""

    def __init__(
        self, database: Database, keys: ItemKeys, book: PolicyBook, clock: Clock, gauges: Gauges, *, batch: int
    ) -> None:
        self._database, self._keys, self._book, self._clock = database, keys, book, clock
        self._gauges, self._batch = gauges, batch

    async def open(self, question: rpc.BreachOpenQuestion, _caller: Service) -> rpc.BreachAnswer:
        """Open a breach.

        Raises:
            CategoryUnknown, NotThen: as `breaches.must_fit`.
            NameReserved: the operator's name stands for a person or the suite.
        """
        _must_be_a_name(question.operator)
        now = self._clock.now()
        first = Done(Step.OPENED, question.operator, now, text=question.text)
        breach = Breach(
            question.breach_id, True, question.known_at, question.categories, question.places, question.people,  # noqa: FBT003  a row's columns
            question.is_high_risk, (first,),
        )  # fmt: skip
        breaches.must_fit(breach, self._book.governing(now), now)
        async with self._database.transaction() as tx:
            known = await queries.find(tx, queries.FIND, question.breach_id)
            if not known:
                await queries.add(tx, breach)
        return rpc.BreachAnswer(breach=self._shown(known[0] if known else breach))

    async def list(self, question: rpc.BreachListQuestion, _caller: Service) -> rpc.BreachListAnswer:
        """The newest, or the newest that are open."""
        async with self._database.transaction() as tx:
            statement = queries.OPEN if question.is_open else queries.NEWEST
            found = await queries.find(tx, statement, question.limit)
        return rpc.BreachListAnswer(breaches=tuple(self._shown(one) for one in found))

    async def show(self, question: rpc.BreachShowQuestion, _caller: Service) -> rpc.BreachAnswer:
        """One breach.

        Raises:
            BreachUnknown: there is none.
        """
        async with self._database.transaction() as tx:
            return rpc.BreachAnswer(breach=self._shown(await self._found(tx, queries.FIND, question.breach_id)))

    async def note(self, question: rpc.BreachNoteQuestion, _caller: Service) -> rpc.BreachAnswer:
        """Note what was done about a breach.

        Raises:
            BreachUnknown: there is none.
            NameReserved: the operator's name stands for a person or the suite.
            BreachClosed, BreachTextNeeded, DutyUnknown, ReferenceNeeded, NotThen: as `breaches.after`.
        """
        _must_be_a_name(question.operator)
        now = self._clock.now()
        done = Done(
            question.step, question.operator, question.at or now, question.duty, question.reference, question.count,
            question.text,
        )  # fmt: skip
        async with self._database.transaction() as tx:
            before = await self._found(tx, queries.LOCK, question.breach_id)
            moved = breaches.after(before, done, self._clocks(before), now)
            await queries.move(tx, before, moved, now)
        return rpc.BreachAnswer(breach=self._shown(moved))

    async def sweep(self, now: datetime) -> None:
        """Warn of clocks of which little is left, count those that run, and let closed breaches go a period later."""
        counts: dict[str, int] = {}
        async with self._database.transaction() as tx:
            for before in await queries.find(tx, queries.ALL_OPEN):
                clocks = self._clocks(before)
                after = breaches.warned(before, clocks, now)
                await queries.move(tx, before, after, now)
                for done in after.steps[len(before.steps) :]:
                    log.warning("breach_due_soon", breach_id=before.breach_id, kind=done.duty)
                for clock in clocks:
                    if before.done(Step.NOTIFIED, clock.duty) is None:
                        standing = _standing(before, clock, now)
                        counts[standing] = counts.get(standing, 0) + 1
        self._gauges.breach_duties.clear()
        for standing, count in counts.items():
            self._gauges.breach_duties.labels(standing).set(count)
        while await self._remove_some(now) == self._batch:
            continue

    async def _remove_some(self, now: datetime) -> int:
        kept = self._book.kept(REGISTER, now)
        if kept is None:
            return 0
        async with self._database.transaction() as tx:
            over = [row["breach_id"] for row in await tx.fetch(queries.OVER, now - kept, self._batch)]
        if over:
            await self._keys.destroy([LeaseWish(subject_ref=REGISTERS, item_id=breach_id) for breach_id in over])
            async with self._database.transaction() as tx:
                await tx.execute(queries.REMOVE, over)
        return len(over)

    async def _found(self, tx: Transaction, statement: str, breach_id: BreachId) -> Breach:
        found = await queries.find(tx, statement, breach_id)
        if not found:
            raise BreachUnknown
        return found[0]

    def _clocks(self, breach: Breach) -> tuple[BreachClock, ...]:
        return breach_clocks(self._book.governing(breach.known_at).content, breach.known_at)

    def _shown(self, breach: Breach) -> rpc.Breach:
        now = self._clock.now()
        return rpc.Breach(
            breach_id=breach.breach_id,
            is_open=breach.is_open,
            known_at=breach.known_at,
            categories=breach.categories,
            places=breach.places,
            people=breach.people,
            is_high_risk=breach.is_high_risk,
            duties=tuple(_duty(breach, clock, now) for clock in self._clocks(breach)),
            steps=tuple(_line(number, done) for number, done in enumerate(breach.steps, 1)),
        )


def _duty(breach: Breach, clock: BreachClock, now: datetime) -> rpc.BreachDuty:
    done = breach.done(Step.NOTIFIED, clock.duty)
    standing = _standing(breach, clock, now) if breach.is_open and done is None else ""
    return rpc.BreachDuty(
        duty=clock.duty,
        says=clock.says,
        source=clock.source,
        due_at=clock.due_at,
        done_at=None if done is None else done.at,
        is_overdue=standing == "overdue",
        is_due_soon=standing == "soon",
    )


def _line(number: int, done: Done) -> rpc.BreachStep:
    return rpc.BreachStep(
        number=number, step=done.step, operator=done.operator, at=done.at, duty=done.duty, reference=done.reference,
        count=done.count, text=done.text,
    )  # fmt: skip


def _standing(breach: Breach, clock: BreachClock, now: datetime) -> str:
    if clock.due_at < now:
        return "overdue"
    return "soon" if warn_at(breach.known_at, clock.due_at) <= now else "in_time"


def _must_be_a_name(operator: str) -> None:
    if is_reserved(operator):
        raise NameReserved
