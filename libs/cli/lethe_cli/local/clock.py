"""Moving the virtual clock of a running suite, and waiting until every process has done what was due."""

import time
from datetime import datetime, timedelta
from pathlib import Path

from isodate import Duration, ISO8601Error, parse_duration

from lethe_cli.errors import ClockRefused
from lethe_cli.local import runtime
from lethe_cli.local.control import ask
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.supervisor import State
from lethe_common.clock import acknowledgements, advance_virtual, monotonic_seconds, read_virtual

_LOOK_FIRST_SECONDS, _LOOK_MOST_SECONDS = 0.01, 0.2


def now(data: Path) -> datetime:
    """Policy time of the running suite, as its virtual clock shows it.

    Raises:
        ClockRefused: its clock is real.
    """
    return read_virtual(_clock_file(data))[0]


def step(text: str, start: datetime) -> timedelta:
    """An ISO 8601 duration as the time it takes from `start`; months and years have no length of their own.

    Raises:
        ClockRefused: it is no duration, or not forward.
    """
    try:
        parsed: timedelta | Duration = parse_duration(text)
    except (ISO8601Error, ValueError, TypeError) as error:
        raise ClockRefused("Not an ISO 8601 duration. Write P7D for seven days, PT1H for an hour.") from error
    by = (start + parsed) - start
    if by <= timedelta(0):
        raise ClockRefused("Policy time only goes forward.")
    return by


def advance(data: Path, duration: str, timeout_seconds: float = 120.0) -> datetime:
    """Move policy time and return it when every running service has acknowledged.

    Raises:
        ClockRefused: the clock is real, the duration is not forward, or somebody is late; says who.
    """
    file = _clock_file(data)
    number = advance_virtual(file, step(duration, read_virtual(file)[0]))
    give_up_at = monotonic_seconds() + timeout_seconds
    look_seconds = _LOOK_FIRST_SECONDS
    while late := _late(data, file, number):
        if monotonic_seconds() > give_up_at:
            raise ClockRefused(
                f"The clock was moved, but {', '.join(late)} did not finish what was due within "
                f"{timeout_seconds:.0f} s. See the logs in {data / 'logs'}."
            )
        time.sleep(look_seconds)
        look_seconds = min(look_seconds * 1.5, _LOOK_MOST_SECONDS)
    return read_virtual(file)[0]


def _late(data: Path, file: Path, number: int) -> list[str]:
    """The services that have not acknowledged this step. One that was stopped on purpose is not waited for."""
    wanted = set(runtime.read(DataFolder(data)).services)
    missing = [name for name in sorted(wanted) if _acknowledged(file, name) < number]
    if not missing:
        return []
    stopped = {program.name for program in ask(data, "status") if program.state is State.STOPPED}
    return [name for name in missing if name not in stopped]


def _acknowledged(file: Path, name: str) -> int:
    try:
        return int((acknowledgements(file) / name).read_text())
    except FileNotFoundError:
        return -1


def _clock_file(data: Path) -> Path:
    if runtime.read(DataFolder(data)).clock != "virtual":
        raise ClockRefused("This suite runs on real time. Start it with `lethe up --virtual-clock` to move its clock.")
    return DataFolder(data).clock
