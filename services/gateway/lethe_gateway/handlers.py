"""What the gateway does when something happened elsewhere.

Each handler runs in the frame's transaction with its inbox row. Hints to open streams go out before the commit; who gets one looks until it is there.
"""

from collections.abc import Sequence

import asyncpg
import structlog

from lethe_common import crashes
from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_common.events.billing import CreditsGranted, PlanChanged
from lethe_common.events.identity import AccessRevoked
from lethe_common.events.jobs import UploadProcessed
from lethe_common.events.notice import MailRequested
from lethe_common.events.privacy import (
    ErasureFenced,
    ErasureStepReported,
    ErasureStepRequested,
    StoreCount,
)
from lethe_common.events.retention import ItemsRemoved, NoticeDue
from lethe_common.exports import CATEGORY as EXPORT
from lethe_common.services import Service
from lethe_common.storage import Storage, subject_prefix
from lethe_gateway import account_queries, export_queries, queries
from lethe_gateway import outcome_queries as outcomes
from lethe_gateway.errors import AwayForNow
from lethe_gateway.mails import Mails
from lethe_gateway.notices import Soon
from lethe_gateway.outcomes import Told, fold
from lethe_gateway.uploads import CATEGORY as UPLOAD
from lethe_gateway.watchers import GONE, Watchers

log = structlog.get_logger()

_UPLOADS_REMOVED = crashes.point("erasure.uploads_removed", Service.GATEWAY)


class GenerationHandlers:
    """How generations fare."""

    def __init__(self, watchers: Watchers, clock: Clock) -> None:
        self._watchers, self._clock = watchers, clock

    async def on_told(self, events: Sequence[Told], tx: Transaction) -> None:
        """Whatever others told of generations, each of which changes once for all of it."""
        await self._watchers.tell_rows(await outcomes.move(tx, fold(events)))

    async def on_removed(self, event: ItemsRemoved, tx: Transaction) -> None:
        await tx.execute(outcomes.DUE_UPLOADS, [item.generation_id for item in event.items], self._clock.now())
        await outcomes.remove(tx, event.items)
        await self._watchers.tell([(item.generation_id, GONE) for item in event.items])

    async def on_upload_processed(self, event: UploadProcessed, tx: Transaction) -> None:
        # The row's own sweep removes object, key and row; a crash in between repeats it.
        await tx.execute(queries.DUE_UPLOAD, event.upload_id, event.subject_ref, self._clock.now())


async def on_plan_changed(event: PlanChanged, tx: Transaction) -> None:
    """An account's plan, unless a later one is known."""
    await tx.execute(account_queries.SET_PLAN, event.subject_ref, event.plan, event.since)


class SubjectHandlers:
    """How accounts fare."""

    def __init__(self, bus: Bus, storage: Storage, mails: Mails) -> None:
        self._bus, self._storage, self._mails = bus, storage, mails

    async def on_credits_granted(self, event: CreditsGranted, _tx: Transaction) -> None:
        """Balances are always asked for and never copied; nothing to write."""
        log.debug("credits_granted", count=event.credits)

    async def on_mail_requested(self, event: MailRequested, tx: Transaction) -> None:
        await tx.execute(account_queries.ASK_FOR_MAIL, event.mail_id, event.subject_ref)

    async def on_notice_due(self, event: NoticeDue, tx: Transaction) -> None:
        """Some of it goes soon: the owner hears how much and when, not what."""
        account = await tx.fetchrow(account_queries.ACCOUNT_OF_SUBJECT, event.subject_ref)
        # A guest has no address.
        if account is not None and account["state"] == "active" and account["email_sealed"] is not None:
            soon = Soon(count=len(event.items), first_at=min(item.due_at for item in event.items))
            await self._mails.notify(tx, account["account_id"], event.subject_ref, soon)

    async def on_erasure_fenced(self, event: ErasureFenced, tx: Transaction) -> None:
        account_id = await tx.fetchval(outcomes.SET_CLOSING, event.subject_ref)
        if account_id is not None:
            await account_queries.revoke_all(tx, account_id)
            await tx.execute(export_queries.CLOSE_ALL, event.subject_ref)
        await self._bus.say(AccessRevoked(subject_ref=event.subject_ref, cause="erasure"))

    async def on_erasure_step_requested(self, event: ErasureStepRequested, tx: Transaction) -> None:
        account = await tx.fetchrow(outcomes.LOCK_SUBJECT, event.subject_ref)
        counts: tuple[StoreCount, ...] = ()
        prefixes: tuple[str, ...] = ()
        if account is not None:
            counts, prefixes = await self._erase(tx, account)
        tx.tell(
            ErasureStepReported(
                erasure_id=event.erasure_id,
                subject_ref=event.subject_ref,
                owner=Service.GATEWAY,
                counts=counts,
                prefixes=prefixes,
            )
        )

    async def _erase(self, tx: Transaction, account: asyncpg.Record) -> tuple[tuple[StoreCount, ...], tuple[str, ...]]:
        """Remove objects and rows of an account: what there was, and where nothing may be left."""
        account_id, storage_ref = account["account_id"], account["storage_ref"]
        if await tx.fetchval(export_queries.IS_WORKED_ON, account_id):
            # Its worker ends within seconds of the fence; what it wrote after this would outlive the account.
            raise AwayForNow("An export of this account is just being ended. Try again in a few seconds.")
        known = [row["object_key"] for row in await tx.fetch(outcomes.UPLOAD_KEYS, account_id)]
        categories = {subject_prefix(UPLOAD, storage_ref): UPLOAD, subject_prefix(EXPORT, storage_ref): EXPORT}
        objects = []
        for prefix, found in (await self._storage.find_each(categories, known)).items():
            gone = await self._storage.remove_all_versions(prefix, known, found)
            category, before = categories[prefix], gone.object_versions + gone.multiparts
            objects.append(StoreCount(store=f"s3:{category}", category=category, before=before, after=0))
        _UPLOADS_REMOVED.reached()
        return (*await outcomes.erase_account(tx, account_id), *objects), tuple(categories)
