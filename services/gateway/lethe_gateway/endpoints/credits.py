"""/v1/credits and /v1/quotes: money, asked of billing each time and never copied."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from lethe_common.identifiers import SubjectRef
from lethe_common.policy import Catalogue
from lethe_common.rpc.billing import (
    BalanceGet,
    BalanceQuestion,
    GrantLine,
    QuoteAnswer,
    QuoteMake,
    QuoteQuestion,
    TransferLine,
)
from lethe_gateway.callers import Callers
from lethe_gateway.endpoints.bodies import read_optional, read_query
from lethe_gateway.purses import Purses
from lethe_gateway.schemas import unix
from lethe_gateway.submissions import OrderCreate, Ordered, order, priced


class HistoryQuery(BaseModel):
    """The query of the statement."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=200)
    after: str | None = Field(default=None, pattern="^xfer_[0-9a-f]{32}$")


def credit_routes(purses: Purses, callers: Callers, catalogue: Catalogue) -> APIRouter:
    """Balance, statement, binding prices."""
    router = APIRouter(prefix="/v1")

    @router.get("/credits")
    async def balance(request: Request) -> Response:
        caller = await callers.of(request)
        caller.must_be_active()
        known = await purses.ask(BalanceGet, BalanceQuestion(subject_ref=SubjectRef(caller.subject_ref)))
        content = {"object": "credits", "available": known.available, "held": known.held, "plan": known.plan}
        return JSONResponse({**content, "grants": [_grant(grant) for grant in known.grants]})

    @router.get("/credits/history")
    async def history(request: Request) -> Response:
        caller = await callers.of(request)
        caller.must_be_active()
        query = read_query(request, HistoryQuery)
        question = BalanceQuestion(
            subject_ref=SubjectRef(caller.subject_ref), history_limit=query.limit, history_after=query.after
        )
        known = await purses.ask(BalanceGet, question)
        data = [_transfer(line) for line in known.history]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return JSONResponse({"object": "list", "data": data, **ends, "has_more": known.has_more})

    @router.post("/quotes")
    async def quote(request: Request) -> Response:
        caller = await callers.of(request)
        caller.must_be_active()
        ordered = order(catalogue, await read_optional(request, OrderCreate))
        question = QuoteQuestion(subject_ref=SubjectRef(caller.subject_ref), order=priced(ordered))
        return JSONResponse(_quote(await purses.ask(QuoteMake, question), ordered), 201)

    return router


def _grant(grant: GrantLine) -> dict[str, object]:
    return {
        "source": grant.source,
        "amount": grant.amount,
        "remaining": grant.remaining,
        "granted_at": unix(grant.granted_at),
        "expires_at": unix(grant.expires_at) if grant.expires_at else None,
    }


def _transfer(line: TransferLine) -> dict[str, object]:
    return {
        "id": line.transfer_id,
        "object": "transfer",
        "kind": line.kind,
        "debit": line.debit,
        "credit": line.credit,
        "amount": line.amount,
        "video_id": line.generation_id,
        "created_at": unix(line.created_at),
    }


def _quote(made: QuoteAnswer, ordered: Ordered) -> dict[str, object]:
    return {
        "id": made.quote_id,
        "object": "quote",
        "model": ordered.model,
        "size": str(ordered.size),
        "seconds": str(ordered.seconds),
        "credits": made.credits,
        "available": made.available,
        "is_affordable": made.credits <= made.available,
        "price_version": made.price_version,
        "expires_at": unix(made.expires_at),
    }
