"""/v1/privacy/calendar: what goes when, item by item, with the rule behind it."""

from collections.abc import Callable
from datetime import timedelta

import asyncpg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy import Policy
from lethe_common.rpc.retention import CalendarItem, CalendarPage, CalendarQuestion
from lethe_gateway import queries
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.bodies import read_query
from lethe_gateway.schemas import CalendarQuery, unix
from lethe_gateway.uploads import CATEGORY as UPLOAD

_UPLOADS_MOST = 100


def calendar_routes(bus: Bus, database: Database, callers: Callers, policy: Callable[[], Policy]) -> APIRouter:
    """The calendar of one's own items, oldest first. Uploads, which are gone within hours, lead the first page."""
    router = APIRouter(prefix="/v1/privacy")

    @router.get("/calendar")
    async def calendar(request: Request) -> Response:
        caller = await callers.of(request)
        query = read_query(request, CalendarQuery)
        after = None if query.after is None else GenerationId.trusted(query.after)
        subject_ref = SubjectRef.trusted(caller.subject_ref)
        page = await bus.ask(CalendarPage, CalendarQuestion(subject_ref=subject_ref, after=after, limit=query.limit))
        uploads: list[asyncpg.Record] = []
        if after is None:
            uploads = await database.pool.fetch(queries.UPLOADS_OF_ACCOUNT, caller.account_id, _UPLOADS_MOST)
        data = [*(_upload(row, policy()) for row in uploads), *(_item(item) for item in page.items)]
        last_id = page.items[-1].generation_id if page.items else None
        return JSONResponse({"object": "list", "data": data, "last_id": last_id, "has_more": page.has_more})

    return router


def _item(item: CalendarItem) -> dict[str, object]:
    return {
        "id": item.generation_id,
        "object": "calendar.item",
        "category": item.category,
        "deletes_at": None if item.due_at is None else unix(item.due_at),
        "state": "held" if item.is_held else item.state,
        "stored_bytes": item.stored_bytes,
        "rule": {**item.rule.model_dump(mode="json"), "from": unix(item.started_at)},
    }


def _upload(row: asyncpg.Record, policy: Policy) -> dict[str, object]:
    """A reference image. Its period begins when its video is made: until then it has no day."""
    keep = policy.keep(UPLOAD)
    period = keep.at_most or timedelta(0)
    rule = {"from_event": keep.from_event, "plan": None, "period_seconds": int(period.total_seconds()), "from": None}
    return {
        "id": row["upload_id"],
        "object": "calendar.item",
        "category": UPLOAD,
        "deletes_at": unix(row["due_at"]) if row["due_at"] else None,
        "state": "open",
        "stored_bytes": row["size_bytes"],
        "rule": rule,
    }
