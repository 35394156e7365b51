"""Being forgotten: asked for by the signed-in owner, followed by a claim that works without the account."""

import asyncio
import contextlib
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.events.privacy import ErasureMoved
from lethe_common.identifiers import ErasureId, SubjectRef
from lethe_common.rpc.acts import ActGround
from lethe_common.rpc.privacy import (
    ErasureOpen,
    ErasureOpenQuestion,
    ErasureState,
    ErasureStateAnswer,
    ErasureStateQuestion,
    LogHead,
    LogHeadQuestion,
    PublicKey,
    PublicKeyQuestion,
)
from lethe_gateway.acts import Acts
from lethe_gateway.callers import Caller
from lethe_gateway.errors import NotFound

_LOOK_SECONDS = 0.25
_HELD = "held"
"""A legal hold keeps something of the account: waiting any longer is of no use."""


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """How far an erasure is, and the claim with which its owner can ask again."""

    claim: str
    erasure_id: ErasureId
    state: str
    certificate: dict[str, Any] | None


class Erasures:
    """Opens and follows erasures. The claim's secret is never stored, only its digest, and that by privacy."""

    def __init__(self, bus: Bus, acts: Acts, *, wait_seconds: float) -> None:
        self._bus, self._acts, self._wait_seconds = bus, acts, wait_seconds
        self._waiting: dict[str, asyncio.Event] = {}

    async def open(self, caller: Caller) -> Outcome:
        """Ask for everything to be erased, and wait a little for the certificate."""
        claim = secrets.token_urlsafe(32)
        erasure_id = await self._begin(caller.subject_ref, claim, ActGround.DEMANDED)
        moved = self._waiting.setdefault(erasure_id, asyncio.Event())
        until = monotonic_seconds() + self._wait_seconds
        try:
            while True:
                left = until - monotonic_seconds()
                with contextlib.suppress(TimeoutError):
                    # What wakes is a hint, and may be lost.
                    async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                        await moved.wait()
                moved.clear()
                answer = await self._ask(claim)
                if answer.certificate is not None or answer.state == _HELD or left <= _LOOK_SECONDS:
                    return Outcome(claim, erasure_id, answer.state, answer.certificate)
        finally:
            self._waiting.pop(erasure_id, None)

    async def begin(self, subject_ref: str) -> None:
        """Have somebody erased who did not ask for it: of whom there is nothing left to keep. Nobody gets a claim."""
        await self._begin(subject_ref, secrets.token_urlsafe(32), ActGround.PURPOSE_REACHED)

    async def follow(self, claim: str) -> ErasureStateAnswer:
        """How far the erasure of this claim is.

        Raises:
            NotFound: no erasure has this claim.
        """
        answer = await self._ask(claim)
        if answer.erasure_id is None:
            raise NotFound("No erasure has this claim. Use the link exactly as it was shown.")
        return answer

    async def public_key(self) -> str:
        """The key that signs certificates, as PEM."""
        return (await self._bus.ask(PublicKey, PublicKeyQuestion())).pem

    async def log_head(self, since: int | None) -> dict[str, Any]:
        """The newest signed head of the log of certificates, with the proof that it only grew since `since` entries.

        Raises:
            NotFound: no certificate was issued yet.
            Refused: the log never had as many entries.
        """
        document = await self._log(since)
        if document is None:
            raise NotFound("No certificate was issued yet, so the log has no head.")
        return document

    async def newest_head(self) -> dict[str, Any] | None:
        """The newest signed head of the log; None while no certificate was issued."""
        document = await self._log(None)
        return None if document is None else document["head"]

    async def on_moved(self, event: ErasureMoved) -> None:
        """Whoever waits for this erasure looks again."""
        if event.erasure_id in self._waiting:
            self._waiting[event.erasure_id].set()

    async def _begin(self, subject_ref: str, claim: str, ground: ActGround) -> ErasureId:
        # Before the fence, behind which nobody's address is opened any more.
        act = await self._acts.opening(subject_ref, ground)
        question = ErasureOpenQuestion(subject_ref=SubjectRef(subject_ref), claim_hash=_hash(claim), act=act)
        return (await self._bus.ask(ErasureOpen, question)).erasure_id

    async def _log(self, since: int | None) -> dict[str, Any] | None:
        return (await self._bus.ask(LogHead, LogHeadQuestion(since=since))).document

    async def _ask(self, claim: str) -> ErasureStateAnswer:
        return await self._bus.ask(ErasureState, ErasureStateQuestion(claim_hash=_hash(claim)))


def _hash(claim: str) -> str:
    return hashlib.sha256(claim.encode()).hexdigest()
