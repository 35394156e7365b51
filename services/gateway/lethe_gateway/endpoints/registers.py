"""The registers on the console: who processes data under which contract."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.rpc import processors as rpc
from lethe_gateway.endpoints.bodies import read, reply
from lethe_gateway.errors import NotFound
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import ContractEntry


def processor_routes(bus: Bus, operators: Operators) -> APIRouter:
    """List, enter."""
    router = APIRouter(prefix="/api/registers/processors")

    @router.get("")
    async def listing(request: Request) -> Response:
        operators.must_be(request)
        return reply(await bus.ask(rpc.ProcessorList, rpc.ProcessorListQuestion()))

    @router.post("/{recipient_id}")
    async def enter(request: Request, recipient_id: str) -> Response:
        operators.must_be(request)
        body = await read(request, ContractEntry)
        entry = rpc.ProcessorEntry(**body.model_dump(exclude={"operator"}))
        try:
            question = rpc.ProcessorEnterQuestion(recipient_id=recipient_id, operator=body.operator, entry=entry)
        except ValueError:
            raise NotFound("There is no recipient with this id. Reload the register.") from None
        made = await bus.ask(rpc.ProcessorEnter, question)
        return JSONResponse(made.processor.model_dump(mode="json"), 201)

    return router
