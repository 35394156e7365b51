"""Crash points: places between two effects where a process may be killed, each with a name.

A test arms one by a file of its name in `CRASH_FOLDER`, which only a suite on a
virtual clock may have; the process that gets there first takes the file away and
kills itself, as a power cut would. Where no folder is set, reaching a point does
nothing.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lethe_common.errors import ConfigurationError
from lethe_common.services import Service

EVERYWHERE: Final = tuple(Service)

_points: "dict[str, CrashPoint]" = {}


class _Armed:
    """Which process this is, and where what is to kill it is said."""

    folder: Path | None = None
    service: Service | None = None


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One place in the code of one service, or in the frame of each."""

    name: str
    services: tuple[Service, ...]

    @property
    def marks(self) -> tuple[str, ...]:
        """The names of the files that arm it, one per service."""
        return tuple(f"{service}.{self.name}" for service in self.services)

    def reached(self) -> None:
        """Die here, if this was asked for."""
        if _Armed.folder is None:
            return
        try:
            (_Armed.folder / f"{_Armed.service}.{self.name}").unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def point(name: str, *services: Service) -> CrashPoint:
    """Declare a crash point, once, where it is reached; without services it is one of the frame."""
    if name in _points:
        raise ValueError(f"there are two crash points {name}")
    made = _points[name] = CrashPoint(name, services or EVERYWHERE)
    return made


def registry() -> tuple[CrashPoint, ...]:
    """All points of the modules imported so far."""
    return tuple(_points.values())


def arm(folder: Path | None, service: Service, *, is_virtual: bool) -> None:
    """From now on this process looks into the folder at each of its points.

    Raises:
        ConfigurationError: there is a folder, and the clock is real.
    """
    if folder is not None and not is_virtual:
        raise ConfigurationError("CRASH_FOLDER kills processes: it is for a suite on a virtual clock. Take it away.")
    _Armed.folder, _Armed.service = folder, service
