import io
from collections.abc import AsyncIterator

import av
import pytest

from lethe_common.events.jobs import (
    GenerationCancelled,
    GenerationCancelRequested,
    GenerationCompleted,
    GenerationFailed,
    GenerationStarted,
    UploadProcessed,
)
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.jobs import AssetLocate, AssetLocateQuestion
from lethe_common.sealing import SealContext
from tests.integration.jobs_stand import PROMPT, ScriptedProvider, Stand, jobs, stand
from tests.integration.members import until
from tests.servers import RunningServers


@pytest.fixture
async def at(servers: RunningServers) -> AsyncIterator[Stand]:
    async with stand(servers) as made:
        yield made


async def test_a_requested_generation_becomes_a_sealed_video_that_the_gateway_can_open(at: Stand) -> None:
    subject = SubjectRef.new()
    async with jobs(at):
        request = await at.request(subject, width_px=128, height_px=72)
        completed = (await at.tells(GenerationCompleted))[0]
        question = AssetLocateQuestion(generation_id=request.generation_id, subject_ref=subject)
        located = (await at.gateway.bus.ask(AssetLocate, question)).assets
        strangers = AssetLocateQuestion(generation_id=request.generation_id, subject_ref=SubjectRef.new())
        hidden = (await at.gateway.bus.ask(AssetLocate, strangers)).assets

    assert [asset.variant for asset in located] == ["video", "thumbnail"]
    assert hidden == ()
    assert completed.delivered.width_px == 128
    assert len(await at.told(GenerationStarted)) == 1
    video = located[0]
    context = SealContext("output.video", subject, request.generation_id, video.key_id)
    key = at.keys[request.generation_id].key
    opened = at.sealer.open_range(
        key, context, video.sealed_size_bytes, lambda o, n: at.storage.get_range(video.object_key, o, n)
    )
    content = b"".join([piece async for piece in opened])
    with av.open(io.BytesIO(content), format="mov") as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (128, 72)
    assert [arrow[1] for arrow in await at.arrows(request.generation_id)] == [
        "leased",
        "rendering",
        "storing",
        "completed",
    ]


