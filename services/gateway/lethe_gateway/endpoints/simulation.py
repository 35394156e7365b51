"""A coming version of the policy on the console: what would go when, if it took effect."""

from fastapi import APIRouter, Request, Response

from lethe_common.bus import Bus
from lethe_common.rpc.simulation import PolicySimulate, SimulationQuestion
from lethe_gateway.endpoints.bodies import read, reply
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import PolicyWish


def simulation_routes(bus: Bus, operators: Operators) -> APIRouter:
    """POST /api/policy/simulate: counts only, and nothing changes."""
    router = APIRouter(prefix="/api/policy")

    @router.post("/simulate")
    async def simulate(request: Request) -> Response:
        operators.must_be(request)
        wish = await read(request, PolicyWish)
        return reply(await bus.ask(PolicySimulate, SimulationQuestion(policy=wish.policy)))

    return router
