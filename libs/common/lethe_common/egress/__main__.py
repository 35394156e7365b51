"""The porter as a process: `python -m lethe_common.egress`. It alone has a way out; see docs/operate.md, Egress."""

import asyncio
import signal
from pathlib import Path

import structlog

from lethe_common import logging as logs
from lethe_common.clock import RealClock
from lethe_common.egress.declared import recipients_in_force, words
from lethe_common.egress.porter import Porter
from lethe_common.egress.ways import DirectWay
from lethe_common.policy import load_profile
from lethe_common.settings import Environment

log = structlog.get_logger()


class PorterSettings(Environment):
    """The same variables as the services'; no credentials among them."""

    profile: Path
    egress_socket: Path
    egress_private: str = ""
    log_level: str = "info"


async def main() -> None:
    """Carry until SIGTERM or SIGINT."""
    settings = PorterSettings()
    logs.configure("egress", settings.log_level)
    clock = RealClock()
    book = load_profile(settings.profile).book
    recipients = recipients_in_force(book, clock, words(settings.egress_private))
    porter = Porter(DirectWay(recipients, lambda: clock.now().date()), settings.egress_socket)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await porter.start()
    log.info("ready", policy_hash=book.governing(clock.now()).hash, count=len(recipients.hosts))
    await stopping.wait()
    await porter.stop()


if __name__ == "__main__":
    asyncio.run(main())
