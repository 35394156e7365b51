"""The seal on a gateway that starts: until all facts hold in its data and everybody else's, nothing is served.

It listens and answers, so that people and load balancers hear why and for how long.
"""

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lethe_gateway.errors import NotFound, Sealed
from lethe_gateway.pages import Pages
from lethe_gateway.screens import problem_page

_UNAVAILABLE = 503


class Seal:
    """Whether the gateway may serve."""

    def __init__(self) -> None:
        self._is_open = False

    def open(self) -> None:
        """Serve from now on."""
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Whether it serves."""
        return self._is_open


_FOR_PEOPLE, _FOR_PROGRAMS = "/sealed", "/v1/sealed"
_FILES = "/static/"
"""Style and script, the same for everybody: the page that says it needs them."""


def seal_routes(pages: Pages, seal: Seal) -> APIRouter:
    """Where requests are led while the seal is on; there is nothing at these addresses else."""
    router = APIRouter(include_in_schema=False)

    @router.get(_FOR_PEOPLE)
    async def for_people(request: Request) -> Response:
        page = None if seal.is_open else problem_page(pages, request, _UNAVAILABLE)
        return page or await for_programs()

    @router.get(_FOR_PROGRAMS)
    async def for_programs() -> Response:
        raise NotFound if seal.is_open else Sealed

    return router


class SealedApp:
    """Wraps an application: while the seal is on, every request is answered by its route for that."""

    def __init__(self, app: ASGIApp, seal: Seal) -> None:
        self._app, self._seal = app, seal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._seal.is_open and not scope["path"].startswith(_FILES):
            path = _FOR_PROGRAMS if scope["path"].startswith(("/v1/", "/api/")) else _FOR_PEOPLE
            scope = {**scope, "path": path, "raw_path": path.encode(), "method": "GET"}
        await self._app(scope, receive, send)
