"""Claim checks: what a leased run needs to begin, fetched for a whole batch at once.

The events brought only ids; the sealed prompt comes from the gateway, its key
from the privacy service, and both stay in memory.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.errors import Unavailable
from lethe_common.identifiers import GenerationId
from lethe_common.leased_keys import LeasedKeys
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.gateway import GenerationInput, InputQuestion, SealedInput
from lethe_common.rpc.privacy import ItemKey, KeyLease, KeyLeaseQuestion, LeaseWish, Purpose
from lethe_common.sealing import CannotOpen, SealContext, Sealer, sealed_size
from lethe_common.storage import ObjectMissing, Storage
from lethe_jobs.errors import InputUnreadable, KeysStale
from lethe_jobs.leases import Run
from lethe_jobs.providers import Order
from lethe_jobs.runs import Cause
from lethe_jobs.verdicts import Verdict, cancelled, failed, postponed

log = structlog.get_logger()

PROMPT_CATEGORY = "content.prompt"
UPLOAD_CATEGORY = "upload.image"
_WISHES_MOST = 256
_GONE = {"subject_unknown", "subject_fenced", "key_unknown"}
_NOT_ALLOWED = {"purpose_refused", "subject_restricted"}


@dataclass(frozen=True, slots=True)
class Ready:
    """An order, the key of its reference if it has one, and when, by the monotonic clock, its keys were asked for."""

    order: Order
    sealed: SealedInput
    upload_key: ItemKey | None
    asked_at: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """A batch's inputs: what may begin, and what may not."""

    ready: tuple[Ready, ...]
    verdicts: tuple[Verdict, ...]


