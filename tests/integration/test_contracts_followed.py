"""The register of contracts as a process follows it on a real bus, and what becomes of it when the bus is away."""

import asyncio

from lethe_common.egress.contracts import Contracts
from lethe_common.egress.refusals import Reason
from lethe_common.register import Register
from lethe_common.rpc.processors import ProcessorContracts
from lethe_common.services import Service
from tests.hand_clock import HandClock
from tests.integration.members import members, until
from tests.integration.nothing_recorded import NOTHING_RECORDED
from tests.servers import RunningServers
from tests.unit.common.policy_files import shipped


async def test_who_is_cut_off_sends_nothing_after_a_while_until_the_register_is_heard_again(
    servers: RunningServers,
) -> None:
    async with members(servers, Service.JOBS, Service.PRIVACY) as seats:
        await seats[Service.PRIVACY].bus.answer({ProcessorContracts: NOTHING_RECORDED[ProcessorContracts]}, "0.1.0")
        contracts = Contracts(shipped("aisora2").book, HandClock(), counts_seconds=1.0)
        register = Register(seats[Service.JOBS].bus, contracts, every_seconds=0.05)

        async def is_open() -> bool:
            return contracts.closing("mail") is None

        async def is_unheard() -> bool:
            return contracts.closing("mail") is Reason.UNHEARD

        await register.catch_up()
        assert await is_open()
        seats[Service.JOBS].work(register.follow)
        await asyncio.to_thread(servers.stop, "nats")
        await until(is_unheard)
        await asyncio.to_thread(servers.start, "nats")
        await until(is_open)
