"""What a service's adapter says when it sends something: which recipient, which purpose, which fields."""

import json
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urljoin

import httpx2
from pydantic import JsonValue, SecretStr

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.egress.limits import Limits
from lethe_common.egress.recipients import Passage, Recipients
from lethe_common.egress.refusals import EgressRefused, Reason, Refusals
from lethe_common.egress.ways import Bounded, Way

_EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "video/mp4": ".mp4"}
HEADERS = declare(
    Kind.HEADER,
    {
        "host": impersonal("a recipient's declared host"),
        "accept-encoding": impersonal("form of an answer"),
        "authorization": impersonal("the operator's own credential at a recipient"),
        **each(("content-type", "content-disposition"), impersonal("form of a body; files go by their field's name")),
    },
)
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True, repr=False)
class Attachment:
    """A file. It goes out under its field's name: what a person called it stays here."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Outbound:
    """One request. There is no way to say a query: what is said goes into `fields`, which the policy lists."""

    recipient: str
    purpose: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    url: str
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    attachments: Mapping[str, Attachment] = field(default_factory=dict)
    credential: SecretStr | None = None
    """Sent as `Authorization: Bearer`."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def passage(self) -> Passage:
        """The request as it will stand on the wire."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.credential is not None:
            headers["authorization"] = f"Bearer {self.credential.get_secret_value()}"
        body = b""
        if self.attachments:
            boundary = secrets.token_hex(16)
            headers["content-type"] = f"multipart/form-data; boundary={boundary}"
            body = _multipart(boundary, self.fields, self.attachments)
        elif self.fields:
            headers["content-type"] = "application/json"
            body = json.dumps(dict(self.fields)).encode()
        return Passage(self.recipient, self.purpose, self.method, self.url, headers, body)


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came back, read whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  the class of HTTP statuses

    def json(self) -> JsonValue:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        parsed: JsonValue = json.loads(self.content)
        return parsed


def _open(_recipient_id: str) -> Reason | None:
    return None


class Egress:
    """A service's only way to reach anybody outside. Every refusal is counted and remembered here.

    `closing` says why a recipient is closed at this moment, whatever the way behind thinks of it.
    """

    def __init__(
        self,
        recipients: Recipients,
        way: Way,
        refusals: Refusals,
        limits: Limits | None = None,
        closing: Callable[[str], Reason | None] = _open,
    ) -> None:
        self._recipients, self._way, self.refusals, self.limits = recipients, way, refusals, limits or Limits()
        self._closing = closing

    async def send(self, request: Outbound) -> Answer:
        """Send one request and read its answer whole. Redirects of a GET are followed, each checked like the first.

        Raises:
            EgressRefused: something about it may not go out, or its answer is too large.
            Unavailable: the recipient cannot be reached; whether it got the request is unknown.
        """
        passage = request.passage()
        for _ in range(self.limits.redirects + 1):
            response = await self.carry(passage)
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTS or location is None or request.method != "GET":
                return await self._read(passage, response)
            await response.aclose()
            passage = _redirected(passage, location)
        raise self._noted(EgressRefused(Reason.TOO_LARGE, request.recipient), request.purpose)

    async def carry(self, passage: Passage, answer_bytes: int | None = None) -> httpx2.Response:
        """Carry a passage; the answer's body is read by the caller, who closes it.

        Raises:
            EgressRefused, Unavailable: as `send`.
        """
        try:
            self.must_be_open(passage.recipient)
            response = await self._way.carry(passage)
        except EgressRefused as refused:
            raise self._noted(refused, passage.purpose) from None
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise self._noted(EgressRefused(Reason.BODY, passage.recipient), passage.purpose)
        most = self.limits.answer_bytes if answer_bytes is None else answer_bytes
        stream = Bounded(response, passage.recipient, most, self.limits.total_seconds)
        return httpx2.Response(response.status_code, headers=response.headers, stream=stream)

    async def tunnel(self, host: str, port: int) -> socket.socket:
        """A connection to a declared host, for a protocol of its own (SMTP).

        Raises:
            EgressRefused, Unavailable: as `send`.
        """
        declared = self._recipients.with_host(host)
        try:
            if declared is not None:
                self.must_be_open(declared.id)
            return await self._way.tunnel("undeclared" if declared is None else declared.id, host, port)
        except EgressRefused as refused:
            raise self._noted(refused, "") from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._way.close()

    def must_be_open(self, recipient_id: str) -> None:
        """See that a recipient may be given something now, by whatever way.

        Raises:
            EgressRefused: no contract with it stands, or it could not be heard whether one does.
        """
        reason = self._closing(recipient_id)
        if reason is not None:
            raise EgressRefused(reason, recipient_id)

    async def _read(self, passage: Passage, response: httpx2.Response) -> Answer:
        try:
            content = await response.aread()
        except EgressRefused as refused:
            raise self._noted(refused, passage.purpose) from None
        finally:
            with suppress(httpx2.TransportError):
                await response.aclose()
        return Answer(response.status_code, dict(response.headers), content)

    def _noted(self, refused: EgressRefused, purpose: str) -> EgressRefused:
        declared = self._recipients.of(refused.recipient)
        self.refusals.note(refused, purpose if declared is not None and purpose in declared.purposes else "")
        return refused


def _redirected(passage: Passage, location: str) -> Passage:
    """The next request. What proves who we are goes no further than to the host it was meant for."""
    url = urljoin(passage.url, location)
    before, after = httpx2.URL(passage.url), httpx2.URL(url)
    is_same = (before.scheme, before.host, before.port) == (after.scheme, after.host, after.port)
    headers = {name: value for name, value in passage.headers.items() if is_same or name != "authorization"}
    return Passage(passage.recipient, passage.purpose, passage.method, url, headers)


def _multipart(boundary: str, fields: Mapping[str, JsonValue], attachments: Mapping[str, Attachment]) -> bytes:
    parts: list[bytes] = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts.append(f"{head}{text}\r\n".encode())
    for name, file in attachments.items():
        file_name = f"{name}{_EXTENSIONS.get(file.media_type, '')}"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(f"{head}Content-Type: {file.media_type}\r\n\r\n".encode() + file.content + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])
