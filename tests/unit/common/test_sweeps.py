"""A round of sweeps: each has its turn, whatever becomes of the others."""

import asyncio
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from lethe_common.clock import Sweep
from lethe_common.sweeps import in_order, sweep_all

NOW = datetime(2027, 1, 1, tzinfo=UTC)


class KeyIsWrong(Exception):
    """What a sweep may raise."""


class DatabaseIsAway(Exception):
    """What another one may raise."""


class Round:
    """Sweeps that note that they ran."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, datetime]] = []

    def sweep(self, name: str, error: BaseException | None = None) -> Sweep:
        async def sweep(now: datetime) -> None:
            self.ran.append((name, now))
            if error is not None:
                raise error

        sweep.__qualname__ = name
        return sweep


async def test_a_sweep_that_fails_keeps_none_behind_it_from_running_and_its_error_is_told() -> None:
    one = Round()
    sweeps = [one.sweep("rotation", KeyIsWrong()), one.sweep("requests"), one.sweep("breaches", DatabaseIsAway())]

    with capture_logs() as logs, pytest.raises(KeyIsWrong):
        await sweep_all([*sweeps, one.sweep("finals")], NOW)

    assert one.ran == [(name, NOW) for name in ("rotation", "requests", "breaches", "finals")]
    assert [(line["sweep"], line["error"]) for line in logs] == [
        ("rotation", "KeyIsWrong"),
        ("breaches", "DatabaseIsAway"),
    ]


async def test_a_round_that_is_cancelled_ends_at_once() -> None:
    one = Round()

    with pytest.raises(asyncio.CancelledError):
        await sweep_all([one.sweep("cancelled", asyncio.CancelledError()), one.sweep("behind")], NOW)

    assert one.ran == [("cancelled", NOW)]


async def test_what_goes_in_order_ends_where_one_fails() -> None:
    one = Round()
    ordered = in_order(one.sweep("versions"), one.sweep("due", KeyIsWrong()), one.sweep("settled"))

    with pytest.raises(KeyIsWrong):
        await sweep_all([ordered, one.sweep("apart")], NOW)

    assert one.ran == [("versions", NOW), ("due", NOW), ("apart", NOW)]
