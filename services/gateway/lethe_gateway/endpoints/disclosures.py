"""Disclosures: the console's register, and each person's own list of what was given about them."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import DisclosureId, SubjectRef
from lethe_common.rpc import disclosures as rpc
from lethe_common.rpc.disclosures import DisclosureAction
from lethe_gateway import account_queries
from lethe_gateway.callers import Callers
from lethe_gateway.disclosures import Disclosures
from lethe_gateway.endpoints.bodies import read, read_query
from lethe_gateway.errors import NotFound, NotSignedIn
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import DisclosureDeed, DisclosureDemand, LimitQuery, unix


def disclosure_routes(bus: Bus, disclosures: Disclosures, database: Database, operators: Operators) -> APIRouter:
    """List, open, show, decide."""
    router = APIRouter(prefix="/api/registers/disclosures")

    async def answer(found: tuple[rpc.Disclosure, ...]) -> list[dict[str, object]]:
        refs = [one.subject_ref for one in found if one.subject_ref is not None]
        rows = await database.pool.fetch(account_queries.ACCOUNTS_OF_SUBJECTS, refs)
        accounts = {row["subject_ref"]: row["account_id"] for row in rows}
        return [_shown(one, accounts.get(one.subject_ref)) for one in found]

    @router.get("")
    async def listing(request: Request) -> Response:
        operators.must_be(request)
        question = rpc.DisclosureListQuestion(limit=read_query(request, LimitQuery).limit)
        found = (await bus.ask(rpc.DisclosureList, question)).disclosures
        return JSONResponse({"disclosures": await answer(found)})

    @router.post("")
    async def opened(request: Request) -> Response:
        operators.must_be(request)
        demand, disclosure_id = await read(request, DisclosureDemand), DisclosureId.new()
        ref = await database.pool.fetchval(account_queries.SUBJECT_OF, demand.account_id)
        if ref is None:
            raise NotFound("There is no such account, or not any more. Check the id.", code="item_unknown")
        subject_ref = SubjectRef.trusted(ref)
        try:
            asked = await disclosures.sealed(subject_ref, disclosure_id, demand.asked)
        except NotSignedIn:
            raise NotFound("There is no such account, or not any more. Check the id.", code="item_unknown") from None
        question = rpc.DisclosureOpenQuestion(
            disclosure_id=disclosure_id,
            subject_ref=subject_ref,
            asked=asked,
            **demand.model_dump(exclude={"asked", "account_id"}),
        )
        made = (await bus.ask(rpc.DisclosureOpen, question)).disclosure
        return JSONResponse((await answer((made,)))[0], 201)

    @router.get("/{disclosure_id}")
    async def show(request: Request, disclosure_id: str) -> Response:
        operators.must_be(request)
        one = await disclosures.show(disclosure_id)
        return JSONResponse({**(await answer((one,)))[0], "asked": await disclosures.asked(one)})

    @router.post("/{disclosure_id}/{action}")
    async def decide(request: Request, disclosure_id: str, action: DisclosureAction) -> Response:
        operators.must_be(request)
        deed = await read(request, DisclosureDeed)
        one, package = await disclosures.decide(disclosure_id, deed.operator, action, deed.ground)
        given = {} if package is None else {"package": package.content}
        return JSONResponse({**(await answer((one,)))[0], **given})

    return router


def own_disclosure_routes(bus: Bus, callers: Callers) -> APIRouter:
    """GET /v1/privacy/disclosures: what was given about oneself, as far as no law keeps it back."""
    router = APIRouter(prefix="/v1/privacy/disclosures")

    @router.get("")
    async def listing(request: Request) -> Response:
        caller = await callers.of(request)
        question = rpc.DisclosureListQuestion(
            subject_ref=SubjectRef.trusted(caller.subject_ref), limit=read_query(request, LimitQuery).limit
        )
        found = (await bus.ask(rpc.DisclosureList, question)).disclosures
        return JSONResponse({"object": "list", "data": [_own(one) for one in found]})

    return router


def _shown(one: rpc.Disclosure, account_id: str | None) -> dict[str, object]:
    """A demand without the reference under which other services know the person."""
    return {**one.model_dump(mode="json", exclude={"subject_ref", "asked"}), "account_id": account_id}


def _own(one: rpc.Disclosure) -> dict[str, object]:
    return {
        "object": "disclosure",
        "id": one.disclosure_id,
        "authority": one.authority,
        "legal_reference": one.legal_reference,
        "disclosed_at": None if one.disclosed_at is None else unix(one.disclosed_at),
        "digest": one.digest,
    }
