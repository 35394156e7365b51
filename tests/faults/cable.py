"""A cable between the services and the NATS server that can be pulled for one of them, as a network partition does."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lethe_cli.local.folder import DataFolder
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.runtime import Runtime
from lethe_common.services import Service
from tests.faults.stage import QUICK, fault_profile
from tests.servers import temporary_data_folder
from tests.suite import RunningSuite, running_suite

_CHUNK_BYTES = 64 * 1024
_CONNECT = b"CONNECT "


@dataclass(eq=False, slots=True)
class Strand:
    """One connection through the cable, and whose it is."""

    service: Service
    client: socket.socket
    server: socket.socket

    def cut(self) -> None:
        """End it on both sides; closing alone would tell nobody while another thread reads."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Cable:
    """Where services find the server: `--set NATS_URL=<url>`. The server is looked up in the data folder's runtime file."""

    data: Path
    url: str
    _strands: set[Strand] = field(default_factory=set)
    _cut_off: set[Service] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strands(self, service: Service) -> set[Strand]:
        """The connections that a service has now, all its processes together."""
        with self._lock:
            return {strand for strand in self._strands if strand.service is service}

    @contextmanager
    def cut(self, service: Service, spared: frozenset[Strand] = frozenset()) -> Iterator[None]:
        """While inside, this service has no connection and gets none; those spared go on, should they be another process's."""
        with self._lock:
            self._cut_off.add(service)
            lost = {strand for strand in self._strands if strand.service is service} - spared
        for strand in lost:
            strand.cut()
        try:
            yield
        finally:
            with self._lock:
                self._cut_off.discard(service)

    def carry(self, client: socket.socket) -> None:
        """Carry one connection to its end. The server speaks first, then the client says who it is."""
        target = urlsplit(Runtime.model_validate_json(DataFolder(self.data).runtime.read_bytes()).nats_url)
        with client, contextlib.suppress(OSError), socket.create_connection((target.hostname, target.port)) as server:
            # Unbuffered: what is read ahead here would be missing from what is passed on.
            client.sendall(_line(server.makefile("rb", buffering=0)))
            said = _line(client.makefile("rb", buffering=0))
            strand = Strand(_speaker(said), client, server)
            with self._lock:
                if strand.service in self._cut_off:
                    return
                self._strands.add(strand)
            try:
                server.sendall(said)
                threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                _pump(server, client)
            finally:
                with self._lock:
                    self._strands.discard(strand)
                strand.cut()


@contextmanager
def cable_for(data: Path) -> Iterator[Cable]:
    """A cable for the suite that is about to start on this data folder."""
    listener = socket.create_server((LOOPBACK, 0))
    cable = Cable(data, f"nats://{LOOPBACK}:{listener.getsockname()[1]}")
    threading.Thread(target=_accept, args=(listener, cable), daemon=True).start()
    try:
        yield cable
    finally:
        listener.close()


@contextmanager
def cabled_suite(
    settings: Mapping[str, str], *arguments: str, policy: tuple[str, str] = ("", "")
) -> Iterator[tuple[RunningSuite, Cable]]:
    """A suite to break whose services reach the NATS server through a cable; as `fault_suite` otherwise.

    `settings` go over `QUICK`, `arguments` to `lethe up`; `policy`: a text of the published policy, and what stands there instead.
    """
    with fault_profile() as profile, temporary_data_folder() as data, cable_for(data) as cable:
        file = profile / "policy.yaml"
        assert policy[0] in file.read_text()
        file.write_text(file.read_text().replace(*policy))
        given = {**QUICK, "NATS_URL": cable.url, **settings}
        with running_suite(data, "--profile", str(profile), *arguments, settings=given) as running:
            yield running, cable


def _accept(listener: socket.socket, cable: Cable) -> None:
    with contextlib.suppress(OSError):  # closed: the test is over
        while True:
            client, _ = listener.accept()
            threading.Thread(target=cable.carry, args=(client,), daemon=True).start()


def _line(stream: socket.SocketIO) -> bytes:
    line: bytes = stream.readline()
    if not line:
        raise ConnectionResetError
    return line


def _speaker(said: bytes) -> Service:
    """Whose login a client's first line has (https://docs.nats.io/reference/reference-protocols/nats-protocol)."""
    assert said.startswith(_CONNECT), said[: len(_CONNECT)]
    return Service(json.loads(said.removeprefix(_CONNECT))["user"])


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