async def test_the_renderer_gets_the_prompt_and_the_opened_reference(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.may_finish.set()
    async with jobs(at, [provider]):
        request = await at.request(SubjectRef.new(), upload=b"picture" * 20_000)
        await at.tells(GenerationCompleted)

    assert provider.orders[0].prompt == PROMPT
    assert provider.orders[0].reference == b"picture" * 20_000
    assert [told.upload_id for told in await at.told(UploadProcessed)] == [request.upload_id]


async def test_a_second_request_for_the_same_generation_changes_nothing(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.may_finish.set()
    subject = SubjectRef.new()
    async with jobs(at, [provider]):
        first = await at.request(subject)
        await at.gateway.tell(first, first)
        last = await at.request(subject)
        await at.reaches(last.generation_id, "completed")
        await at.reaches(first.generation_id, "completed")

    assert len(await at.told(GenerationCompleted)) == 2
    assert len(provider.orders) == 2


async def test_a_queued_run_is_cancelled_at_once_and_a_running_one_when_its_worker_heard(at: Stand) -> None:
    provider, subject = ScriptedProvider(at_once=1), SubjectRef.new()
    async with jobs(at, [provider]):
        running = await at.request(subject)
        await at.reaches(running.generation_id, "rendering")
        queued = await at.request(subject)
        await at.reaches(queued.generation_id, "queued")
        for one in (queued, running):
            await at.gateway.tell(GenerationCancelRequested(generation_id=one.generation_id, subject_ref=subject))
        await at.reaches(queued.generation_id, "cancelled")
        await at.reaches(running.generation_id, "cancelled")
        told = await at.tells(GenerationCancelled, 2)

    assert {event.generation_id for event in told} == {queued.generation_id, running.generation_id}
    assert await at.told(GenerationCompleted) == []


async def test_a_cancellation_that_overtakes_its_request_still_counts(at: Stand) -> None:
    provider, subject = ScriptedProvider(), SubjectRef.new()
    async with jobs(at, [provider]):
        late = at.order(subject)
        await at.gateway.tell(GenerationCancelRequested(generation_id=late.generation_id, subject_ref=subject))
        await at.gateway.tell(late)
        told = await at.tells(GenerationCancelled)

    assert told[0].generation_id == late.generation_id
    assert await at.state(late.generation_id) is None
    assert provider.orders == []


async def test_inputs_that_do_not_fit_into_one_answer_are_asked_for_again_at_once(at: Stand) -> None:
    provider, subject = ScriptedProvider(), SubjectRef.new()
    provider.may_finish.set()
    at.inputs_most = 3
    async with jobs(at, [provider]):
        requests = [at.order(subject) for _ in range(8)]
        for one in requests[:-1]:
            await at.keep_input(one)
        await at.gateway.tell(*requests)
        completed = await at.tells(GenerationCompleted, 7)
        await at.reaches(requests[-1].generation_id, "cancelled")

    assert {event.generation_id for event in completed} == {one.generation_id for one in requests[:-1]}
    assert (await at.arrows(requests[-1].generation_id))[-1] == ("leased", "cancelled", "input_gone")


async def test_a_run_whose_input_is_gone_is_cancelled(at: Stand) -> None:
    async with jobs(at, [ScriptedProvider()]):
        order = at.order(SubjectRef.new())
        await at.gateway.tell(order)
        await at.tells(GenerationCancelled)

    assert await at.state(order.generation_id) == "cancelled"
    assert (await at.arrows(order.generation_id))[-1] == ("leased", "cancelled", "input_gone")


@pytest.mark.parametrize("refusal", ["purpose_refused", "subject_restricted"])
async def test_a_run_that_is_not_allowed_any_more_is_cancelled_and_nothing_is_made(at: Stand, refusal: str) -> None:
    provider = ScriptedProvider()
    at.refusal = refusal
    async with jobs(at, [provider]):
        request = await at.request(SubjectRef.new())
        await at.tells(GenerationCancelled)

    assert (await at.arrows(request.generation_id))[-1] == ("leased", "cancelled", "not_allowed")
    assert provider.orders == []


async def test_a_run_held_up_beyond_its_keys_does_not_begin_with_what_was_withdrawn_meanwhile(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.may_finish.set()
    at.lease_delays_seconds = [1.0]
    async with jobs(at, [provider], key_seconds=0.5):
        request = await at.request(SubjectRef.new())

        async def is_answered_late() -> bool:
            return not at.lease_delays_seconds

        await until(is_answered_late)
        at.refusal = "purpose_refused"
        await at.tells(GenerationCancelled)

    assert [arrow[2] for arrow in await at.arrows(request.generation_id)][-3:] == [
        "keys_stale",
        "claimed",
        "not_allowed",
    ]
    assert provider.orders == []


async def test_while_a_neighbour_is_away_runs_wait_and_are_never_failed(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.may_finish.set()
    at.is_gateway_away = True
    async with jobs(at, [provider], attempts_most=1):
        request = await at.request(SubjectRef.new())

        async def was_postponed_twice() -> bool:
            return [arrow[2] for arrow in await at.arrows(request.generation_id)].count("service_away") >= 2

        await until(was_postponed_twice)
        at.is_gateway_away, at.is_privacy_away = False, True
        asked = len(at.asked)

        async def got_past_the_gateway() -> bool:
            return len(at.asked) > asked

        await until(got_past_the_gateway)
        at.is_privacy_away = False
        await at.tells(GenerationCompleted)

    assert await at.state(request.generation_id) == "completed"


async def test_a_provider_that_breaks_is_asked_again_and_then_given_up(at: Stand) -> None:
    provider = ScriptedProvider()
    provider.may_finish.set()
    provider.failures = 1
    async with jobs(at, [provider], attempts_most=2):
        once = await at.request(SubjectRef.new())
        await at.reaches(once.generation_id, "completed")
        provider.failures = 2
        twice = await at.request(SubjectRef.new())
        await at.reaches(twice.generation_id, "failed")
        failed = await at.tells(GenerationFailed)

    assert [(event.generation_id, event.code) for event in failed] == [(twice.generation_id, "provider_failed")]
