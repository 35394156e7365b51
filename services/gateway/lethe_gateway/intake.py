"""The way in: a checked request becomes a held, sealed and written generation, once.

Billing decides whether a request is the first of its kind; whoever holds its answer
may write the row, and the database lets one of them do it. So a request whose
gateway died anywhere on the way is finished by its own retry.
"""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import structlog

from lethe_common import crashes
from lethe_common.clock import Clock
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.events.jobs import GenerationRequested
from lethe_common.identifiers import GenerationId, HoldId, SubjectRef, UploadId
from lethe_common.policy import Catalogue
from lethe_common.rpc.billing import HoldAnswer, HoldOutcome, HoldRequest
from lethe_common.rpc.privacy import KeyClass
from lethe_common.sealing import SealContext, Sealer
from lethe_common.services import Service
from lethe_gateway import queries
from lethe_gateway.blinding import Blinding
from lethe_gateway.callers import Caller
from lethe_gateway.errors import AwayForNow, Gone, KeyReused, NotSignedIn, ProcessingRestricted
from lethe_gateway.holds import Holds
from lethe_gateway.item_keys import HeldKey, ItemKeys
from lethe_gateway.queries import Acceptance
from lethe_gateway.submissions import Submission, priced
from lethe_gateway.uploads import Uploads

log = structlog.get_logger()

PROMPT = "content.prompt"
_SEED_BITS = 31
_HELD = crashes.point("submission.held", Service.GATEWAY)
_ACCEPTED = crashes.point("submission.accepted", Service.GATEWAY)


@dataclass(frozen=True, slots=True)
class Ticket:
    """How a request names itself: its own key if it has one, and whether it says it is a retry."""

    key: str | None
    is_retry: bool


