"""What trainers are given: the work of those who consented, each item sealed to the trainer's key on its way out.

Operators carry what they cannot read: the key is the one that the published policy names, and none that somebody
brings along. Consent is asked at each item, so a withdrawal stops the next one. See decision 120.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from lethe_common.bus import Bus
from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.egress import EgressRefused
from lethe_common.errors import LetheError
from lethe_common.handovers import sealed
from lethe_common.identifiers import GenerationId, HandoverId, SubjectRef
from lethe_common.policy import Policy
from lethe_common.policy.claims import Claims
from lethe_common.policy.parties import Recipient
from lethe_common.policy.training import RECORD, TRAIN, Obstacle, obstacle, trainers
from lethe_common.rpc.jobs import AssetLocate, AssetLocateQuestion, LocatedAsset
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.sealing import SealContext, Sealer, with_first
from lethe_common.storage import ObjectMissing, Storage
from lethe_gateway import training_queries as queries
from lethe_gateway.errors import Gone, NotFound, NotSignedIn, ProcessingRestricted, TrainingRefused, UseRefused
from lethe_gateway.ids import named
from lethe_gateway.intake import PROMPT
from lethe_gateway.item_keys import HeldKey, ItemKeys

PAGE = 100
_PAGES_MOST = 20
"""So many pages of what nobody consented to are gone through for one answer."""
_VIDEO = "output.video"
_NAME_BYTES = 16
_NO_ITEM = "There is no such item, or its time is over. List what may be given."
_PLACES = {
    Obstacle.PROHIBITED: "prohibited",
    Obstacle.WITHOUT_CONSENT: f"purposes.{TRAIN}",
    Obstacle.UNRECORDED: f"data.{RECORD}",
    Obstacle.NO_TRAINER: "recipients",
    Obstacle.NO_KEY: "recipients",
}


@dataclass(frozen=True, slots=True)
class Item:
    """What may be given, and the name under which the trainer was given it before; None when it was not."""

    generation_id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Trainer:
    """A trainer as operators see it: the policy's entry, and why nothing is given to it now."""

    recipient: Recipient
    refusal: TrainingRefused | None


