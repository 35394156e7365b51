"""What trainers are given: the console's part, where all content is sealed to the trainer; and each person's own list."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from lethe_common.policy import Policy
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.bodies import read, read_query
from lethe_gateway.errors import TrainingRefused
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import LimitQuery, TrainingDeed, TrainingQuery, unix
from lethe_gateway.training import Training
from lethe_gateway.training_records import TrainingRecords


def training_routes(training: Training, operators: Operators) -> APIRouter:
    """Who may be given something, what, the item itself, and the names of what may be used on."""
    router = APIRouter(prefix="/api/training")

    @router.get("")
    async def overview(request: Request) -> Response:
        operators.must_be(request)
        days = await training.days(read_query(request, LimitQuery).limit)
        refusal = training.refusal()
        return JSONResponse(
            {
                "refusal": None if refusal is None else _refusal(refusal),
                "trainers": [
                    {
                        "id": one.recipient.id,
                        "name": one.recipient.name,
                        "sealed_to": one.recipient.sealed_to,
                        "refusal": None if one.refusal is None else _refusal(one.refusal),
                    }
                    for one in training.trainers()
                ],
                "given": [{**day, "on_day": day["on_day"].isoformat()} for day in days],
            }
        )

    @router.get("/{recipient_id}/items")
    async def items(request: Request, recipient_id: str) -> Response:
        operators.must_be(request)
        found, after = await training.offered(recipient_id, read_query(request, TrainingQuery).after)
        return JSONResponse(
            {"items": [{"video": one.generation_id, "name": one.name} for one in found], "after": after}
        )

    @router.post("/{recipient_id}/items/{generation_id}")
    async def give(request: Request, recipient_id: str, generation_id: str) -> Response:
        operators.must_be(request)
        deed = await read(request, TrainingDeed)
        body = await training.give(recipient_id, generation_id, deed.operator)
        headers = {"Cache-Control": "private, no-store"}
        return StreamingResponse(body, 200, headers, media_type="application/octet-stream")

    @router.get("/{recipient_id}/standing")
    async def standing(request: Request, recipient_id: str) -> Response:
        operators.must_be(request)
        names, after = await training.standing(recipient_id, read_query(request, TrainingQuery).after)
        return JSONResponse({"names": names, "after": after})

    return router


def own_training_routes(records: TrainingRecords, callers: Callers, policy: Callable[[], Policy]) -> APIRouter:
    """GET /v1/privacy/training: which of one's own videos a trainer was given."""
    router = APIRouter(prefix="/v1/privacy/training")

    @router.get("")
    async def listing(request: Request) -> Response:
        caller = await callers.of(request)
        found = await records.of(caller.account_id, read_query(request, LimitQuery).limit)
        names = {one.id: one.name for one in policy().content.recipients}
        return JSONResponse(
            {
                "object": "list",
                "total": found[0]["total"] if found else 0,
                "since": unix(found[0]["since"]) if found else None,
                "data": [
                    {
                        "object": "training_record",
                        "video": row["generation_id"],
                        "recipient": names.get(row["recipient_id"]) or row["recipient_id"],
                        "given_at": unix(row["given_at"]),
                    }
                    for row in found
                ],
            }
        )

    return router


def _refusal(refusal: TrainingRefused) -> dict[str, object]:
    return {"code": refusal.own_code, "message": str(refusal)}
