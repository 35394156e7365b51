"""One readable log: every program's lines in a file of its own for each day, and what matters on the terminal behind its name.

A day's files go whole when their time is over, see `logdays`.
"""

import contextlib
import json
import re
import sys
from collections import deque
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from lethe_common.clock import wall

_FILE_BYTES = 16 * 1024**2
_TAIL_LINES = 20
_OWN_NAME = "lethe"
_STYLES = {
    "lethe": "bold", "gateway": "cyan", "jobs": "green", "billing": "yellow", "retention": "magenta",
    "privacy": "blue", "postgres": "dim", "nats": "dim", "s3": "dim",
}  # fmt: skip
_DAY_OF = re.compile(r".+-(\d{4}-\d{2}-\d{2})\.log(\.1)?")
_QUIET_KEYS = frozenset({"event", "level", "timestamp", "service"})


class Logbook:
    """Writes `<folder>/<program>-<day>.log`, at most two files of 16 MiB each a day, and the terminal.

    `now` is policy time. A program that talks a lot shows on the terminal only when `is_verbose`.
    What no file takes, as on a full disk, is counted and shown all the same: whoever wrote it must not wait for room.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime], *, is_verbose: bool = False) -> None:
        self._folder, self._now, self._is_verbose = folder, now, is_verbose
        self._files: dict[str, tuple[date, IO[bytes]]] = {}
        self._tails: dict[str, deque[str]] = {}
        self._lost_lines = 0
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)

    def line(self, name: str, line: bytes, *, is_chatty: bool) -> None:
        """One line that a program wrote."""
        text = line.decode(errors="replace").rstrip()
        self._keep(name, text)
        if self._is_verbose or not is_chatty:
            self._show(name, _readable(text))

    def say(self, text: str) -> None:
        """A line of the runner itself."""
        self._keep(_OWN_NAME, f"{wall().isoformat(timespec='milliseconds')} {text}")
        self._show(_OWN_NAME, text)

    def tail(self, name: str) -> list[str]:
        """A program's last lines, for when it does not come up."""
        return list(self._tails.get(name, ()))

    def close(self) -> None:
        for name in list(self._files):
            self._leave(name)

    def drop_before(self, day: date) -> int:
        """Remove the files of all days before this one; how many they were."""
        over = [file for file in self._folder.iterdir() if (found := _day(file)) is not None and found < day]
        for file in over:
            file.unlink(missing_ok=True)
        return len(over)

    def _keep(self, name: str, text: str) -> None:
        self._tails.setdefault(name, deque(maxlen=_TAIL_LINES)).append(text)
        try:
            self._write(name, text)
        except OSError as error:
            self._leave(name)
            self._lost_lines += 1
            if self._lost_lines == 1:
                self._show(_OWN_NAME, f"the log cannot be written: {error.strerror}")
            return
        if self._lost_lines:
            lost, self._lost_lines = self._lost_lines, 0
            self.say(f"{lost} lines are missing in the log, which could not be written")

    def _write(self, name: str, text: str) -> None:
        today = self._now().date()
        day, file = self._files.get(name, (None, None))
        if file is None or day != today or file.tell() > _FILE_BYTES:
            file = self._turn(name, today)
        file.write(text.encode() + b"\n")
        file.flush()

    def _leave(self, name: str) -> None:
        _, file = self._files.pop(name, (None, None))
        if file is not None:
            with contextlib.suppress(OSError):  # what it still held was counted as lost
                file.close()

    def _turn(self, name: str, today: date) -> IO[bytes]:
        self._leave(name)
        path = self._folder / f"{name}-{today}.log"
        if path.exists() and path.stat().st_size > _FILE_BYTES:
            path.replace(path.with_suffix(".log.1"))
        file = path.open("ab")
        path.chmod(0o600)
        self._files[name] = today, file
        return file

    def _show(self, name: str, text: str) -> None:
        try:
            self._console.print(Text(f"{name:<9} ", style=_STYLES.get(name, "")).append(text, style="default"))
        except (BrokenPipeError, ValueError):
            # Whoever read our output has left; the files go on.
            self._console.quiet = True
        except OSError:
            return  # our output goes to a full disk, say; the next line may find room


def _day(file: Path) -> date | None:
    found = _DAY_OF.fullmatch(file.name)
    return None if found is None else date.fromisoformat(found[1])


def _readable(text: str) -> str:
    """A service's JSON line as a person reads it; any other line as it is."""
    if not text.startswith("{"):
        return text
    try:
        entry: dict[str, Any] = json.loads(text)
    except ValueError:
        return text
    level = entry.get("level", "info")
    mark = "" if level in ("info", "debug") else f"{str(level).upper()} "
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _QUIET_KEYS)
    return f"{str(entry.get('timestamp', ''))[11:19]} {mark}{entry.get('event', '')} {rest}".strip()
