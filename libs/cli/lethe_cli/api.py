"""Speaking to a running Lethe over HTTP, as the commands need it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from lethe_cli.errors import ApiRefused, NotReached
from lethe_common.catalogue import Kind, declare, held

_TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
_CHUNK_BYTES = 1024**2
Answer = dict[str, Any]
HEADERS = declare(Kind.HEADER, {"Authorization": held("identity.credentials", is_sealed=False)})


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is and with which key; for operators the console and its token. `variable` is what names another."""

    url: str
    api_key: str | None = None
    variable: str = "LETHE_URL"


class Api:
    """One client of the public API or of the operator console."""

    def __init__(self, address: Address) -> None:
        headers = {"Authorization": f"Bearer {address.api_key}"} if address.api_key else {}
        # Certificate authorities are read for an address that needs them, and take longer than many a command.
        has_tls = urlsplit(address.url).scheme == "https"
        self._http = httpx2.Client(
            base_url=address.url, headers=headers, timeout=_TIMEOUT, trust_env=False, verify=has_tls
        )
        self._url, self._variable = address.url, address.variable

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Answer:
        """An answer's JSON. Raises what `send` raises."""
        return self.send("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """An answer's JSON. Raises what `send` raises."""
        return self.send("POST", path, json=body or {})

    def delete(self, path: str) -> Answer:
        """An answer's JSON. Raises what `send` raises."""
        return self.send("DELETE", path)

    def send(self, method: str, path: str, **arguments: Any) -> Answer:
        """Send a request and read its JSON.

        Raises:
            NotReached: nobody answers at this address.
            ApiRefused: the service said no; its own sentence is passed on.
        """
        return _checked(self._reply(method, path, **arguments))

    def text(self, path: str) -> str:
        """An answer's plain text. Raises what `send` raises."""
        reply = self._reply("GET", path)
        _checked(reply)
        return reply.text

    def events(self, path: str) -> Iterator[tuple[str, Answer]]:
        """Server-sent events as (name, JSON), until the server ends the stream. Raises what `send` raises."""
        with self._streamed("GET", path, timeout=httpx2.Timeout(60.0, connect=5.0)) as reply:
            name = "message"
            for line in reply.iter_lines():
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    yield name, json.loads(line[5:])
                    name = "message"

    def download(
        self,
        path: str,
        file: Path,
        came: Callable[[int], None] = lambda _count: None,
        *,
        body: Mapping[str, object] | None = None,
        mode: int = 0o666,
    ) -> int:
        """Stream an answer's body into a file, which is there when it is whole; it is posted for with a body.

        Returns its bytes; `came` hears how many came at a time. Raises what `send` raises.
        """
        part, total = file.with_name(f"{file.name}.part"), 0
        # A kill may have left one, readable by others than this one is to be.
        part.unlink(missing_ok=True)
        method = "GET" if body is None else "POST"
        try:
            part.touch(mode)
            with self._streamed(method, path, json=body) as reply, part.open("wb") as target:
                for chunk in reply.iter_bytes(_CHUNK_BYTES):
                    total += target.write(chunk)
                    came(len(chunk))
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return total

    def _reply(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        with self._reached():
            return self._http.request(method, path, **arguments)

    @contextmanager
    def _streamed(self, method: str, path: str, **arguments: Any) -> Iterator[httpx2.Response]:
        with self._reached(), self._http.stream(method, path, **arguments) as reply:
            if reply.is_error:
                reply.read()
                _checked(reply)
            yield reply

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx2.ConnectError as error:
            raise NotReached(
                f"Nothing answers at {self._url}. Start it with `lethe up`, or set {self._variable}."
            ) from error
        except httpx2.TransportError as error:
            raise NotReached(f"{self._url} broke off, or took too long. Try again.") from error


def _checked(reply: httpx2.Response) -> Answer:
    try:
        is_json = reply.headers.get("content-type", "").startswith("application/json")
        body: Answer = reply.json() if is_json else {}
    except ValueError:
        body = {}
    if reply.is_error:
        error = body.get("error", {})
        said = str(error.get("message") or f"The service answered {reply.status_code}.")
        raise ApiRefused(reply.status_code, said, str(error.get("code") or ""))
    return body
