"""Refusals that others make, the framework and other services, as the gateway answers them."""

from typing import cast

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from lethe_common.rpc.envelope import Refused
from lethe_gateway.pages import Pages
from lethe_gateway.refusals import install


def client() -> httpx2.AsyncClient:
    app = FastAPI()
    # No page is shown to who asks for JSON.
    install(app, cast("Pages", None))
    router = APIRouter()

    @app.middleware("http")
    async def identify(request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.request_id = "req_" + "0" * 32
        return await call_next(request)

    @router.api_route("/things/{name}", methods=["GET", "HEAD"])
    async def show(name: str) -> str:
        return name

    @router.delete("/things/{name}")
    async def remove(name: str) -> str:
        return name

    @router.post("/refused/{status}")
    async def refused(status: int) -> None:
        raise Refused("a_code", status, "Not now.")

    app.include_router(router)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")


async def test_another_method_is_told_of_all_that_there_are() -> None:
    async with client() as http:
        answer = await http.post("/things/one")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, DELETE")
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(("status", "wait"), [(503, "1"), (429, "60"), (409, None)])
async def test_what_another_service_refuses_for_now_says_when_to_come_again(status: int, wait: str | None) -> None:
    async with client() as http:
        answer = await http.post(f"/refused/{status}")

    assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait)
