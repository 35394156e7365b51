"""A connection that breaks is told in a sentence, and leaves nothing that looks like a whole file."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lethe_cli.api import Address, Api
from lethe_cli.errors import NotReached

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def cutting(kind: bytes, body: bytes) -> Iterator[str]:
    """The address of a server that begins each answer and does not end it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with closing(connection):
                connection.recv(65536)
                connection.sendall(_HEAD % kind + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def test_a_download_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"an older clip")

    with (
        cutting(b"video/mp4", b"a part") as url,
        Api(Address(url)) as client,
        pytest.raises(NotReached, match="broke off"),
    ):
        client.download("/clip", file)

    assert file.read_bytes() == b"an older clip"
    assert list(tmp_path.iterdir()) == [file]


def test_events_that_break_off_are_told_up_to_there() -> None:
    seen: list[tuple[str, object]] = []

    def follow(client: Api) -> None:
        for one in client.events("/events"):
            seen.append(one)  # noqa: PERF402  what came before the break counts

    with (
        cutting(b"text/event-stream", b'event: progress\ndata: {"progress": 5}\n\n') as url,
        Api(Address(url)) as client,
        pytest.raises(NotReached, match="broke off"),
    ):
        follow(client)

    assert seen == [("progress", {"progress": 5})]


def test_where_nobody_listens_it_is_said_how_to_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

    with Api(Address(url)) as client, pytest.raises(NotReached, match="lethe up"):
        client.get("/")
