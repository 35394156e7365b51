"""The register of acts of destruction on the console: listed without names, shown whole."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from lethe_common.rpc.acts import Act
from lethe_gateway.act_texts import text_of
from lethe_gateway.acts import Acts
from lethe_gateway.endpoints.bodies import read_query
from lethe_gateway.operators import Operators
from lethe_gateway.schemas import LimitQuery
from lethe_gateway.words import load_words


def act_routes(acts: Acts, operators: Operators) -> APIRouter:
    """List, show."""
    router = APIRouter(prefix="/api/registers/acts")
    languages = load_words()

    @router.get("")
    async def listing(request: Request) -> Response:
        operators.must_be(request)
        found = await acts.listing(read_query(request, LimitQuery).limit)
        return JSONResponse({"acts": [_told(one) for one in found]})

    @router.get("/{act_id}")
    async def show(request: Request, act_id: str) -> Response:
        operators.must_be(request)
        shown = await acts.show(act_id)
        texts = {language: text_of(shown.act, shown.name, words) for language, words in languages.items()}
        return JSONResponse({**_told(shown.act), "name": shown.name, "texts": texts})

    return router


def _told(act: Act) -> dict[str, object]:
    return act.model_dump(mode="json", exclude={"name"})
