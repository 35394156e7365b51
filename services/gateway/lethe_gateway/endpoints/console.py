"""The operator's console: a second application on an internal port. No prompt, address or output is ever shown here."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.identifiers import AccountId, SubjectRef
from lethe_common.rpc import operators as calls
from lethe_common.rpc.billing import LedgerVerify, LedgerVerifyQuestion, PlanChange, PlanChangeQuestion
from lethe_common.rpc.jobs import RunList, RunListQuestion, StatisticsList, StatisticsQuestion
from lethe_common.services import Service
from lethe_gateway import account_queries
from lethe_gateway.browser import set_cookie
from lethe_gateway.endpoints.bodies import read, read_query, reply
from lethe_gateway.errors import NotFound
from lethe_gateway.ids import named
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import OperatorSignIn, PlanChoice

_NO_ACCOUNT = "There is no such account."


class RunsQuery(BaseModel):
    """The query of the list of runs."""

    model_config = ConfigDict(extra="forbid")

    state: str | None = Field(default=None, pattern="^[a-z_]{1,32}$")
    limit: int = Field(default=50, ge=1, le=200)


class SpansQuery(BaseModel):
    """The query of the statistics."""

    model_config = ConfigDict(extra="forbid")

    spans: int = Field(default=12, ge=1, le=120)


def console_routes(bus: Bus, database: Database, operators: Operators) -> APIRouter:
    """What operators see and do, as JSON."""
    router = APIRouter(prefix="/api")
    _session_routes(router, operators)
    _parked_routes(router, bus, operators)
    _egress_routes(router, bus, operators)

    @router.get("/runs")
    async def runs(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, RunsQuery)
        return reply(await bus.ask(RunList, RunListQuestion(state=query.state, limit=query.limit)))

    @router.get("/statistics")
    async def statistics(request: Request) -> Response:
        operators.must_be(request)
        return reply(await bus.ask(StatisticsList, StatisticsQuestion(spans=read_query(request, SpansQuery).spans)))

    @router.get("/health")
    async def health(request: Request) -> Response:
        operators.must_be(request)
        return JSONResponse({"services": await asyncio.gather(*(_health(bus, service) for service in Service))})

    @router.api_route("/ledger/verify", methods=["GET", "POST"])
    async def verify_ledger(request: Request) -> Response:
        operators.must_be(request)
        return reply(await bus.ask(LedgerVerify, LedgerVerifyQuestion()))

    @router.api_route("/accounts/{account_id}/plan", methods=["POST", "PUT"])
    async def change_plan(request: Request, account_id: str) -> Response:
        operators.must_be(request)
        choice = await read(request, PlanChoice)
        known = named(AccountId, account_id, _NO_ACCOUNT)
        row = await database.pool.fetchrow(account_queries.ACCOUNT_BY_ID, known)
        if row is None:
            raise NotFound(_NO_ACCOUNT)
        question = PlanChangeQuestion(subject_ref=SubjectRef(row["subject_ref"]), plan=choice.plan)
        return reply(await bus.ask(PlanChange, question))

    return router


def _session_routes(router: APIRouter, operators: Operators) -> None:
    @router.post("/session")
    async def sign_in(request: Request) -> Response:
        secret = operators.sign_in(request, (await read(request, OperatorSignIn)).token)
        response = Response(status_code=204)
        # The console stands on an internal port, mostly without TLS: Secure would keep browsers from sending it.
        is_https = request.url.scheme == "https"
        set_cookie(response, operators.cookie, secret, operators.period, is_https=is_https)
        return response

    @router.delete("/session")
    async def sign_out(request: Request) -> Response:
        operators.must_be(request)
        operators.sign_out(request)
        response = Response(status_code=204)
        response.delete_cookie(operators.cookie, path="/")
        return response


def _parked_routes(router: APIRouter, bus: Bus, operators: Operators) -> None:
    @router.get("/parked")
    async def parked(request: Request) -> Response:
        operators.must_be(request)
        return JSONResponse({"services": await asyncio.gather(*(_parked(bus, service) for service in Service))})

    @router.post("/parked/{service}/{parked_id}/replay")
    async def replay(request: Request, service: Service, parked_id: UUID) -> Response:
        operators.must_be(request)
        question = calls.ParkedReplayQuestion(parked_id=parked_id)
        return reply(await bus.ask(calls.parked_replay(service), question))


def _egress_routes(router: APIRouter, bus: Bus, operators: Operators) -> None:
    @router.get("/egress")
    async def egress(request: Request) -> Response:
        operators.must_be(request)
        return JSONResponse({"services": await asyncio.gather(*(_refused(bus, service) for service in Service))})


async def _refused(bus: Bus, service: Service) -> dict[str, Any]:
    try:
        answer = await bus.ask(calls.egress_refusals(service), calls.EgressRefusalsQuestion())
    except LetheError as error:
        return {"service": service, "is_answering": False, "error_code": error.code, "refusals": []}
    return {"service": service, "is_answering": True, **answer.model_dump(mode="json")}


async def _parked(bus: Bus, service: Service) -> dict[str, Any]:
    try:
        answer = await bus.ask(calls.parked_list(service), calls.ParkedListQuestion())
    except LetheError as error:
        return {"service": service, "is_answering": False, "error_code": error.code, "parked": [], "total": 0}
    return {"service": service, "is_answering": True, **answer.model_dump(mode="json")}


async def _health(bus: Bus, service: Service) -> dict[str, Any]:
    try:
        answer = await bus.ask(calls.health(service), calls.HealthQuestion())
    except LetheError as error:
        return {"service": service, "is_answering": False, "error_code": error.code}
    return {"is_answering": True, **answer.model_dump(mode="json")}
