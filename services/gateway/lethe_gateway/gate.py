"""The outermost layer, pure ASGI: a request id of our own, limits before reading, headers on every answer.

What a client sends as X-Request-Id is never used, echoed or logged. Traces begin
here: a trace id that a client chose would travel on the bus and rest in outboxes.
"""

import secrets
from collections.abc import Callable
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.logging import describe, places
from lethe_gateway.errors import TooLarge
from lethe_gateway.schemas import Problem, Refusal

log = structlog.get_logger()

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_ALWAYS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), interest-cohort=()"),
]
HEADERS = declare(
    Kind.HEADER,
    {
        **each((name.decode() for name, _ in (*_ALWAYS, _STRICT_TRANSPORT)), impersonal("the same on every answer")),
        **each(
            (
                "accept-ranges", "allow", "cache-control", "connection", "content-length", "content-range", "content-type",
                "retry-after", "vary", "x-accel-buffering",
            ),
            impersonal("form of an answer"),
        ),
        "content-disposition": impersonal("a file name made of the item's random id"),
        "etag": impersonal("random id of an asset, or digest of a file of ours"),
        "openai-poll-after-ms": impersonal("a wait of the queue"),
        "x-request-id": impersonal("random id made here; what a client sends is never used"),
    },
)  # fmt: skip
"""All that an answer of the gateway may carry."""
FRAME_HEADERS = declare(
    Kind.HEADER,
    {
        **each(("date", "transfer-encoding"), impersonal("form of an answer")),
        "set-cookie": impersonal("its cookies are declared by themselves"),
    },
)
"""What the web server and the framework add."""
_NOT_PASSED_ON = frozenset({b"traceparent", b"tracestate", b"baggage"})
_NO_STORE = (b"cache-control", b"private, no-store")


class Gate:
    """Wraps an application. `limit_of(method, path)` says how many bytes a body may have."""

    def __init__(self, app: ASGIApp, limit_of: Callable[[str, str], int], *, is_https: bool) -> None:
        self._app, self._limit_of = app, limit_of
        self._headers = [*_ALWAYS]
        if is_https:
            self._headers.append(_STRICT_TRANSPORT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(16)}"
        scope.setdefault("state", {})["request_id"] = request_id
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _NOT_PASSED_ON]
        passage = _Passage(receive, send, self._headers, request_id, self._limit_of(scope["method"], scope["path"]))
        if _announced(scope) > passage.limit_bytes:
            await passage.refuse()
            return
        try:
            await self._app(scope, passage.receive, passage.send)
        except Exception as error:
            log.error("request_failed", request_id=request_id, error=describe(error), where=places(error))  # noqa: TRY400  an exception's text may hold content
            if not passage.has_begun:
                raise


class _Passage:
    """One request on its way through."""

    def __init__(
        self, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]], request_id: str, limit_bytes: int
    ) -> None:
        self._receive, self._send, self._headers, self._request_id = receive, send, headers, request_id
        self.limit_bytes, self.has_begun, self._read_bytes = limit_bytes, False, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._read_bytes += len(message.get("body", b""))
        if self._read_bytes > self.limit_bytes:
            raise TooLarge(self.limit_bytes)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            given = message["headers"]
            extra = [*self._headers, (b"x-request-id", self._request_id.encode())]
            if not any(name == b"cache-control" for name, _ in given):
                extra.append(_NO_STORE)
            message = {**message, "headers": [*given, *extra]}
        await self._send(message)

    async def refuse(self) -> None:
        """413 without reading; the connection is closed, since the body is still coming."""
        error = TooLarge(self.limit_bytes)
        problem = Problem(type=error.kind, code=error.code, message=str(error), request_id=self._request_id)
        body = Refusal(error=problem).model_dump_json().encode()
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _announced(scope: Scope) -> int:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    length: Any = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
