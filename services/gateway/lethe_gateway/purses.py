"""An account's money, asked of billing. Billing hears of a new account by an event, which may still be on its way."""

import asyncio
from typing import TypeVar

from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.rpc.envelope import Call, Message, Refused
from lethe_gateway.errors import AwayForNow

_RETRY_SECONDS = 0.05
_NOT_HEARD_OF = "unknown_subject"

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


class Purses:
    """Asks billing, and waits a moment for an account that was just opened."""

    def __init__(self, bus: Bus, *, subject_wait_seconds: float) -> None:
        self._bus, self._subject_wait_seconds = bus, subject_wait_seconds

    async def ask(self, call: type[Call[Q, A]], question: Q) -> A:
        """Billing's answer about an active account.

        Raises:
            Refused: billing said no.
            Unavailable: billing is away, or has not heard of the account yet.
        """
        until = monotonic_seconds() + self._subject_wait_seconds
        while True:
            try:
                return await self._bus.ask(call, question)
            except Refused as refused:
                if refused.refusal_code != _NOT_HEARD_OF:
                    raise
                if monotonic_seconds() > until:
                    raise AwayForNow(
                        "The account's credits are not there yet. Try again in a few seconds."
                    ) from refused
            await asyncio.sleep(_RETRY_SECONDS)
