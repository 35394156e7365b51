"""Each service's NATS user may use its own subjects, and is refused everybody else's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from lethe_common.bus.permissions import durables, permissions
from lethe_common.bus.streams import declare_owned
from lethe_common.events.catalogue import EVENTS, STREAMS, heard_by
from lethe_common.rpc.catalogue import CALLS
from lethe_common.services import Service
from tests.servers import RunningServers, running_servers, temporary_data_folder


@pytest.fixture(scope="module", name="servers")
def own_servers() -> Iterator[RunningServers]:
    """Servers of our own: some tests leave declarations behind that no service could work with."""
    with temporary_data_folder() as data, running_servers(data) as running:
        yield running


class SignedIn:
    """One service's connection and the refusals the server sent it."""

    def __init__(self, client: Client, refusals: list[str]) -> None:
        self.client, self.refusals = client, refusals

    async def is_refused_publishing(self, subject: str) -> bool:
        await self.client.publish(subject, b"")
        return await self._was_refused(subject)

    async def is_refused_subscribing(self, subject: str) -> bool:
        await self.client.subscribe(subject)
        return await self._was_refused(subject)

    async def _was_refused(self, subject: str) -> bool:
        for _ in range(2):  # nats-py sends its PING ahead of what is still buffered
            await self.client.flush()
        return any(f'"{subject}"'.lower() in refusal.lower() for refusal in self.refusals)


@asynccontextmanager
async def signed_in(servers: RunningServers, service: Service) -> AsyncIterator[SignedIn]:
    refusals: list[str] = []

    async def note(error: Exception) -> None:
        refusals.append(str(error))

    client = await nats.connect(
        servers.nats_url,
        user=service.value,
        password=servers.nats_password(service),
        inbox_prefix=f"_INBOX.{service}".encode(),
        error_cb=note,
    )
    try:
        yield SignedIn(client, refusals)
    finally:
        await client.close()


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_publishes_only_the_events_it_speaks(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for kind in EVENTS.values():
            assert await user.is_refused_publishing(kind.type) == (service not in kind.speakers), kind.type


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_asks_only_in_its_own_name(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for call in CALLS:
            for caller in Service:
                is_own = caller is service and service in call.callers
                assert await user.is_refused_publishing(call.subject(caller)) != is_own, (call.name, caller)


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_answers_only_its_own_calls(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for other in Service:
            assert await user.is_refused_subscribing(f"rpc.{other}.>") == (other is not service)


@pytest.mark.parametrize("service", list(Service))
async def test_nobody_reads_anothers_replies(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for other in Service:
            assert await user.is_refused_subscribing(f"_INBOX.{other}.>") == (other is not service)
        assert await user.is_refused_subscribing("_INBOX.>")
        assert await user.is_refused_subscribing(">")


@pytest.mark.parametrize("service", list(Service))
async def test_nobody_replies_unasked(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for other in Service:
            assert await user.is_refused_publishing(f"_INBOX.{other}.forged")


@pytest.mark.parametrize("service", list(Service))
async def test_only_a_streams_owner_declares_it(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for stream in STREAMS.values():
            for verb in ("CREATE", "UPDATE"):
                refused = await user.is_refused_publishing(f"$JS.API.STREAM.{verb}.{stream.name}")
                assert refused == (stream.owner is not service)
            for verb in ("DELETE", "PURGE", "MSG.DELETE"):
                assert await user.is_refused_publishing(f"$JS.API.STREAM.{verb}.{stream.name}")


@pytest.mark.parametrize("service", list(Service))
async def test_a_service_fetches_only_with_its_own_durables(servers: RunningServers, service: Service) -> None:
    async with signed_in(servers, service) as user:
        for stream in STREAMS:
            for other in Service:
                is_own = other is service and stream in heard_by(service)
                for name in durables(other):
                    subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"
                    assert await user.is_refused_publishing(subject) != is_own, subject


async def test_an_owner_declares_and_a_listener_consumes(servers: RunningServers) -> None:
    async with signed_in(servers, Service.JOBS) as jobs, signed_in(servers, Service.BILLING) as billing:
        await declare_owned(jobs.client.jetstream(), Service.JOBS, replicas=1)
        sent = await jobs.client.jetstream().publish("jobs.generation.completed.v1", b"{}")
        js = billing.client.jetstream()
        await js.add_consumer("JOBS", durable_name="billing", filter_subjects=["jobs.generation.completed.v1"])
        subscription = await js.pull_subscribe_bind("billing", "JOBS")
        message = (await subscription.fetch(1, timeout=5))[0]
        await message.ack_sync()
        stored = await js.get_msg("JOBS", sent.seq)
        assert stored.data == b"{}"
        assert not billing.refusals
        assert not jobs.refusals


async def test_a_stream_cannot_be_made_to_listen_in(servers: RunningServers) -> None:
    stream = STREAMS["BILLING"]
    async with signed_in(servers, Service.BILLING) as billing, signed_in(servers, Service.PRIVACY) as privacy:
        js = billing.client.jetstream()
        await declare_owned(js, Service.BILLING, replicas=1)
        declared = (await js.stream_info(stream.name)).config
        await js.update_stream(declared.evolve(subjects=[*stream.subjects, "_INBOX.>", "rpc.>", "$SRV.>"]))
        before = (await js.stream_info(stream.name)).state.messages

        async def answer(message: Msg) -> None:
            await message.respond(b"a key")

        await privacy.client.subscribe("rpc.privacy.>", cb=answer)
        await privacy.client.flush()
        async with signed_in(servers, Service.GATEWAY) as gateway:
            call = next(call for call in CALLS if call.callee is Service.PRIVACY and Service.GATEWAY in call.callers)
            reply = await gateway.client.request(call.subject(Service.GATEWAY), b"for a key", timeout=5)
        after = (await js.stream_info(stream.name)).state.messages
        await declare_owned(js, Service.BILLING, replicas=1)
    assert (reply.data, after) == (b"a key", before)


def test_every_service_has_its_inbox_and_no_wildcard_at_the_front() -> None:
    for service in Service:
        allowed = permissions(service)
        assert f"_INBOX.{service}.>" in allowed.subscribe
        assert not any(subject.startswith((">", "*")) for subject in (*allowed.publish, *allowed.subscribe))
