"""Operators' commands find the console that they are told of, else that of the suite on the data folder."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lethe_cli.__main__ import build
from lethe_cli.errors import KeyMissing, NotReached, NotRunning
from lethe_cli.local.ports import free_ports

COMMANDS = ("holds list", "requests list", "registers processors list", "parked list", "statistics", "calendar --all")


@contextmanager
def console(asked: list[tuple[str, str]]) -> Iterator[str]:
    """Answers everything with nothing; what it was asked, and with which token."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path.partition("?")[0], self.headers["Authorization"]))
            self.send_response(404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(command: str, data: Path, **environment: str) -> BaseException | None:
    known = {"LETHE_CONSOLE_URL": "", "LETHE_OPERATOR_TOKEN": "", "LETHE_OPERATOR": "A. Clerk"}
    return CliRunner().invoke(build(), [*command.split(), "--data", str(data)], env=known | environment).exception


@pytest.mark.parametrize("command", COMMANDS)
def test_the_console_that_is_named_is_asked_with_the_token_that_is_given(command: str, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []
    with console(asked) as url:
        run(command, tmp_path, LETHE_CONSOLE_URL=url, LETHE_OPERATOR_TOKEN="a-token")

    assert [path for path, _ in asked if path.startswith("/api/")]
    assert {token for _, token in asked} == {"Bearer a-token"}


def test_the_token_of_a_data_folder_is_sent_to_its_own_console_only(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"operator_token": "its-own"}))
    asked: list[tuple[str, str]] = []
    with console(asked) as url:
        assert isinstance(run("parked list", tmp_path, LETHE_CONSOLE_URL=url), KeyMissing)
        (tmp_path / "runtime.json").write_text(json.dumps({"console_url": url}))
        run("parked list", tmp_path)

    assert {token for _, token in asked} == {"Bearer its-own"}


def test_who_reaches_no_console_hears_how_to_name_one(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    unreached = run("parked list", tmp_path, LETHE_CONSOLE_URL=nowhere, LETHE_OPERATOR_TOKEN="a-token")
    unknown = run("parked list", tmp_path)

    assert isinstance(unreached, NotReached)
    assert isinstance(unknown, NotRunning)
    assert all("LETHE_CONSOLE_URL" in str(said) for said in (unreached, unknown))