class Inputs:
    """Fetches and opens the inputs of leased runs."""

    def __init__(self, bus: Bus, leased: LeasedKeys, sealer: Sealer, storage: Storage, *, key_seconds: float) -> None:
        self._bus, self._leased = bus, leased
        self._sealer, self._storage, self._key_seconds = sealer, storage, key_seconds

    @property
    def can_ask(self) -> bool:
        """Whether the bus is there: without it no input can be had."""
        return self._bus.is_connected

    async def fetch(self, runs: Sequence[Run]) -> Fetched:
        """One question to the gateway and one to the privacy service for all of them; more only where prompts are long.

        A service that is away postpones the runs; it never fails them.
        """
        try:
            inputs = await self._inputs(runs)
            asked_at = monotonic_seconds()
            keys = await self._keys(runs, inputs)
        except (Unavailable, Refused) as error:
            log.info("inputs_wait", cause=type(error).__name__, count=len(runs))
            return Fetched((), tuple(postponed(run, Cause.SERVICE_AWAY) for run in runs))
        ready: list[Ready] = []
        verdicts: list[Verdict] = []
        for run in runs:
            outcome = self._prepare(run, inputs.get(run.generation_id), keys, asked_at)
            if isinstance(outcome, Ready):
                ready.append(outcome)
            else:
                verdicts.append(outcome)
        return Fetched(tuple(ready), tuple(verdicts))

    def may_begin(self, ready: Ready) -> bool:
        """Whether its keys are fresh: a run that was held up, by a stopped process or a slow store, asks for them again.

        So nothing begins much later than what its person has withdrawn, also where the news of it does not come.
        """
        return monotonic_seconds() - ready.asked_at <= self._key_seconds

    async def with_reference(self, ready: Ready) -> Order:
        """The order with its reference file, read and opened whole (uploads are limited in size).

        Raises:
            ObjectMissing: it was removed.
            InputUnreadable: it does not open.
            Unavailable: the store is away.
            KeysStale: it took so long that its keys have to be asked for again.
        """
        order = await self._opened(ready)
        if not self.may_begin(ready):
            raise KeysStale("The keys of this run are too old to begin with.")
        return order

    async def _opened(self, ready: Ready) -> Order:
        upload, held = ready.sealed.upload, ready.upload_key
        if upload is None or held is None or held.key is None or held.key_id is None:
            return ready.order
        context = SealContext(UPLOAD_CATEGORY, ready.order.run.subject_ref, upload.upload_id, held.key_id)

        def fetch(offset: int, length: int) -> AsyncGenerator[bytes, None]:
            return self._storage.get_range(upload.object_key, offset, length)

        opened = self._sealer.open_range(held.key, context, sealed_size(upload.size_bytes), fetch)
        try:
            async with aclosing(opened):
                content = b"".join([piece async for piece in opened])
        except CannotOpen as error:
            raise InputUnreadable("The reference does not open.") from error
        return replace(ready.order, reference=content)

    async def _inputs(self, runs: Sequence[Run]) -> dict[GenerationId, SealedInput]:
        inputs: dict[GenerationId, SealedInput] = {}
        left = tuple(run.generation_id for run in runs)
        while left:
            # Long prompts do not fit into one message together: the gateway names those that are to be asked for again.
            answer = await self._bus.ask(GenerationInput, InputQuestion(generation_ids=left))
            inputs |= {one.generation_id: one for one in answer.inputs}
            left = answer.later
        return inputs

    async def _keys(self, runs: Sequence[Run], inputs: dict[GenerationId, SealedInput]) -> dict[str, ItemKey]:
        wishes: list[LeaseWish] = []
        for run in runs:
            sealed = inputs.get(run.generation_id)
            if sealed is None:
                continue
            wishes.append(LeaseWish(subject_ref=run.subject_ref, item_id=run.generation_id))
            if sealed.upload is not None:
                wishes.append(LeaseWish(subject_ref=run.subject_ref, item_id=sealed.upload.upload_id))
        keys: dict[str, ItemKey] = {}
        for start in range(0, len(wishes), _WISHES_MOST):
            some = tuple(wishes[start : start + _WISHES_MOST])
            question = KeyLeaseQuestion(purpose=Purpose.GENERATE, process=self._leased.process, wishes=some)
            with self._leased.asking([wish.subject_ref for wish in some]):
                answer = await self._bus.ask(KeyLease, question)
                held = [self._leased.hold(wish.subject_ref, key) for wish, key in zip(some, answer.keys, strict=True)]
            keys.update((key.item_id, key) for key in held)
        return keys

    def _prepare(
        self, run: Run, sealed: SealedInput | None, keys: dict[str, ItemKey], asked_at: float
    ) -> Ready | Verdict:
        if sealed is None or (run.upload_id is not None and sealed.upload is None):
            return cancelled(run, Cause.INPUT_GONE)
        own = keys.get(run.generation_id)
        upload = keys.get(sealed.upload.upload_id) if sealed.upload else None
        for key in (own, upload) if sealed.upload else (own,):
            if key is None or key.key is None:
                return _without(run, None if key is None else key.refusal)
        if own is None or own.key is None or own.key_id is None:
            return postponed(run, Cause.SERVICE_AWAY)
        context = SealContext(PROMPT_CATEGORY, run.subject_ref, run.generation_id, own.key_id)
        try:
            prompt = self._sealer.open(own.key, context, sealed.prompt).decode()
        except (CannotOpen, UnicodeDecodeError):
            log.warning("input_unreadable", generation_id=run.generation_id)
            return failed(run, Cause.BAD_INPUT)
        return Ready(Order(run, own.key_id, own.key, prompt, sealed.seed), sealed, upload, asked_at)


def _without(run: Run, refusal: str | None) -> Verdict:
    """What becomes of a run whose key is refused; without a refusal the key was not answered at all."""
    if refusal in _GONE:
        return cancelled(run, Cause.KEY_GONE)
    return cancelled(run, Cause.NOT_ALLOWED) if refusal in _NOT_ALLOWED else postponed(run, Cause.SERVICE_AWAY)


def missing_is(error: ObjectMissing | InputUnreadable) -> Cause:
    """Why a run ends whose reference cannot be had."""
    return Cause.INPUT_GONE if isinstance(error, ObjectMissing) else Cause.BAD_INPUT
