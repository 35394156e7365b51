"""/v1/models: what can be asked for, with sizes, lengths and prices."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from lethe_common.clock import Clock
from lethe_common.policy import Catalogue, Model
from lethe_gateway.errors import NotFound

_CREATED = 1_793_491_200  # 2026-11-01: the SDK's type asks for a time, the catalogue has none


def model_routes(catalogue: Catalogue, clock: Clock) -> APIRouter:
    """The catalogue, for anybody."""
    router = APIRouter(prefix="/v1/models")

    def shown(model: Model) -> dict[str, Any]:
        rates = catalogue.prices.in_force(clock.now()).credits_per_second.get(model.id, {})
        return {
            "id": model.id,
            "object": "model",
            "created": _CREATED,
            "owned_by": model.provider,
            "label": model.label,
            "lifecycle": model.lifecycle,
            "is_default": model.default,
            "sizes": [str(size) for size in model.sizes],
            "seconds": [str(seconds) for seconds in model.seconds],
            "credits_per_second": {str(size): rate for size, rate in rates.items() if size in model.sizes},
        }

    @router.get("")
    async def list_models() -> Response:
        return JSONResponse({"object": "list", "data": [shown(model) for model in catalogue.models.values()]})

    @router.get("/{model_id}")
    async def retrieve(model_id: str) -> Response:
        model = catalogue.models.get(model_id)
        if model is None:
            raise NotFound("There is no such model. GET /v1/models lists those there are.")
        return JSONResponse(shown(model))

    return router
