"""The register of breaches on the console: opened, noted, notified, told, closed."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.bus import Bus
from lethe_common.identifiers import BreachId
from lethe_common.policy import Policy
from lethe_common.rpc import breaches as rpc
from lethe_common.rpc.breaches import BreachStepKind
from lethe_gateway.breaches import Breaches, Shown
from lethe_gateway.endpoints.bodies import read, read_query
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import BreachNews, BreachNotification, BreachRemark, BreachWord, RequestsQuery


def breach_routes(bus: Bus, breaches: Breaches, operators: Operators, policy: Callable[[], Policy]) -> APIRouter:
    """The register."""
    router = APIRouter(prefix="/api/registers/breaches")

    @router.get("")
    async def listing(request: Request) -> Response:
        operators.must_be(request)
        query = read_query(request, RequestsQuery)
        found = await breaches.listing(query.limit, is_open=not query.all)
        stores = {name: list(rule.stores) for name, rule in policy().content.data.items()}
        return JSONResponse({"breaches": [_shown(Shown(one, {})) for one in found], "categories": stores})

    @router.post("")
    async def opened(request: Request) -> Response:
        operators.must_be(request)
        news, breach_id = await read(request, BreachNews), BreachId.new()
        question = rpc.BreachOpenQuestion(
            breach_id=breach_id,
            text=await breaches.sealed(breach_id, news.text),
            **news.model_dump(exclude={"text"}),
        )
        return JSONResponse(_shown(Shown((await bus.ask(rpc.BreachOpen, question)).breach, {})), 201)

    @router.get("/{breach_id}")
    async def show(request: Request, breach_id: str) -> Response:
        operators.must_be(request)
        return JSONResponse(_shown(await breaches.show(breach_id)))

    @router.post("/{breach_id}/note")
    async def note(request: Request, breach_id: str) -> Response:
        operators.must_be(request)
        body = await read(request, BreachRemark)
        return JSONResponse(_shown(await breaches.note(breach_id, body.operator, BreachStepKind.NOTED, text=body.text)))

    @router.post("/{breach_id}/notified")
    async def notified(request: Request, breach_id: str) -> Response:
        operators.must_be(request)
        body = await read(request, BreachNotification)
        made = await breaches.note(
            breach_id, body.operator, BreachStepKind.NOTIFIED,
            duty=body.duty, reference=body.reference, at=body.at, text=body.text,
        )  # fmt: skip
        return JSONResponse(_shown(made))

    @router.post("/{breach_id}/tell")
    async def tell(request: Request, breach_id: str) -> Response:
        operators.must_be(request)
        body = await read(request, BreachWord)
        accounts = None if body.accounts == "everybody" else list(body.accounts)
        return JSONResponse({"telling_id": await breaches.tell(breach_id, body.operator, body.text, accounts)}, 202)

    @router.post("/{breach_id}/close")
    async def close(request: Request, breach_id: str) -> Response:
        operators.must_be(request)
        body = await read(request, BreachRemark)
        return JSONResponse(
            _shown(await breaches.note(breach_id, body.operator, BreachStepKind.CLOSED, text=body.text))
        )

    return router


def _shown(shown: Shown) -> dict[str, object]:
    """A breach with what is written in clear; `can_read` is false where the policy lets nobody of the staff read it."""
    content = shown.breach.model_dump(mode="json", exclude={"steps"})
    texts = shown.texts or {}
    steps = [
        {
            **step.model_dump(mode="json", exclude={"text"}),
            "has_text": step.text is not None,
            "text": texts.get(step.number),
        }
        for step in shown.breach.steps
    ]
    return {**content, "can_read": shown.texts is not None, "steps": steps}
