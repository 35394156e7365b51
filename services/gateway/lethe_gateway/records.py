"""Records for an archive: the gateway's own, opened for the person they are about, and those of the other owners."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from pydantic import JsonValue

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.exports import Section
from lethe_common.exports.pages import Query, record
from lethe_common.identifiers import SubjectRef
from lethe_common.policy.training import RECORD
from lethe_common.rpc.exports import PAGE_CALLS, PAGE_RECORDS, ExportPageQuestion
from lethe_common.rpc.privacy import Purpose
from lethe_common.sealing import CannotOpen, SealContext, Sealer
from lethe_common.services import Service
from lethe_gateway import export_queries as queries
from lethe_gateway import training_queries
from lethe_gateway.accounts import EMAIL
from lethe_gateway.errors import Gone
from lethe_gateway.intake import PROMPT
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mails import CATEGORY as MAIL
from lethe_gateway.mails import NOTICES
from lethe_gateway.requests import CATEGORY as TICKET

SECTIONS = {
    "account": Query(("accounts",), queries.ACCOUNT),
    "address_changes": Query(("address_changes",), queries.ADDRESS_CHANGES),
    "api_keys": Query(("api_keys",), queries.API_KEYS),
    "generations": Query(("generations",), queries.GENERATIONS),
    "links": Query(("proof_tokens",), queries.LINKS),
    "mails": Query(("mails",), queries.MAILS),
    "removed": Query(("tombstones",), queries.REMOVED),
    "sessions": Query(("sessions",), queries.SESSIONS),
    "training": Query(("training_records",), training_queries.EXPORT),
    "uploads": Query(("uploads",), queries.UPLOADS),
}
"""What the gateway has, by the name of the section it is in; here $1 is the account."""

log = structlog.get_logger()

_WRITTEN = "request_steps"
JsonRecord = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Person:
    """Whose archive it is."""

    account_id: str
    subject_ref: SubjectRef


class Records:
    """Reads sections page by page. Whatever is sealed is opened for the purpose of an export, or the attempt fails."""

    def __init__(self, database: Database, bus: Bus, keys: ItemKeys, sealer: Sealer) -> None:
        self._database, self._bus, self._keys, self._sealer = database, bus, keys, sealer
        self._opening: Mapping[str, Callable[[Person, asyncpg.Record], Coroutine[Any, Any, JsonRecord]]] = {
            "account": self._account,
            "address_changes": self._account,
            "generations": self._generation,
            "mails": self._mail,
            "training": self._training,
        }

    async def pages(self, person: Person, section: Section) -> AsyncIterator[Sequence[JsonRecord]]:
        """All records of a section.

        Raises:
            NotSignedIn: the account is being erased.
            Unavailable: an owner or the key service is away.
        """
        own = section.owner is Service.GATEWAY
        after: str | None = ""
        while after is not None:
            page, after = await (self._own(person, section, after) if own else self._asked(person, section, after))
            yield page

    async def _asked(self, person: Person, section: Section, after: str) -> tuple[Sequence[JsonRecord], str | None]:
        question = ExportPageQuestion(subject_ref=person.subject_ref, section=section.name, after=after)
        answer = await self._bus.ask(PAGE_CALLS[section.owner], question)
        if section.name == _WRITTEN:
            return await _all(self._written(person, one) for one in answer.records), answer.after
        return answer.records, answer.after

    async def _own(self, person: Person, section: Section, after: str) -> tuple[Sequence[JsonRecord], str | None]:
        sql = SECTIONS[section.name].sql
        rows = await self._database.pool.fetch(sql, person.account_id, after, PAGE_RECORDS)
        opening = self._opening.get(section.name)
        # Keys are asked for in one message for all that wait.
        page = [record(row) for row in rows] if opening is None else await _all(opening(person, row) for row in rows)
        return page, str(rows[-1]["cursor"]) if len(rows) == PAGE_RECORDS else None

    async def _account(self, person: Person, row: asyncpg.Record) -> JsonRecord:
        return await self._opened(person, row, "email", EMAIL, person.account_id)

    async def _generation(self, person: Person, row: asyncpg.Record) -> JsonRecord:
        return await self._opened(person, row, "prompt", PROMPT, row["generation_id"])

    async def _mail(self, person: Person, row: asyncpg.Record) -> JsonRecord:
        opened = await self._opened(person, row, "secret", MAIL, row["mail_id"])
        said = opened.pop("secret")
        # A link's secret lets whoever has it act for the person; an archive may be passed on.
        return {**opened, "says": said if row["template"] in NOTICES else None}

    async def _training(self, person: Person, row: asyncpg.Record) -> JsonRecord:
        return await self._opened(person, row, "record", RECORD, row["cursor"])

    async def _written(self, person: Person, step: JsonRecord) -> JsonRecord:
        """A step of a request with what was written, which came sealed."""
        sealed = step.pop("text_sealed")
        text = (
            await self._open(person, TICKET, str(step["request_id"]), base64.b64decode(str(sealed))) if sealed else None
        )
        return {**step, "text": text}

    async def _opened(self, person: Person, row: asyncpg.Record, name: str, category: str, item_id: str) -> JsonRecord:
        """A row with its sealed column opened; None where it is empty, damaged, or its key was destroyed a moment ago."""
        sealed = row[f"{name}_sealed"]
        plain = {column: value for column, value in row.items() if column not in {"cursor", f"{name}_sealed"}}
        return {**record(plain), name: None if sealed is None else await self._open(person, category, item_id, sealed)}

    async def _open(self, person: Person, category: str, item_id: str, sealed: bytes) -> str | None:
        try:
            held = await self._keys.lease(Purpose.EXPORT, person.subject_ref, item_id)
        except Gone:
            return None
        context = SealContext(category, person.subject_ref, item_id, held.key_id)
        try:
            return self._sealer.open(held.key, context, sealed).decode()
        except CannotOpen:
            # One damaged value keeps nobody from a copy of all the others; nothing that opens it exists.
            log.warning("record_unreadable", category=category)
            return None


async def _all(works: Iterable[Coroutine[Any, Any, JsonRecord]]) -> list[JsonRecord]:
    return list(await asyncio.gather(*works))
