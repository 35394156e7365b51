"""The control socket: operators and tests look at, stop, start and kill single programs of a running suite.

JSON lines over `<data>/control.sock`: `{"command": "stop", "name": "billing"}` is
answered with `{"is_done": true, "programs": [...]}` or with an error.
"""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Literal, Self, cast

from pydantic import BaseModel, ValidationError

from lethe_cli.errors import CommandError, NotRunning, NotStarted
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.supervisor import Keeper, State, Supervisor
from lethe_common.catalogue import Kind, declare, impersonal

_PATH_BYTES_MOST = 100  # a Unix socket's path may have 107 bytes on Linux, 103 on macOS
_ANSWER_SECONDS = 120.0
_SHORT = "lethe-control-"
TEMPORARY_FILES = declare(Kind.TEMPORARY_FILE, {f"{_SHORT}*": impersonal("a socket: it holds no bytes")})

Verb = Literal["status", "stop", "start", "restart", "kill"]


class Question(BaseModel):
    """One line to the socket."""

    command: Verb
    name: str | None = None


class ProgramStatus(BaseModel):
    """How one program is."""

    name: str
    state: State
    pid: int | None
    restarts: int


class Answer(BaseModel):
    """One line back."""

    is_done: bool
    error: str | None = None
    programs: list[ProgramStatus] = []


class ControlSocket:
    """Serves the socket; use as an async context manager."""

    def __init__(self, folder: DataFolder, supervisor: Supervisor) -> None:
        self._link, self._supervisor = folder.control, supervisor
        self._short: tempfile.TemporaryDirectory[str] | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._link.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._link.unlink(missing_ok=True)
        if self._short is not None:
            self._short.cleanup()

    def _path(self) -> str:
        """The socket's place; where the folder's path is too long, a short one with a link to it."""
        path = str(self._link.absolute())
        if len(path.encode()) <= _PATH_BYTES_MOST:
            return path
        self._short = tempfile.TemporaryDirectory(prefix=_SHORT, dir="/tmp")
        short = Path(self._short.name) / "control.sock"
        self._link.symlink_to(short)
        return str(short)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                answer = await self._answer(line)
                writer.write(answer.model_dump_json().encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            question = Question.model_validate_json(line)
            await self._do(question)
        except ValidationError:
            return Answer(is_done=False, error="Not a command: status, stop, start, restart or kill, and a name.")
        except CommandError as error:
            return Answer(is_done=False, error=str(error))
        programs = [ProgramStatus(**asdict(report)) for report in self._supervisor.reports()]
        return Answer(is_done=True, programs=programs)

    async def _do(self, question: Question) -> None:
        if question.command == "status":
            return
        keeper = self._supervisor.keeper(question.name or "")
        if keeper is None:
            names = ", ".join(report.name for report in self._supervisor.reports())
            raise NotStarted(f"There is no such program here. There are: {names}.")
        await _act(keeper, question.command)


async def _act(keeper: Keeper, command: Verb) -> None:
    if command == "kill":
        await keeper.kill()
    if command in ("stop", "restart"):
        await keeper.stop()
    if command in ("start", "restart"):
        await keeper.start()


def ask(data: Path, command: Verb, name: str | None = None) -> list[ProgramStatus]:
    """Send one command to the suite on a data folder and answer how its programs are afterwards.

    Raises:
        NotRunning: nothing answers there.
        CommandError: the suite refused; says why.
    """
    with _connected(DataFolder(data).control) as stream:
        stream.write(Question(command=command, name=name).model_dump_json().encode() + b"\n")
        stream.flush()
        line = stream.readline()
    if not line:
        raise NotRunning(f"The suite on {data} ended while it was asked.")
    answer = Answer.model_validate_json(line)
    if not answer.is_done:
        raise CommandError(answer.error or "The suite refused.")
    return answer.programs


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[BinaryIO]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(str(path.resolve()))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(
                f"Nothing runs on {path.parent}. Start it with `lethe up`, or name its folder with --data."
            ) from error
        with connection.makefile("rwb") as stream:
            yield cast("BinaryIO", stream)
