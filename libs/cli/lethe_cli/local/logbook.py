"""One readable log: every program's lines in its own file, and what matters on the terminal behind its name."""

import json
import sys
from collections import deque
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
_QUIET_KEYS = frozenset({"event", "level", "timestamp", "service"})


class Logbook:
    """Writes `<folder>/<program>.log`, at most two files of 16 MiB each, and the terminal.

    A program that talks a lot shows on the terminal only when `is_verbose`.
    """

    def __init__(self, folder: Path, *, is_verbose: bool = False) -> None:
        self._folder, self._is_verbose = folder, is_verbose
        self._files: dict[str, IO[bytes]] = {}
        self._tails: dict[str, deque[str]] = {}
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
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _keep(self, name: str, text: str) -> None:
        self._tails.setdefault(name, deque(maxlen=_TAIL_LINES)).append(text)
        file = self._files.get(name)
        if file is None or file.tell() > _FILE_BYTES:
            file = self._turn(name)
        file.write(text.encode() + b"\n")
        file.flush()

    def _turn(self, name: str) -> IO[bytes]:
        if (open_file := self._files.pop(name, None)) is not None:
            open_file.close()
        path = self._folder / f"{name}.log"
        if path.exists() and path.stat().st_size > _FILE_BYTES:
            path.replace(path.with_suffix(".log.1"))
        self._files[name] = path.open("ab")
        path.chmod(0o600)
        return self._files[name]

    def _show(self, name: str, text: str) -> None:
        try:
            self._console.print(Text(f"{name:<9} ", style=_STYLES.get(name, "")).append(text, style="default"))
        except (BrokenPipeError, ValueError):
            # Whoever read our output has left; the files go on.
            self._console.quiet = True


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
