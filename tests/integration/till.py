"""Billing's own parts on a real database, without its bus: what billing tells is read from the outbox."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg

from lethe_billing import migrations
from lethe_billing.endpoints import AccountEndpoints, HoldEndpoint
from lethe_billing.erasures import ErasureHandlers
from lethe_billing.expiries import Expiries
from lethe_billing.handlers import OutcomeHandlers
from lethe_billing.holds import HoldDesk
from lethe_billing.models import Table
from lethe_billing.openings import OpeningHandlers
from lethe_billing.placing import HoldCounter
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.events.identity import AccountOpened
from lethe_common.events.jobs import (
    Delivered,
    FailureCode,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
)
from lethe_common.events.privacy import ErasureCompleted, ErasureFenced, ErasureStepRequested
from lethe_common.identifiers import AssetId, CertificateId, ErasureId, GenerationId, SubjectRef
from lethe_common.policy import PolicyBook, load_profile
from lethe_common.rpc.billing import (
    BalanceAnswer,
    BalanceQuestion,
    HoldAnswer,
    HoldOutcome,
    HoldPlaceQuestion,
    HoldReleaseQuestion,
    HoldRequest,
    LedgerVerifyQuestion,
    Order,
)
from lethe_common.rpc.envelope import NoAnswer
from lethe_common.services import Service
from tests.hand_clock import HandClock
from tests.outboxes import TOLD, told
from tests.servers import RunningServers
from tests.tree import ROOT

PRICES_PER_SECOND = 15
ORDER = Order(model="lethe-local-1", width_px=1280, height_px=720, seconds=4)


def order(seconds: int) -> Order:
    return ORDER.model_copy(update={"seconds": seconds})


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Till:
    """One billing, and a gateway that accepted what the test says."""

    database: Database
    clock: HandClock
    accepted: set[GenerationId] = field(default_factory=set)
    is_gateway_away: bool = False

    def __post_init__(self) -> None:
        profile = load_profile(ROOT / "deploy/profiles/aisora2")
        quarter = timedelta(minutes=15)
        desk = HoldDesk(profile.catalogue.prices, quarter)
        self.counter = HoldCounter(self.database, desk, self.clock, quarter)
        self.coalescer = Coalescer(self.counter.apply, max_batch=256, writers=2)
        self.accounts = AccountEndpoints(self.database, desk, profile.catalogue, self.clock, quarter)
        self.openings = OpeningHandlers(profile.catalogue, self.clock)
        self.outcomes = OutcomeHandlers(profile.catalogue.prices, self.clock)
        self.erasures = ErasureHandlers(profile.book, self.clock)
        self.expiries = self.expiries_by(profile.book)
        self.holds = HoldEndpoint(self.coalescer, self.expiries, self.clock)

    def expiries_by(self, book: PolicyBook) -> Expiries:
        """What goes by another policy than the till's own."""
        return Expiries(
            self.database,
            book,
            self._ask_gateway,
            hold_period=timedelta(minutes=15),
            fence_period=timedelta(days=14),
            batch=50,
        )

    async def _ask_gateway(self, generation_ids: Sequence[GenerationId]) -> set[GenerationId]:
        if self.is_gateway_away:
            raise NoAnswer("generation.accepted")
        return self.accepted & set(generation_ids)

    async def open_account(self, plan: str = "free") -> SubjectRef:
        subject = SubjectRef.new()
        await self.opened(AccountOpened(subject_ref=subject, plan=plan, opened_at=self.clock.now()))
        return subject

    async def opened(self, *events: AccountOpened) -> None:
        async with self.database.transaction() as tx:
            await self.openings.on_accounts_opened(events, tx)

    async def place(self, *requests: HoldRequest) -> tuple[HoldAnswer, ...]:
        answer = await self.holds.place(HoldPlaceQuestion(holds=requests), Service.GATEWAY)
        return answer.answers

    async def hold(self, subject: SubjectRef, seconds: int = 4) -> GenerationId:
        """Place a hold that must succeed, and return its generation."""
        (answer,) = await self.place(request(subject, seconds=seconds))
        assert answer.outcome is HoldOutcome.PLACED
        assert answer.generation_id is not None
        return answer.generation_id

    async def release(self, subject: SubjectRef, generation: GenerationId) -> bool:
        """Give back what is held for an order that is not accepted; whether something was."""
        question = HoldReleaseQuestion(subject_ref=subject, generation_id=generation)
        return (await self.holds.release(question, Service.GATEWAY)).is_released

    async def complete(self, subject: SubjectRef, *generations: GenerationId, seconds: float = 4.0) -> None:
        async with self.database.transaction() as tx:
            events = [completed(subject, generation, seconds) for generation in generations]
            await self.outcomes.on_generations_completed(events, tx)

    async def fail(self, subject: SubjectRef, *generations: GenerationId) -> None:
        at = self.clock.now()
        events = [
            GenerationFailed(generation_id=one, subject_ref=subject, code=FailureCode.PROVIDER_FAILED, failed_at=at)
            for one in generations
        ]
        async with self.database.transaction() as tx:
            await self.outcomes.on_generations_failed(events, tx)

    async def cancel(self, subject: SubjectRef, *generations: GenerationId) -> None:
        at = self.clock.now()
        events = [GenerationCancelled(generation_id=one, subject_ref=subject, cancelled_at=at) for one in generations]
        async with self.database.transaction() as tx:
            await self.outcomes.on_generations_cancelled(events, tx)

    async def fence(self, subject: SubjectRef) -> ErasureId:
        erasure_id = ErasureId.new()
        event = ErasureFenced(erasure_id=erasure_id, subject_ref=subject, fenced_at=self.clock.now())
        async with self.database.transaction() as tx:
            await self.erasures.on_erasure_fenced(event, tx)
        return erasure_id

    async def erase(self, subject: SubjectRef, erasure_id: ErasureId) -> None:
        async with self.database.transaction() as tx:
            await self.erasures.on_erasure_step_requested(
                ErasureStepRequested(erasure_id=erasure_id, subject_ref=subject), tx
            )

    async def finish(self, subject: SubjectRef, erasure_id: ErasureId) -> None:
        async with self.database.transaction() as tx:
            event = ErasureCompleted(
                erasure_id=erasure_id,
                subject_ref=subject,
                certificate_id=CertificateId.new(),
                completed_at=self.clock.now(),
            )
            await self.erasures.on_erasure_completed(event, tx)

    async def sweep(self) -> None:
        await self.expiries.sweep(self.clock.now())
        await self.expiries.prune(self.clock.now())

    async def balance(self, subject: SubjectRef, history: int = 0, after: str | None = None) -> BalanceAnswer:
        question = BalanceQuestion(subject_ref=subject, history_limit=history, history_after=after)
        return await self.accounts.balance(question, Service.GATEWAY)

    async def money(self, subject: SubjectRef) -> tuple[int, int, int]:
        """Available, held and owed."""
        answer = await self.balance(subject)
        return answer.available, answer.held, answer.owed

    async def differences(self) -> tuple[str, ...]:
        return (await self.accounts.verify(LedgerVerifyQuestion(), Service.GATEWAY)).differences

    async def told(self, subject: SubjectRef) -> list[tuple[str, dict[str, Any]]]:
        """What was told about a subject: the type's action, and the body or its part."""
        events = told(await self.database.pool.fetch(TOLD))
        bodies = [(kind.removeprefix("billing.").removesuffix(".v1"), body) for kind, body in events]
        parts = [(kind, part) for kind, body in bodies for part in body.get("holds", [body])]
        return [(kind, part) for kind, part in parts if part.get("subject_ref") == subject]


