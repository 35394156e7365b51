"""Credits set aside before anything is written: what waits at one moment travels to billing in one message."""

import asyncio
from collections.abc import Sequence

import structlog

from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.coalescer import Coalescer
from lethe_common.errors import LetheError, Unavailable
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.billing import (
    HoldAnswer,
    HoldOutcome,
    HoldPlace,
    HoldPlaceQuestion,
    HoldRelease,
    HoldReleaseQuestion,
    HoldRequest,
)
from lethe_common.rpc.envelope import Refused
from lethe_gateway.errors import AwayForNow, BadRequest, InsufficientCredits, KeyReused

log = structlog.get_logger()

_RETRY_SECONDS = 0.05


class Holds:
    """Places holds."""

    def __init__(self, bus: Bus, *, max_batch: int, subject_wait_seconds: float) -> None:
        self._bus, self._subject_wait_seconds = bus, subject_wait_seconds
        self._placing: Coalescer[HoldRequest, HoldAnswer | LetheError] = Coalescer(self._place, max_batch=max_batch)
        self.run = self._placing.run

    async def place(self, request: HoldRequest, price: int) -> HoldAnswer:
        """A hold that was placed now, or the first one of the same request.

        Raises:
            InsufficientCredits: there are fewer than `price`.
            KeyReused: the Idempotency-Key came with another body before.
            BadRequest: no price for this, or a quote that has run out.
            Unavailable: billing is away.
        """
        until = monotonic_seconds() + self._subject_wait_seconds
        while True:
            answer = await self._placing.put(request)
            if isinstance(answer, LetheError):
                raise AwayForNow("Billing is away for a moment. Nothing was charged; try again.") from answer
            # Billing hears of a new account by an event, which may still be on its way.
            if answer.outcome is not HoldOutcome.UNKNOWN_SUBJECT or monotonic_seconds() > until:
                return _checked(answer, price)
            await asyncio.sleep(_RETRY_SECONDS)

    async def release(self, subject_ref: SubjectRef, generation_id: GenerationId) -> None:
        """Give back what was held for an order that is not accepted. If billing is away, the hold expires by itself."""
        question = HoldReleaseQuestion(subject_ref=subject_ref, generation_id=generation_id)
        try:
            await self._bus.ask(HoldRelease, question)
        except LetheError as error:
            log.warning("hold_left", generation_id=generation_id, error_code=error.code)

    async def _place(self, requests: Sequence[HoldRequest]) -> list[HoldAnswer | LetheError]:
        try:
            return list((await self._bus.ask(HoldPlace, HoldPlaceQuestion(holds=tuple(requests)))).answers)
        except (Unavailable, Refused) as error:
            # All get the same answer: asking again one by one would wait for each.
            return [error] * len(requests)


def _checked(answer: HoldAnswer, price: int) -> HoldAnswer:
    match answer.outcome:
        case HoldOutcome.PLACED | HoldOutcome.EXISTING:
            return answer
        case HoldOutcome.INSUFFICIENT:
            raise InsufficientCredits(price, answer.available)
        case HoldOutcome.CONFLICT:
            raise KeyReused
        case HoldOutcome.UNKNOWN_PRICE:
            raise BadRequest("There is no price for this model and size. Choose another.", param="size")
        case HoldOutcome.QUOTE_GONE:
            raise BadRequest("This quote has run out or is for another order. Ask for a new one.", param="quote_id")
        case HoldOutcome.UNKNOWN_SUBJECT:
            raise AwayForNow("The account's credits are not there yet. Try again in a few seconds.")
