import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol.command import hpub_cmd

from lethe_common.bus.lean import LeanClient, command, deliveries_of
from lethe_common.events.envelope import Envelope
from lethe_common.events.jobs import GenerationCancelRequested
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.services import Service

_LINES = b"Nats-Msg-Id: 0198\r\nce-time: 2026-11-22T08:00:00+00:00\r\nEmpty:\r\nTight:value\r\nno such line\r\n\r\n"


def _envelope() -> Envelope:
    event = GenerationCancelRequested(generation_id=GenerationId.new(), subject_ref=SubjectRef.new())
    return Envelope.around(event, Service.GATEWAY, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def test_headers_are_read_as_the_library_reads_them() -> None:
    envelope = _envelope()
    assert LeanClient._parse_header_lines(_LINES) == Client._parse_header_lines(_LINES)
    assert LeanClient._parse_header_lines(envelope.header_lines() + b"\r\n") == envelope.headers()


async def test_the_library_still_asks_for_headers_where_ours_are_read() -> None:
    class Counting(LeanClient):
        @staticmethod
        def _parse_header_lines(raw: bytes) -> dict[str, str]:
            return {"asked": "yes"} | LeanClient._parse_header_lines(raw)

    assert await Counting()._process_headers(b"NATS/1.0\r\nA: b\r\n\r\n") == {"asked": "yes", "A": "b"}


def test_a_publish_is_written_as_the_library_writes_it() -> None:
    envelope = _envelope()
    block = b"NATS/1.0\r\n" + envelope.header_lines() + b"\r\n"
    theirs = hpub_cmd(envelope.type, "", block, envelope.data)
    assert command(envelope.type, envelope.header_lines(), envelope.data).split() == theirs.split()


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.JOBS.billing.3.41.7.1700000000000000000.5",
        "$JS.ACK.hub.AbCdEf.JOBS.billing.3.41.7.1700000000000000000.5.x1y2",
    ],
)
def test_deliveries_are_counted_as_the_library_counts_them(reply: str) -> None:
    message = Msg(_client=LeanClient(), subject="jobs.x", reply=reply)
    assert deliveries_of(message) == message.metadata.num_delivered == 3