class Training:
    """Lists and gives."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        keys: ItemKeys,
        sealer: Sealer,
        storage: Storage,
        policy: Callable[[], Policy],
        must_be_open: Callable[[str], None],
    ) -> None:
        self._database, self._bus, self._clock, self._keys = database, bus, clock, keys
        self._sealer, self._storage, self._policy, self._must_be_open = sealer, storage, policy, must_be_open

    def trainers(self) -> list[Trainer]:
        """Those of the policy in force."""
        return [Trainer(one, self._refusal(one.id)) for one in trainers(self._policy().content)]

    def refusal(self) -> TrainingRefused | None:
        """Why nobody is given anything, whoever it is; None where somebody may be."""
        found = obstacle(self._policy().content, "")
        return None if found in {None, Obstacle.NO_TRAINER, Obstacle.NO_KEY} else self._because(found)

    async def days(self, limit: int) -> Sequence[asyncpg.Record]:
        """How much was given to whom by whom on which day, the last first."""
        found: Sequence[asyncpg.Record] = await self._database.pool.fetch(queries.DAYS, limit)
        return found

    async def offered(self, recipient_id: str, after: str) -> tuple[list[Item], str | None]:
        """What may be given to a trainer at this moment, and where to go on; None behind the last.

        Raises:
            TrainingRefused: nothing may be given to it.
            Unavailable: the privacy service is away.
        """
        self._trainer(recipient_id)
        for _ in range(_PAGES_MOST):
            rows = await self._database.pool.fetch(queries.OFFERED, recipient_id, after, self._clock.now(), PAGE)
            items = [one for one in await asyncio.gather(*(self._item(row) for row in rows)) if one is not None]
            if len(rows) < PAGE:
                return items, None
            after = rows[-1]["generation_id"]
            if items:
                return items, after
        return [], after

    async def give(self, recipient_id: str, generation_id: str, operator: str) -> AsyncGenerator[bytes, None]:
        """One item as a file for its trainer (`lethe_common.handovers`), once it is on record that it was given.

        Raises:
            TrainingRefused: nothing may be given to it.
            UseRefused, ProcessingRestricted: its owner does not consent, or not any more.
            NotFound, Gone, NotSignedIn: there is no such item, or no longer.
            Unavailable: storage or a service is away.
        """
        trainer = self._trainer(recipient_id)
        generation_id = named(GenerationId, generation_id, _NO_ITEM)
        row = await self._database.pool.fetchrow(queries.ITEM, recipient_id, generation_id, self._clock.now())
        if row is None:
            raise NotFound(_NO_ITEM)
        held = await self._keys.lease(Purpose.TRAIN, row["subject_ref"], generation_id)
        facts = {
            "prompt": self._opened(held, PROMPT, row, generation_id, row["prompt_sealed"]),
            **{column: row[column] for column in ("model", "width_px", "height_px", "seconds", "seed")},
        }
        asset, content = await self._video(held, row)
        try:
            name = await self._named(recipient_id, row, operator)
        except LetheError:
            await content.aclose()
            raise
        return sealed(name, trainer.sealed_to or "", {**facts, "media_type": asset.media_type}, content)

    async def standing(self, recipient_id: str, after: str) -> tuple[list[str], str | None]:
        """The names of what a trainer may use on at this moment, and where to go on. Whatever else it has, has to go.

        Raises:
            Unavailable: the privacy service is away.
        """
        rows = await self._database.pool.fetch(queries.STANDING, recipient_id, after, PAGE)
        names = await asyncio.gather(*(self._name_of(row) for row in rows))
        return [name for name in names if name is not None], rows[-1]["handover_id"] if len(rows) == PAGE else None

    async def _item(self, row: asyncpg.Record) -> Item | None:
        held = await self._leased(row["subject_ref"], row["generation_id"])
        if held is None:
            return None
        return Item(row["generation_id"], None if row["handover_id"] is None else await self._name_of(row))

    async def _name_of(self, row: asyncpg.Record) -> str | None:
        held = await self._leased(row["subject_ref"], row["handover_id"])
        if held is None:
            return None
        record = json.loads(self._opened(held, RECORD, row, row["handover_id"], row["record_sealed"]))
        return str(record["name"])

    async def _named(self, recipient_id: str, row: asyncpg.Record, operator: str) -> str:
        """The name of an item, recorded, and counted in the register of who gave how much."""
        known = None if row["handover_id"] is None else await self._name_of(row)
        name, values = (known, ()) if known else await self._record(recipient_id, row)
        async with self._database.transaction() as tx:
            if values and await tx.fetchval(queries.RECORD, *values) is None:
                raise Gone("Somebody else is giving this item, or its account is being closed. List again.")
            await tx.execute(queries.COUNT_ONE, recipient_id, operator, self._clock.now().date())
        return name

    async def _record(self, recipient_id: str, row: asyncpg.Record) -> tuple[str, tuple[object, ...]]:
        """A new record: its name, and the values of its row. The name is known to nobody without its owner's key."""
        handover_id, name, now = HandoverId.new(), secrets.token_hex(_NAME_BYTES), self._clock.now()
        ref = row["subject_ref"]
        held = await self._keys.issue(ref, handover_id, KeyClass.CONTENT)
        text = json.dumps({"name": name, "recipient": recipient_id, "video": row["generation_id"]})
        kept = self._sealer.seal(held.key, SealContext(RECORD, ref, handover_id, held.key_id), text.encode())
        values = (handover_id, row["account_id"], ref, row["generation_id"], recipient_id, kept, held.key_id, now)
        return name, values

    async def _video(self, held: HeldKey, row: asyncpg.Record) -> tuple[LocatedAsset, AsyncGenerator[bytes, None]]:
        question = AssetLocateQuestion(
            generation_id=GenerationId.trusted(row["generation_id"]), subject_ref=SubjectRef.trusted(row["subject_ref"])
        )
        assets = (await self._bus.ask(AssetLocate, question)).assets
        asset = next((one for one in assets if one.variant == "video"), None)
        if asset is None:
            raise Gone("Its output has been removed.")
        context = SealContext(_VIDEO, row["subject_ref"], row["generation_id"], asset.key_id)

        def fetch(offset: int, length: int) -> AsyncGenerator[bytes, None]:
            return self._storage.get_range(asset.object_key, offset, length)

        opened = self._sealer.open_range(held.key, context, asset.sealed_size_bytes, fetch)
        try:
            first = await anext(opened, b"")
        except ObjectMissing as error:
            raise Gone("Its output has been removed.") from error
        return asset, with_first(first, opened)

    async def _leased(self, subject_ref: str, item_id: str) -> HeldKey | None:
        """The key of an item whose owner consents at this moment; None where they do not, or it is gone."""
        try:
            return await self._keys.lease(Purpose.TRAIN, subject_ref, item_id)
        except (UseRefused, ProcessingRestricted, Gone, NotSignedIn):
            return None

    def _opened(self, held: HeldKey, category: str, row: asyncpg.Record, item_id: str, value: bytes) -> str:
        context = SealContext(category, row["subject_ref"], item_id, held.key_id)
        return self._sealer.open(held.key, context, value).decode()

    def _trainer(self, recipient_id: str) -> Recipient:
        refusal = self._refusal(recipient_id)
        if refusal is not None:
            raise refusal
        return next(one for one in self._policy().content.recipients if one.id == recipient_id)

    def _refusal(self, recipient_id: str) -> TrainingRefused | None:
        found = obstacle(self._policy().content, recipient_id)
        if found is not None:
            return self._because(found)
        try:
            self._must_be_open(recipient_id)
        except EgressRefused as error:
            return TrainingRefused(str(error.reason), ())
        return None

    def _because(self, found: Obstacle) -> TrainingRefused:
        return TrainingRefused(found, Claims(self._policy().content.clauses).about(_PLACES[found]))