class Intake:
    """Accepts generations."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        catalogue: Catalogue,
        holds: Holds,
        keys: ItemKeys,
        sealer: Sealer,
        blinding: Blinding,
        uploads: Uploads,
        *,
        writers: int,
    ) -> None:
        self._database, self._clock, self._catalogue = database, clock, catalogue
        self._holds, self._keys, self._sealer, self._blinding = holds, keys, sealer, blinding
        self._uploads = uploads
        self._writing: Coalescer[Acceptance, bool] = Coalescer(self._write, writers=writers)
        self.run = self._writing.run

    async def accept(self, caller: Caller, submission: Submission, ticket: Ticket) -> asyncpg.Record | Acceptance:
        """What was accepted: just now, or the row of the first such request.

        Raises:
            InsufficientCredits, KeyReused, BadRequest: see `Holds.place`; nothing is stored then.
            Gone: the first such request's generation was removed.
            ProcessingRestricted: its owner restricted the processing; nothing stays held.
            Unavailable: something needed is away. Repeating is safe.
        """
        request = self._request(caller, submission, ticket)
        hold, held = await self._hold_and_key(request, self._price(submission))
        generation_id = hold.generation_id or request.generation_id
        if generation_id != request.generation_id:
            await self._discard_key(caller, request.generation_id)
            known = await self._known(caller, generation_id)
            if known is not None:
                return known
            held = await self._keys.issue(caller.subject_ref, generation_id, KeyClass.CONTENT)
        upload_id = None
        if submission.reference is not None:
            upload_id = await self._uploads.store(caller, generation_id, submission.reference)
        _HELD.reached()
        acceptance = self._acceptance(
            caller, submission, request, hold, held, upload_id, has_key=ticket.key is not None
        )
        if await self._writing.put(acceptance):
            _ACCEPTED.reached()
            return acceptance
        if upload_id is not None:
            await self._uploads.abandon(caller, upload_id)
        return await self._first(caller, acceptance, hold.outcome)

    def _request(self, caller: Caller, submission: Submission, ticket: Ticket) -> HoldRequest:
        key = ticket.key if ticket.key is not None else secrets.token_hex(32)
        return HoldRequest(
            subject_ref=SubjectRef.trusted(caller.subject_ref),
            key=self._blinding.request_key(caller.account_id, key),
            body_hash=self._blinding.body(caller.account_id, submission.canonical(caller.key_id)),
            generation_id=GenerationId.new(),
            order=priced(submission.ordered),
            quote_id=submission.quote_id,
            is_retry=ticket.is_retry and ticket.key is None,
        )

    def _price(self, submission: Submission) -> int:
        ordered = submission.ordered
        return self._catalogue.prices.price(ordered.model, ordered.size, ordered.seconds, self._clock.now()).credits

    async def _hold_and_key(self, request: HoldRequest, price: int) -> tuple[HoldAnswer, HeldKey]:
        """Both at once; a key for which no hold was given is destroyed again."""
        issuing = self._keys.issuing(request.subject_ref, request.generation_id, KeyClass.CONTENT)
        try:
            hold = await self._holds.place(request, price)
        except BaseException:
            with contextlib.suppress(LetheError):
                await issuing
                await self._keys.destroy([(request.subject_ref, request.generation_id)])
            raise
        try:
            return hold, await issuing
        except ProcessingRestricted:
            # An earlier order of this key may have been accepted before the restriction; its hold is not ours to release.
            if hold.outcome is HoldOutcome.PLACED:
                await self._holds.release(request.subject_ref, request.generation_id)
            raise

    async def _known(self, caller: Caller, generation_id: str) -> asyncpg.Record | None:
        row = await queries.find(self._database.pool, generation_id, caller.account_id)
        if row is None and await queries.tombstone(self._database.pool, generation_id, caller.account_id):
            raise Gone
        return row

    async def _discard_key(self, caller: Caller, generation_id: str) -> None:
        try:
            await self._keys.destroy([(caller.subject_ref, generation_id)])
        except LetheError as error:
            # A key that seals nothing; it goes with its subject's keys at the latest.
            log.warning("key_left", generation_id=generation_id, error_code=error.code)

    def _acceptance(
        self,
        caller: Caller,
        submission: Submission,
        request: HoldRequest,
        hold: HoldAnswer,
        held: HeldKey,
        upload_id: UploadId | None,
        *,
        has_key: bool,
    ) -> Acceptance:
        generation_id = hold.generation_id or request.generation_id
        context = SealContext(PROMPT, caller.subject_ref, generation_id, held.key_id)
        ordered = submission.ordered
        return Acceptance(
            generation_id=generation_id,
            account_id=caller.account_id,
            subject_ref=caller.subject_ref,
            model=ordered.model,
            width_px=ordered.size.width_px,
            height_px=ordered.size.height_px,
            seconds=ordered.seconds,
            seed=secrets.randbits(_SEED_BITS) if submission.seed is None else submission.seed,
            prompt_sealed=self._sealer.seal(held.key, context, submission.prompt.encode()),
            key_id=held.key_id,
            upload_id=upload_id,
            hold_id=hold.hold_id or "",
            credits_held=hold.credits,
            created_at=self._clock.now(),
            key_hmac=request.key if has_key else None,
            body_hmac=request.body_hash,
        )

    async def _write(self, items: Sequence[Acceptance]) -> list[bool]:
        """One transaction for all that wait; which of them were written by it."""
        has_uploads = any(item.upload_id for item in items)
        async with self._database.transaction() if has_uploads else self._database.single() as tx:
            written = await queries.accept(tx, items, [requested(item) for item in items])
            if attached := [item.upload_id for item in items if item.upload_id and _key(item) in written]:
                await tx.execute(queries.ATTACH_UPLOADS, attached)
        return [_key(item) in written for item in items]

    async def _first(self, caller: Caller, acceptance: Acceptance, outcome: HoldOutcome) -> asyncpg.Record:
        """The row of the request that was quicker."""
        known = await self._known(caller, acceptance.generation_id)
        if known is None and acceptance.key_hmac is not None:
            known = await self._under_key(caller, acceptance, outcome)
        if known is None:
            account = await self._database.pool.fetchval(queries.ACCOUNT_STATE, caller.account_id)
            if account != "active":
                raise NotSignedIn("This account is being erased.")
            raise AwayForNow("This request could not be finished. Try again with the same Idempotency-Key.")
        return known

    async def _under_key(self, caller: Caller, acceptance: Acceptance, outcome: HoldOutcome) -> asyncpg.Record | None:
        """What was accepted under this key as another generation: written so late that its hold had expired.

        So billing took this request for the first of its kind, and what it holds for it is not wanted.
        """
        used = await self._database.pool.fetchrow(queries.IDEMPOTENT, caller.account_id, acceptance.key_hmac)
        if used is None:
            return None
        if outcome is HoldOutcome.PLACED:
            generation_id = GenerationId.trusted(acceptance.generation_id)
            await self._holds.release(SubjectRef.trusted(caller.subject_ref), generation_id)
            await self._discard_key(caller, generation_id)
        if used["body_hmac"] != acceptance.body_hmac:
            raise KeyReused
        return await self._known(caller, used["generation_id"])


def _key(item: Acceptance) -> tuple[str, str | None]:
    return item.generation_id, item.upload_id


def requested(item: Acceptance) -> GenerationRequested:
    """What is told of an accepted generation."""
    return GenerationRequested(
        generation_id=GenerationId.trusted(item.generation_id),
        subject_ref=SubjectRef.trusted(item.subject_ref),
        hold_id=HoldId(item.hold_id),
        model=item.model,
        width_px=item.width_px,
        height_px=item.height_px,
        seconds=item.seconds,
        upload_id=UploadId.trusted(item.upload_id) if item.upload_id else None,
        requested_at=item.created_at,
    )
