"""What had arrived over a connection that was lost is not handed out over the next one."""

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from lethe_common.bus.pull import Interrupted, Pull


async def test_who_is_interrupted_gets_nothing_more_however_much_has_arrived() -> None:
    client = Client()
    pull = Pull(client, "JOBS", "billing", batch=10)
    await pull._on_message(Msg(client, subject="jobs.generation.started.v1", data=b"{}"))
    pull.raise_if_interrupted()

    pull.interrupt()

    with pytest.raises(Interrupted):
        pull.raise_if_interrupted()
    with pytest.raises(Interrupted):
        await pull.batch()
