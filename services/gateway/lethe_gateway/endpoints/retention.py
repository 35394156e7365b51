"""Retention on the console: the forecast of deletions, and what is overdue."""

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.rpc import retention as rpc
from lethe_common.rpc.orphans import OrphanList, OrphanListQuestion
from lethe_gateway.endpoints.bodies import read_query, reply
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import ForecastQuery, LimitQuery


def retention_routes(bus: Bus, operators: Operators) -> APIRouter:
    """Counts only; of overdue items their ids."""
    router = APIRouter(prefix="/api/retention")

    @router.get("/calendar")
    async def calendar(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, ForecastQuery)
        summary, forecast = await asyncio.gather(
            bus.ask(rpc.DeadlineSummary, rpc.DeadlineSummaryQuestion()),
            bus.ask(rpc.CalendarForecast, rpc.ForecastQuestion(days=query.days)),
        )
        return JSONResponse({"summary": summary.model_dump(mode="json"), **forecast.model_dump(mode="json")})

    @router.get("/overdue")
    async def overdue(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, LimitQuery)
        return reply(await bus.ask(rpc.OverdueList, rpc.OverdueListQuestion(limit=query.limit)))

    @router.get("/orphans")
    async def orphans(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, LimitQuery)
        return reply(await bus.ask(OrphanList, OrphanListQuestion(limit=query.limit)))

    return router
