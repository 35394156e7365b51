"""The SQL of requests and their dossiers, named."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import GenerationId, RequestId, SealKeyId, SubjectRef
from lethe_common.rpc.requests import RefusalGround, RequestKind, RequestState, SealedText
from lethe_privacy.requests import Done, Request, Step

_REQUEST = "request_id, subject_ref, kind, state, generation_id, received_at, due_at, is_extended, is_paused"
_OPEN = "state IN ('received', 'identity_checked', 'in_progress', 'extended')"

ADD = """
    INSERT INTO requests (request_id, subject_ref, kind, state, generation_id, received_at, due_at, is_paused, warn_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
ADD_STEP = """
    INSERT INTO request_steps (request_id, number, step, actor, at, ground, text_sealed, key_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
MOVE = """
    UPDATE requests SET state = $2, due_at = $3, is_extended = $4, is_paused = $5, warn_at = $6,
           is_warned = is_warned AND due_at = $3
     WHERE request_id = $1
"""

FIND = f"SELECT {_REQUEST} FROM requests WHERE request_id = $1"  # noqa: S608  a constant list of columns
LOCK = f"{FIND} FOR UPDATE"
OWN = f"SELECT {_REQUEST} FROM requests WHERE subject_ref = $1 ORDER BY request_id DESC LIMIT $2"  # noqa: S608  as above
COUNT_OPEN_OF = f"SELECT count(*) FROM requests WHERE subject_ref = $1 AND {_OPEN}"  # noqa: S608  as above
OPEN_COPIES = f"SELECT {_REQUEST} FROM requests WHERE subject_ref = $1 AND kind = ANY($2) AND {_OPEN} FOR UPDATE"  # noqa: S608  as above
URGENT = f"SELECT {_REQUEST} FROM requests WHERE {_OPEN} ORDER BY due_at, request_id LIMIT $1"  # noqa: S608  as above; index requests_open
NEWEST = f"SELECT {_REQUEST} FROM requests ORDER BY request_id DESC LIMIT $1"  # noqa: S608  as above; primary key
STEPS = """
    SELECT request_id, step, actor, at, ground, text_sealed, key_id
      FROM request_steps WHERE request_id = ANY($1::text[]) ORDER BY request_id, number
"""  # primary key
LOCK_RESTRICTIONS = "SELECT pg_advisory_xact_lock(hashtextextended('restrictions ' || $1::text, 0))"
OTHER_RESTRICTIONS = """
    SELECT count(*) FROM requests WHERE subject_ref = $1 AND request_id <> $2 AND kind = 'restrict' AND is_paused
"""

TAKE_WARNED = f"""
    UPDATE requests SET is_warned = true
     WHERE request_id IN (SELECT request_id FROM requests WHERE {_OPEN} AND NOT is_warned AND warn_at <= $1
                           ORDER BY warn_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING request_id
"""  # noqa: S608  as above; index requests_warn
STANDINGS = f"""
    SELECT kind, CASE WHEN due_at < $1 THEN 'overdue' WHEN warn_at <= $1 THEN 'soon' ELSE 'in_time' END AS standing,
           count(*) AS n
      FROM requests WHERE {_OPEN} GROUP BY 1, 2
"""  # noqa: S608  as above; index requests_open
# A restriction in force keeps its request: whoever asked for it has to find it to lift it.
OLDEST = "SELECT request_id, subject_ref, received_at FROM requests WHERE NOT is_paused ORDER BY received_at LIMIT $1"
REMOVE = "DELETE FROM requests WHERE request_id = ANY($1::text[])"

COUNT_OF_SUBJECT = "SELECT count(*) FROM requests WHERE subject_ref = $1"
FORGET_SUBJECT = "DELETE FROM requests WHERE subject_ref = $1"


async def add(tx: Transaction, request: Request, warn_at: datetime) -> None:
    """Write a request with the first lines of its dossier."""
    await tx.execute(
        ADD, request.request_id, request.subject_ref, request.kind, request.state, request.generation_id,
        request.received_at, request.due_at, request.is_paused, warn_at,
    )  # fmt: skip
    await _add_steps(tx, request, 0)


async def move(tx: Transaction, before: Request, now: Request, warn_at: datetime) -> None:
    """Write what a request has become, and the lines that its dossier gained."""
    await tx.execute(MOVE, now.request_id, now.state, now.due_at, now.is_extended, now.is_paused, warn_at)
    await _add_steps(tx, now, len(before.steps))


async def lock(tx: Transaction, request_id: RequestId) -> Request | None:
    """A request with its dossier, locked."""
    return next(iter(await _with_steps(tx, await tx.fetch(LOCK, request_id))), None)


async def find(tx: Transaction, statement: str, *arguments: object) -> list[Request]:
    """Requests with their dossiers, in the statement's order."""
    return await _with_steps(tx, await tx.fetch(statement, *arguments))


async def _with_steps(tx: Transaction, rows: Sequence[asyncpg.Record]) -> list[Request]:
    steps: dict[str, list[Done]] = defaultdict(list)
    for row in await tx.fetch(STEPS, [row["request_id"] for row in rows]):
        steps[row["request_id"]].append(_done(row))
    return [_request(row, tuple(steps[row["request_id"]])) for row in rows]


async def _add_steps(tx: Transaction, request: Request, known: int) -> None:
    for number, done in enumerate(request.steps[known:], known + 1):
        sealed, key_id = (done.text.sealed, done.text.key_id) if done.text is not None else (None, None)
        await tx.execute(
            ADD_STEP, request.request_id, number, done.step, done.actor, done.at, done.ground, sealed, key_id
        )


def _request(row: asyncpg.Record, steps: tuple[Done, ...]) -> Request:
    generation_id = row["generation_id"]
    return Request(
        RequestId.trusted(row["request_id"]),
        SubjectRef.trusted(row["subject_ref"]),
        RequestKind(row["kind"]),
        RequestState(row["state"]),
        None if generation_id is None else GenerationId.trusted(generation_id),
        row["received_at"],
        row["due_at"],
        row["is_extended"],
        row["is_paused"],
        steps,
    )


def _done(row: asyncpg.Record) -> Done:
    sealed, ground = row["text_sealed"], row["ground"]
    return Done(
        Step(row["step"]),
        row["actor"],
        row["at"],
        None if ground is None else RefusalGround(ground),
        None if sealed is None else SealedText.model_construct(sealed=sealed, key_id=SealKeyId.trusted(row["key_id"])),
    )