def request(subject: SubjectRef, *, seconds: int = 4, key: str = "", **changes: Any) -> HoldRequest:
    generation = GenerationId.new()
    fields: dict[str, Any] = {
        "subject_ref": subject,
        "key": digest(key or generation),
        "body_hash": digest(f"{seconds}"),
        "generation_id": generation,
        "order": order(seconds),
    }
    return HoldRequest(**(fields | changes))


def completed(subject: SubjectRef, generation: GenerationId, seconds: float = 4.0) -> GenerationCompleted:
    return GenerationCompleted(
        generation_id=generation,
        subject_ref=subject,
        asset_ids=(AssetId.new(),),
        delivered=Delivered(width_px=1280, height_px=720, duration_seconds=seconds),
        completed_at=HandClock().now(),
    )


@asynccontextmanager
async def opened_till(servers: RunningServers) -> AsyncIterator[Till]:
    """Billing's schema brought up to date, and billing on it."""
    revisions = next(iter(migrations.__path__))
    schema = Schema("billing", "billing", ROOT / revisions, Table.metadata)
    await migrate(servers.dsn("billing_owner"), schema)
    await _empty(servers)
    database = await Database.open(servers.dsn("billing"), Service.BILLING)
    await turn_partitions(database.pool, 3, 7)
    till = Till(database, HandClock())
    writing = asyncio.create_task(till.coalescer.run())
    try:
        yield till
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        await database.close()


async def _empty(servers: RunningServers) -> None:
    """Lines of a test whose clock went years ahead would stand before those of the next one."""
    owner = await asyncpg.connect(servers.dsn("billing_owner"))
    try:
        await owner.execute(f"TRUNCATE {', '.join(Table.metadata.tables)}")
    finally:
        await owner.close()
