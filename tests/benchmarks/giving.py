"""Gives everybody the same key at once, in place of the privacy service: no store, no gate, no consent, nothing kept.

    python -m tests.benchmarks.giving        with the privacy service's NATS_URL, NATS_USER and NATS_PASSWORD

What is left of sealing and gating is that two questions travel for each submission.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from pydantic import SecretStr

from lethe_common.bus import connection
from lethe_common.bus.requests import Answer, Responder
from lethe_common.identifiers import SealKeyId
from lethe_common.rpc.envelope import Call
from lethe_common.rpc.privacy import (
    ItemKey,
    KeyDestroy,
    KeyDestroyAnswer,
    KeyDestroyQuestion,
    KeyIssue,
    KeyIssueQuestion,
    KeyLease,
    KeyLeaseQuestion,
    KeysAnswer,
    KeyWish,
    LeaseWish,
)
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from tests.servers import dies_with_parent
from tests.suite import RunningSuite

_KEY_ID, _KEY = SealKeyId.new(), b"\0" * 32
_READY = "ready"


@contextmanager
def giving(suite: RunningSuite) -> Iterator[None]:
    """The suite without its privacy service, which is back afterwards."""
    suite.stop(Service.PRIVACY)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.giving"],
        env={**os.environ, **suite.environment(Service.PRIVACY)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dies_with_parent(),  # noqa: PLW1509  calls nothing but prctl
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == _READY
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
        suite.start(Service.PRIVACY)


async def _give() -> None:
    password = SecretStr(os.environ["LETHE_NATS_PASSWORD"])
    login = connection.Login(os.environ["LETHE_NATS_URL"], os.environ["LETHE_NATS_USER"], password)
    client = await connection.connect(login, Service.PRIVACY, "main")
    answers: dict[type[Call[Any, Any]], Answer] = {KeyIssue: _issue, KeyLease: _lease, KeyDestroy: _destroy}
    await Responder(Service.PRIVACY, answers, Metrics()).start(client, "0.0.0")
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def _issue(question: KeyIssueQuestion, _caller: Service) -> KeysAnswer:
    return _same(question.wishes)


async def _lease(question: KeyLeaseQuestion, _caller: Service) -> KeysAnswer:
    return _same(question.wishes)


async def _destroy(question: KeyDestroyQuestion, _caller: Service) -> KeyDestroyAnswer:
    return KeyDestroyAnswer(destroyed=len(question.wishes))


def _same(wishes: Sequence[KeyWish | LeaseWish]) -> KeysAnswer:
    return KeysAnswer(keys=tuple(ItemKey(item_id=wish.item_id, key_id=_KEY_ID, key=_KEY) for wish in wishes))


if __name__ == "__main__":
    uvloop.run(_give())
