"""Billing on a real database against a model a child could check: any order of events, the same money."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lethe_billing.errors import HoldNotFound
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.billing import HoldOutcome
from tests.integration.till import PRICES_PER_SECOND, Till, opened_till, request
from tests.servers import RunningServers

SECONDS = st.sampled_from([4, 8, 12])
SLOT = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("place"), SLOT, SECONDS),
    st.tuples(st.just("accept"), SLOT, st.just(0)),
    st.tuples(st.just("complete"), SLOT, st.integers(0, 12)),
    st.tuples(st.sampled_from(["fail", "cancel"]), SLOT, st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.integers(1, 20)),
    st.tuples(st.sampled_from(["place_many", "fence"]), st.just(0), SECONDS),
)


@dataclass
class Plain:
    """The rules in their plainest form: one pot, a note per generation."""

    available: int = 600
    owed: int = 0
    is_fenced: bool = False
    minutes: int = 0
    notes: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    given_back: set[int] = field(default_factory=set)
    """Slots whose hold expired: whoever asks again asks anew."""

    @property
    def held(self) -> int:
        return sum(amount for state, amount, _ in self.notes.values() if state == "held")

    def place(self, slot: int, seconds: int) -> str:
        if self.is_fenced:
            return "unknown_subject"
        amount = seconds * PRICES_PER_SECOND
        if slot in self.notes.keys() - self.given_back:
            return "existing" if self.notes[slot][1] == amount else "idempotency_conflict"
        if amount > self.available:
            return "insufficient_credits"
        self.available -= amount
        self.notes[slot] = ("held", amount, self.minutes + 15)
        self.given_back.discard(slot)
        self.accepted.discard(slot)
        return "placed"

    def complete(self, slot: int, seconds: int) -> None:
        state, amount, until = self.notes[slot]
        spent = min(amount, seconds * PRICES_PER_SECOND)
        if self.is_fenced or state not in {"held", "expired"}:
            return
        if state == "held":
            self.available += amount - spent
        else:
            paid = min(self.available, spent)
            self.available -= paid
            self.owed += spent - paid
        self.notes[slot] = ("posted", amount, until)

    def give_back(self, slot: int, new_state: str) -> None:
        state, amount, until = self.notes[slot]
        if state == "held":
            self.available += amount
            self.notes[slot] = (new_state, amount, until)

    def wait(self, minutes: int) -> None:
        self.minutes += minutes
        for slot, (state, amount, until) in list(self.notes.items()):
            if state == "held" and until <= self.minutes:
                if slot in self.accepted:
                    self.notes[slot] = (state, amount, self.minutes + 15)
                else:
                    self.give_back(slot, "expired")
                    self.given_back.add(slot)

    def fence(self) -> None:
        self.is_fenced = True
        for slot in self.notes:
            self.give_back(slot, "voided")


@dataclass
class Both:
    """The real thing and the model, driven by the same steps."""

    till: Till
    subject: SubjectRef
    plain: Plain = field(default_factory=Plain)
    generations: dict[int, GenerationId] = field(default_factory=dict)

    async def step(self, action: str, slot: int, number: int) -> None:
        match action:
            case "place":
                await self._place(slot, number)
            case "place_many":
                await self._place_many(number)
            case "accept" if slot in self.generations:
                self.till.accepted.add(self.generations[slot])
                self.plain.accepted.add(slot)
            case "wait":
                self.till.clock.advance(minutes=number)
                await self.till.sweep()
                self.plain.wait(number)
            case "fence":
                await self.till.fence(self.subject)
                self.plain.fence()
            case "complete" | "fail" | "cancel":
                await self._settle(action, slot, number)

    async def _place(self, slot: int, seconds: int) -> None:
        (answer,) = await self.till.place(request(self.subject, key=f"{self.subject}{slot}", seconds=seconds))
        assert answer.outcome.value == self.plain.place(slot, seconds)
        if answer.outcome is HoldOutcome.PLACED:
            assert answer.generation_id is not None
            self.generations[slot] = answer.generation_id
        assert answer.generation_id in {None, self.generations.get(slot)}

    async def _place_many(self, seconds: int) -> None:
        """Twenty at once: exactly as many as the credits pay for."""
        slots = range(len(self.plain.notes) + 100, len(self.plain.notes) + 120)
        requests = [request(self.subject, key=f"{self.subject}{slot}", seconds=seconds) for slot in slots]
        answers = await self.till.place(*requests)
        assert [answer.outcome.value for answer in answers] == [self.plain.place(slot, seconds) for slot in slots]

    async def _settle(self, action: str, slot: int, seconds: int) -> None:
        generation = self.generations.get(slot)
        if generation is None:
            if not self.plain.is_fenced:
                with pytest.raises(HoldNotFound):
                    await self.till.fail(self.subject, GenerationId.new())
            return
        if action == "complete":
            await self.till.complete(self.subject, generation, seconds=seconds)
            self.plain.complete(slot, seconds)
        else:
            await getattr(self.till, action)(self.subject, generation)
            if not self.plain.is_fenced:
                self.plain.give_back(slot, "voided")

    async def check(self) -> None:
        row = await self.till.database.pool.fetchrow(
            "SELECT w.available, w.held, w.owed FROM wallets w JOIN subjects USING (wallet_id) WHERE subject_ref = $1",
            self.subject,
        )
        assert tuple(row) == (self.plain.available, self.plain.held, self.plain.owed)


@pytest.fixture
async def till(servers: RunningServers) -> AsyncIterator[Till]:
    async with opened_till(servers) as opened:
        yield opened


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=25))
async def test_any_course_of_events_ends_in_the_books_of_the_plain_model(
    till: Till, steps: list[tuple[str, int, int]]
) -> None:
    both = Both(till, await till.open_account())
    for step in steps:
        await both.step(*step)
        await both.check()
    assert await till.differences() == ()
