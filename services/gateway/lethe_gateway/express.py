"""The hot route's own way in: its endpoint is called without the framework's layers, which cost more than its work.

Requests, refusals and answers are the same as through the application, where the
route stays listed; only a request that brings a trace context takes the long way.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]
_TRACE_HEADER = b"traceparent"


class Express:
    """Wraps an application; calls one endpoint of it directly."""

    def __init__(self, app: FastAPI, route: APIRoute) -> None:
        self._app, self._path, self._methods = app, route.path, frozenset(route.methods or ())
        self._endpoint: Endpoint = route.endpoint
        self._handlers: Mapping[Any, Callable[..., Any]] = app.exception_handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or not self._is_mine(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self._endpoint(request)
        except Exception as error:
            kind = next(kind for kind in type(error).__mro__ if kind in self._handlers)
            response = await self._handlers[kind](request, error)
            await response(scope, receive, send)
            if kind is Exception:
                # Nobody foresaw it: answered as what it is, and logged by the gate.
                raise
            return
        await response(scope, receive, send)

    def _is_mine(self, scope: Scope) -> bool:
        return scope["method"] in self._methods and all(name != _TRACE_HEADER for name, _ in scope["headers"])


def route_of(router: APIRouter, method: str, path: str) -> APIRoute:
    """A router's route.

    Raises:
        LookupError: it has none such.
    """
    for route in router.routes:
        if isinstance(route, APIRoute) and route.path == path and method in (route.methods or ()):
            return route
    raise LookupError(f"no route for {method} {path}")
