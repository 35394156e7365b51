"""Legal holds on the console: proposed by one operator, approved by another, lifted by any."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.rpc import legal_holds as rpc
from lethe_gateway import account_queries, queries
from lethe_gateway.endpoints.bodies import read, read_query
from lethe_gateway.errors import NotFound
from lethe_gateway.ids import named
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import HoldDecision, HoldProposal, HoldsQuery

_GENERATION = f"{GenerationId.prefix}_"


def legal_hold_routes(bus: Bus, database: Database, operators: Operators) -> APIRouter:
    """List, propose, approve, lift."""
    router = APIRouter(prefix="/api/legal-holds")

    async def answer(holds: tuple[rpc.LegalHold, ...]) -> list[dict[str, object]]:
        refs = [hold.subject_ref for hold in holds if hold.subject_ref is not None]
        rows = await database.pool.fetch(account_queries.ACCOUNTS_OF_SUBJECTS, refs)
        accounts = {row["subject_ref"]: row["account_id"] for row in rows}
        return [_shown(hold, accounts.get(hold.subject_ref)) for hold in holds]

    @router.get("")
    async def listing(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, HoldsQuery)
        question = rpc.LegalHoldListQuestion(is_open=not query.all, limit=query.limit)
        return JSONResponse({"holds": await answer((await bus.ask(rpc.LegalHoldList, question)).holds)})

    @router.post("")
    async def propose(request: Request) -> Response:
        operators.must_be(request)
        wish = await read(request, HoldProposal)
        generation_id = GenerationId(wish.scope) if wish.scope.startswith(_GENERATION) else None
        question = rpc.LegalHoldProposeQuestion(
            hold_id=LegalHoldId.new(),
            subject_ref=await _subject_of(database, wish.scope),
            generation_id=generation_id,
            operator=wish.operator,
            reason=wish.reason,
            ends_at=wish.ends_at,
        )
        made = await bus.ask(rpc.LegalHoldPropose, question)
        return JSONResponse((await answer((made.hold,)))[0], 201)

    @router.post("/{hold_id}/approve")
    async def approve(request: Request, hold_id: str) -> Response:
        operators.must_be(request)
        made = await bus.ask(rpc.LegalHoldApprove, await _decision(request, hold_id))
        return JSONResponse((await answer((made.hold,)))[0])

    @router.post("/{hold_id}/lift")
    async def lift(request: Request, hold_id: str) -> Response:
        operators.must_be(request)
        made = await bus.ask(rpc.LegalHoldLift, await _decision(request, hold_id))
        return JSONResponse((await answer((made.hold,)))[0])

    return router


async def _decision(request: Request, hold_id: str) -> rpc.LegalHoldDecisionQuestion:
    body = await read(request, HoldDecision)
    known = named(LegalHoldId, hold_id, "There is no hold with this id. Reload the list.")
    return rpc.LegalHoldDecisionQuestion(hold_id=known, operator=body.operator)


async def _subject_of(database: Database, scope: str) -> SubjectRef:
    """Whom a generation or an account belongs to.

    Raises:
        NotFound: there is no such thing, or not any more.
    """
    statement = queries.SUBJECT_OF if scope.startswith(_GENERATION) else account_queries.SUBJECT_OF
    subject_ref = await database.pool.fetchval(statement, scope)
    if subject_ref is None:
        raise NotFound("There is no such video or account, or not any more. Check the id.", code="item_unknown")
    return SubjectRef.trusted(subject_ref)


def _shown(hold: rpc.LegalHold, account_id: str | None) -> dict[str, object]:
    """A hold without the reference under which other services know the person."""
    return {**hold.model_dump(mode="json", exclude={"subject_ref"}), "account_id": account_id}
