"""The object store as it is to all but one service, which is shown none of the objects that are hidden from it.

Services reach it by HTTP through this: `--set S3_ENDPOINT=<address>`. Whoever removes what a listing shows removes
nothing of these and hears of no failure; everybody else sees that they are there.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lethe_cli.local.folder import DataFolder
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.runtime import Runtime
from lethe_cli.local.secrets import Secrets
from lethe_common.services import Service
from tests.servers import temporary_data_folder
from tests.suite import RunningSuite, running_suite

# Of an answer to ListObjectVersions (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html).
_VERSION = re.compile(rb"<Version>.*?</Version>", re.DOTALL)
_GIVE_UP_SECONDS = 30


@dataclass(slots=True)
class HidingStore:
    """Where services find the store. The store itself is looked up in the data folder's files."""

    data: Path
    service: Service
    """From whom objects are hidden."""
    endpoint: str = ""
    hidden: str = ""
    """A part of the names of the objects that are hidden; nothing is while it is empty."""
    hid: int = 0
    """How many objects were left out of answers."""

    def shown(self, authorization: str, body: bytes) -> bytes:
        """An answer without what is hidden from whoever signed the request."""
        if not self.hidden or f"Credential={self._access_key()}/" not in authorization:
            return body
        kept = _VERSION.sub(lambda version: b"" if self.hidden.encode() in version[0] else version[0], body)
        self.hid += len(_VERSION.findall(body)) - len(_VERSION.findall(kept))
        return kept

    def target(self) -> str:
        """Where the store listens."""
        return Runtime.model_validate_json(DataFolder(self.data).runtime.read_bytes()).s3_endpoint

    def _access_key(self) -> str:
        secrets = Secrets.model_validate_json(DataFolder(self.data).secrets.read_bytes())
        return secrets.s3[self.service.value].access_key


@contextmanager
def hiding_suite(service: Service, *arguments: str, **settings: str) -> Iterator[tuple[RunningSuite, HidingStore]]:
    """A suite whose services reach the object store through one that can hide objects from this service."""
    with temporary_data_folder() as data, _serving(HidingStore(data, service)) as store:
        given = {**settings, "S3_ENDPOINT": store.endpoint}
        with running_suite(data, *arguments, settings=given) as running:
            yield running, store


@contextmanager
def _serving(store: HidingStore) -> Iterator[HidingStore]:
    server = ThreadingHTTPServer((LOOPBACK, 0), _handler(store))
    store.endpoint = f"{LOOPBACK}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(store: HidingStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Passes a request on as it is: its signature covers the host that the client named."""

        def pass_on(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = HTTPConnection(store.target(), timeout=_GIVE_UP_SECONDS)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(sent or None)
                self._answer(connection.getresponse())
            finally:
                connection.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815  the library calls a method by these names

        def _answer(self, answer: HTTPResponse) -> None:
            whole = answer.read()
            body = store.shown(self.headers.get("Authorization", ""), whole) if b"<Version>" in whole else whole
            # To HEAD, the length is of what is not sent.
            length = str(len(body)) if self.command != "HEAD" else answer.headers.get("Content-Length", "0")
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_parts: object) -> None:
            pass

    return Handler
