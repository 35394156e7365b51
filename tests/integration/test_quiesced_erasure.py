"""An erasure waits for the keys that processes have in memory, and its certificate tells how they let go."""

import secrets
from typing import Any

import asyncpg

from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.privacy import ErasureStateQuestion, ItemKey, KeyClass, KeyWish, LeaseWish, Purpose
from lethe_common.services import Service
from lethe_privacy.erasures import OWNERS
from lethe_privacy.leases import SUBJECT_FENCED, Opening
from tests.integration.erasure_desk import Desk, claim, desk
from tests.servers import RunningServers

__all__ = ["desk"]
GATEWAY, WORKER, OTHER_WORKER = "a" * 16, "b" * 16, "c" * 16
_AGE = "UPDATE privacy.access_bodies SET entered_at = entered_at - interval '61 minutes' WHERE subject_ref = $1"


async def grant(desk: Desk, subject_ref: SubjectRef, service: Service, process: str) -> ItemKey:
    """Hand one key to a process, as the lease's answer does."""
    wish = KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT)
    (key,) = await desk.items.issue([wish])
    (handed,) = await desk.recorder.recorded(
        service,
        process,
        Opening(Purpose.SHOW),
        [LeaseWish(subject_ref=subject_ref, item_id=wish.item_id)],
        [key],
    )
    return handed


async def certified(desk: Desk, subject_ref: SubjectRef, link: str) -> Any:
    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")
    answer = await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)
    assert answer.certificate is not None
    payload = answer.certificate["payload"]
    assert isinstance(payload, dict)
    return payload["quiesced"]


def line(service: str, processes: int, let_go: int) -> dict[str, object]:
    return {"service": service, "processes": processes, "let_go": let_go, "time_over": processes - let_go}


async def test_nothing_is_erased_before_every_process_that_was_handed_keys_has_let_go(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()
    for service, process in ((Service.GATEWAY, GATEWAY), (Service.JOBS, WORKER), (Service.JOBS, WORKER)):
        await grant(desk, subject_ref, service, process)

    erasure_id = await desk.saga.open(subject_ref, link)
    assert desk.processes.called_for == [subject_ref]
    await desk.saga.let_go(subject_ref, Service.GATEWAY, GATEWAY)
    await desk.saga.let_go(subject_ref, Service.GATEWAY, WORKER)
    assert await desk.state(erasure_id) == "fenced"
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1"]
    await desk.saga.let_go(subject_ref, Service.JOBS, WORKER)
    assert await desk.state(erasure_id) == "erasing"

    assert await certified(desk, subject_ref, link) == {
        "is_by_record": True,
        "services": [line("gateway", 1, 1), line("jobs", 1, 1)],
    }


async def test_a_process_that_does_not_answer_is_waited_for_until_its_time_is_over(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()
    await grant(desk, subject_ref, Service.JOBS, WORKER)
    await grant(desk, subject_ref, Service.JOBS, OTHER_WORKER)
    await desk.saga.open(subject_ref, link)
    await desk.saga.let_go(subject_ref, Service.JOBS, WORKER)

    assert await certified(desk, subject_ref, link) == {"is_by_record": True, "services": [line("jobs", 2, 1)]}
    # Called again and again, as one call may be lost.
    assert desk.processes.called_for.count(subject_ref) > 1
    waited = (
        "SELECT completed_at FROM erasures WHERE subject_ref IS NULL AND called_in_at + interval '2 seconds' <= now()"
    )
    assert await desk.value(waited) is not None


async def test_whoever_was_handed_keys_long_ago_is_not_waited_for(desk: Desk, servers: RunningServers) -> None:
    subject_ref, link = await desk.subject(), claim()
    await grant(desk, subject_ref, Service.JOBS, WORKER)
    connection = await asyncpg.connect(servers.dsn("privacy_owner"))
    await connection.execute(_AGE, subject_ref)
    await connection.close()

    assert await certified(desk, subject_ref, link) == {"is_by_record": True, "services": []}
    assert subject_ref not in desk.processes.called_for


async def test_of_somebody_fenced_nobody_is_handed_keys_any_more(desk: Desk) -> None:
    subject_ref = await desk.subject()
    wish = KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT)
    (key,) = await desk.items.issue([wish])
    erasure_id = await desk.saga.open(subject_ref, claim())

    lease = [LeaseWish(subject_ref=subject_ref, item_id=wish.item_id)]
    (late,) = await desk.recorder.recorded(Service.JOBS, WORKER, Opening(Purpose.SHOW), lease, [key])

    assert (late.key, late.refusal) == (None, SUBJECT_FENCED)
    assert await desk.value("SELECT count(*) FROM called_in WHERE erasure_id = $1", erasure_id) == 0


async def test_without_a_log_of_accesses_everybody_is_waited_for_by_time(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()
    desk.processes.is_recorded = False

    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.saga.take_step()
    assert await desk.state(erasure_id) == "fenced"

    assert await certified(desk, subject_ref, link) == {"is_by_record": False, "services": []}


async def test_letting_go_of_somebody_who_is_not_fenced_says_nothing(desk: Desk) -> None:
    subject_ref = await desk.subject()
    await grant(desk, subject_ref, Service.JOBS, WORKER)

    await desk.saga.let_go(subject_ref, Service.JOBS, WORKER)
    await desk.saga.let_go(SubjectRef.new(), Service.JOBS, secrets.token_hex(8))
    erasure_id = await desk.saga.open(subject_ref, claim())

    assert await desk.state(erasure_id) == "fenced"
