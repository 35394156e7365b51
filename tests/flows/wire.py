"""A plain TCP relay in front of the gateway, which may lose an answer, as networks do."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lethe_common.clock import monotonic_seconds

_CHUNK_BYTES = 64 * 1024
_UPSTREAM_SECONDS = 40.0
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Wire:
    """Where clients connect, and what happened so far."""

    url: str
    connections: int = 0
    answers_lost: int = 0
    lose_next_answer: Callable[[], None] | None = None
    """Called with an answer's first bytes in hand, which are then thrown away; once."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take_trap(self) -> Callable[[], None] | None:
        with self._lock:
            trap, self.lose_next_answer = self.lose_next_answer, None
            return trap


@contextlib.contextmanager
def wire_to(url: str) -> Iterator[Wire]:
    """Relay connections to `url`; one that finds nobody there waits, as it would at a load balancer."""
    target = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
    address = (str(target.hostname), int(target.port or 80))
    threading.Thread(target=_accept, args=(listener, wire, address), daemon=True).start()
    try:
        yield wire
    finally:
        listener.close()


def _accept(listener: socket.socket, wire: Wire, address: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # closed: the test is over
        while True:
            client, _ = listener.accept()
            wire.connections += 1
            threading.Thread(target=_relay, args=(client, wire, address), daemon=True).start()


def _relay(client: socket.socket, wire: Wire, address: tuple[str, int]) -> None:
    with client, contextlib.suppress(OSError), _connected(address) as upstream:
        threading.Thread(target=_pump, args=(client, upstream), daemon=True).start()
        try:
            while data := upstream.recv(_CHUNK_BYTES):
                trap = wire.take_trap()
                if trap is not None:
                    trap()
                    wire.answers_lost += 1
                    return
                client.sendall(data)
        finally:
            # Closing alone tells nobody while the other thread still reads from it.
            client.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _connected(address: tuple[str, int]) -> socket.socket:
    give_up_at = monotonic_seconds() + _UPSTREAM_SECONDS
    while True:
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            if monotonic_seconds() > give_up_at:
                raise
            time.sleep(_LOOK_SECONDS)
