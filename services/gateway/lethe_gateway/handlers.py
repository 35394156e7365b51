"""What the gateway does when something happened elsewhere.

Each handler runs in the frame's transaction with its inbox row. Events of one
generation may come twice, late and out of order: statements only move it forward.
Hints to open streams go out before the commit; who gets one looks until it is there.
"""

from collections.abc import Sequence

import structlog

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.billing import CreditsGranted, HoldPosted, HoldVoided, PlanChanged
from lethe_common.events.envelope import Event
from lethe_common.events.identity import AccessRevoked
from lethe_common.events.jobs import (
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationStarted,
    UploadProcessed,
)
from lethe_common.events.notice import MailRequested
from lethe_common.events.privacy import (
    ErasureCompleted,
    ErasureFenced,
    ErasureStepReported,
    ErasureStepRequested,
    StoreCount,
)
from lethe_common.events.retention import ItemDue, ItemRemoved, ItemScheduled
from lethe_common.services import Service
from lethe_gateway import account_queries, queries
from lethe_gateway import outcome_queries as outcomes
from lethe_gateway.erasures import Erasures
from lethe_gateway.uploads import CATEGORY as UPLOAD
from lethe_gateway.uploads import Uploads
from lethe_gateway.watchers import GONE, Watchers

log = structlog.get_logger()


_ABOUT_ROWS = (
    GenerationStarted, GenerationCompleted, GenerationFailed, GenerationCancelled, HoldPosted, HoldVoided, ItemScheduled,
    ItemDue, ItemRemoved,
)  # fmt: skip


class GenerationHandlers:
    """How generations fare."""

    def __init__(self, watchers: Watchers, clock: Clock) -> None:
        self._watchers, self._clock = watchers, clock

    async def lock(self, events: Sequence[Event], tx: Transaction) -> None:
        """Lock the rows of a whole batch, in one order: its consumer meets those of other streams on them."""
        ids = {event.generation_id for event in events if isinstance(event, _ABOUT_ROWS)}
        if len(ids) > 1:
            await outcomes.lock(tx, ids)

    async def on_started(self, events: Sequence[GenerationStarted], tx: Transaction) -> None:
        ids = [event.generation_id for event in events]
        await self._watchers.tell_rows(await tx.fetch(outcomes.STARTED, ids))

    async def on_completed(self, events: Sequence[GenerationCompleted], tx: Transaction) -> None:
        ids = [event.generation_id for event in events]
        rows = await outcomes.completed(tx, ids, [event.completed_at for event in events])
        await self._watchers.tell_rows(rows)

    async def on_failed(self, event: GenerationFailed, tx: Transaction) -> None:
        rows = await tx.fetch(outcomes.ENDED, event.generation_id, "failed", str(event.code))
        await self._watchers.tell_rows(rows)

    async def on_cancelled(self, event: GenerationCancelled, tx: Transaction) -> None:
        await self._watchers.tell_rows(await tx.fetch(outcomes.ENDED, event.generation_id, "cancelled", None))

    async def on_hold_posted(self, events: Sequence[HoldPosted], tx: Transaction) -> None:
        ids = [event.generation_id for event in events]
        rows = await outcomes.charged(tx, ids, [event.credits for event in events])
        await self._watchers.tell_rows(rows)

    async def on_hold_voided(self, event: HoldVoided, tx: Transaction) -> None:
        await self._watchers.tell_rows(await tx.fetch(outcomes.UNCHARGED, event.generation_id))

    async def on_scheduled(self, events: Sequence[ItemScheduled], tx: Transaction) -> None:
        # The last word about an item counts; a statement that meets a row twice would take either.
        due = {event.generation_id: event.due_at for event in events}
        await self._watchers.tell_rows(await outcomes.scheduled(tx, list(due), list(due.values())))

    async def on_due(self, event: ItemDue, tx: Transaction) -> None:
        await self._watchers.tell_rows(await tx.fetch(outcomes.DUE, event.generation_id, event.due_at))

    async def on_removed(self, event: ItemRemoved, tx: Transaction) -> None:
        await tx.execute(outcomes.DUE_UPLOADS, event.generation_id, self._clock.now())
        await tx.execute(outcomes.REMOVED, event.generation_id, event.removed_at, str(event.rule))
        await self._watchers.tell([(event.generation_id, GONE)])

    async def on_upload_processed(self, event: UploadProcessed, tx: Transaction) -> None:
        # The row's own sweep removes object, key and row; a crash in between repeats it.
        await tx.execute(queries.DUE_UPLOAD, event.upload_id, event.subject_ref, self._clock.now())


class SubjectHandlers:
    """How accounts fare."""

    def __init__(self, bus: Bus, uploads: Uploads, erasures: Erasures) -> None:
        self._bus, self._uploads, self._erasures = bus, uploads, erasures

    async def on_credits_granted(self, event: CreditsGranted, _tx: Transaction) -> None:
        """Balances are always asked for and never copied; nothing to write."""
        log.debug("credits_granted", count=event.credits)

    async def on_plan_changed(self, event: PlanChanged, tx: Transaction) -> None:
        await tx.execute(account_queries.SET_PLAN, event.subject_ref, event.plan)

    async def on_mail_requested(self, event: MailRequested, tx: Transaction) -> None:
        await tx.execute(account_queries.ASK_FOR_MAIL, event.mail_id, event.subject_ref)

    async def on_erasure_fenced(self, event: ErasureFenced, tx: Transaction) -> None:
        account_id = await tx.fetchval(outcomes.SET_CLOSING, event.subject_ref)
        if account_id is not None:
            await account_queries.revoke_all(tx, account_id)
        await self._bus.say(AccessRevoked(subject_ref=event.subject_ref, cause="erasure"))

    async def on_erasure_step_requested(self, event: ErasureStepRequested, tx: Transaction) -> None:
        account = await tx.fetchrow(outcomes.LOCK_SUBJECT, event.subject_ref)
        counts: tuple[StoreCount, ...] = ()
        prefixes: tuple[str, ...] = ()
        if account is not None:
            account_id = account["account_id"]
            known = [row["object_key"] for row in await tx.fetch(outcomes.UPLOAD_KEYS, account_id)]
            prefix, removed = await self._uploads.remove_all(account["storage_ref"], known)
            objects = StoreCount(store=f"s3:{UPLOAD}", category=UPLOAD, before=removed, after=0)
            counts, prefixes = (*await outcomes.erase_account(tx, account_id), objects), (prefix,)
        tx.tell(
            ErasureStepReported(
                erasure_id=event.erasure_id,
                subject_ref=event.subject_ref,
                owner=Service.GATEWAY,
                counts=counts,
                prefixes=prefixes,
            )
        )

    async def on_erasure_completed(self, event: ErasureCompleted, _tx: Transaction) -> None:
        self._erasures.wake(event.erasure_id)
