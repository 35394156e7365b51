"""Every error as OpenAI's shape, with a right status and nothing of the input in it."""

from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from lethe_common.database import AWAY
from lethe_common.errors import LetheError
from lethe_common.rpc.envelope import Refused
from lethe_gateway.errors import GatewayError, TooManyRequests
from lethe_gateway.pages import Pages
from lethe_gateway.schemas import Problem, Refusal
from lethe_gateway.screens import problem_page

_RETRY_SECONDS = 1
_UNAVAILABLE = 503
_SERVER_ERROR = 500
_NOT_FOUND, _NOT_ALLOWED = 404, 405
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# Of what another service counts as too much, something has to end first: that takes no second.
_WAITS = {503: _RETRY_SECONDS, 429: 60}
_BY_STATUS = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "Use another method."),
}


def install(app: FastAPI, pages: Pages) -> None:
    """Have an application answer all errors so; a browser that went astray gets a page."""

    async def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else _SERVER_ERROR
        page = problem_page(pages, request, status) if status == _NOT_FOUND else None
        return page or _http(request, status)

    app.add_exception_handler(LetheError, _lethe)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, _unexpected)
    for kind in AWAY:
        app.add_exception_handler(kind, _away)


def answer(
    request: Request,
    status: int,
    kind: str,
    code: str,
    message: str,
    *,
    param: str | None = None,
    wait: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One refusal; `headers` are those that belong to it."""
    problem = Problem(type=kind, code=code, message=message, param=param, request_id=request.state.request_id)
    told_headers = dict(headers or {})
    if wait is not None:
        told_headers["Retry-After"] = str(wait)
    body = Refusal(error=problem).model_dump_json()
    return Response(body, status, told_headers, media_type="application/json")


async def _lethe(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        kind = "server_error" if error.refusal_status >= _SERVER_ERROR else "invalid_request_error"
        wait = _wait(error.refusal_status)
        return answer(request, error.refusal_status, kind, error.refusal_code, str(error), wait=wait)
    if isinstance(error, GatewayError):
        wait = error.wait_seconds if isinstance(error, TooManyRequests) else _wait(error.status)
        return answer(
            request,
            error.status,
            error.kind,
            error.own_code,
            str(error),
            param=error.param,
            wait=wait,
            headers=error.headers,
        )
    if isinstance(error, LetheError):
        kind = "server_error" if error.status >= _SERVER_ERROR else "invalid_request_error"
        return answer(request, error.status, kind, error.code, str(error), wait=_wait(error.status))
    raise error


async def _invalid(request: Request, _error: Exception) -> Response:
    message = "The request does not have the form that is documented for this call."
    return answer(request, 400, "invalid_request_error", "invalid_request", message)


def _http(request: Request, status: int) -> Response:
    code, message = _BY_STATUS.get(status, ("invalid_request", "The request cannot be answered."))
    headers = {"Allow": _allowed(request)} if status == _NOT_ALLOWED else None
    return answer(request, status, "invalid_request_error", code, message, headers=headers)


def _allowed(request: Request) -> str:
    """The methods there are at an address (RFC 9110, section 15.5.6). Each has its own route; the framework knows one of them."""
    scope, routes = request.scope, request.app.routes

    def is_there(method: str) -> bool:
        return any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)

    return ", ".join(method for method in _METHODS if is_there(method))


async def _away(request: Request, _error: Exception) -> Response:
    message = "The database is away for a moment. Try again in a few seconds."
    return answer(request, _UNAVAILABLE, "server_error", "database_away", message, wait=_RETRY_SECONDS)


async def _unexpected(request: Request, _error: Exception) -> Response:
    message = "Something went wrong on our side. It was logged; quote the request id when asking for help."
    return answer(request, _SERVER_ERROR, "server_error", "internal_error", message)


def _wait(status: int) -> int | None:
    return _WAITS.get(status)
