import asyncio
import json
import secrets
from collections.abc import Callable

import asyncpg
import pytest

from lethe_common.certificates import public_pem, render, verify
from lethe_common.clock import RealClock, monotonic_seconds
from lethe_common.events.retention import LegalHoldLifted
from lethe_common.identifiers import ErasureId, LegalHoldId, SubjectRef
from lethe_common.rpc.privacy import ErasureStateQuestion
from lethe_common.services import Service
from lethe_privacy.erasures import OWNERS
from lethe_privacy.errors import SubjectUnknown, TooManyClaims
from lethe_privacy.handlers import ErasureHandlers
from tests.integration.erasure_desk import ELSEWHERE, Desk, as_owner, claim, desk
from tests.servers import RunningServers

__all__ = ["desk"]


async def test_an_erasure_ends_in_a_certificate_that_passes_offline(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()

    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")

    answer = await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)
    assert answer.certificate is not None
    payload = verify(render(answer.certificate), public_pem(desk.signing_key).encode()).payload
    assert payload["certificate_id"] == answer.certificate_id
    stores = payload["stores"]
    assert isinstance(stores, list)
    before = {line["store"]: line["before"] for line in stores if isinstance(line, dict)}
    assert before["pg:keys.item_keys"] == 3
    assert before["pg:gateway.rows"] == 2
    assert desk.processes.hinted.count(erasure_id) == 1
    assert await desk.told(subject_ref) == [
        "privacy.erasure.fenced.v1",
        "privacy.erasure.step_requested.v1",
        "privacy.erasure.completed.v1",
    ]


async def test_after_the_end_only_the_facts_ledger_names_the_subject(desk: Desk) -> None:
    subject_ref, link = await desk.subject(), claim()
    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")

    for table in ("erasures", "claims", "steps", "certificates"):
        named = f"SELECT count(*) FROM {table} AS row WHERE row::text LIKE '%' || $1 || '%'"
        assert await desk.value(named, subject_ref) == 0
    facts = await desk.value("SELECT array_agg(kind ORDER BY kind) FROM facts WHERE subject_ref = $1", subject_ref)
    assert facts == ["erased", "erasure_requested"]
    assert await desk.saga.open(subject_ref, link) == erasure_id
    with pytest.raises(SubjectUnknown):
        await desk.saga.open(subject_ref, claim())


async def test_keys_are_destroyed_only_after_every_owner_has_reported(desk: Desk) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    first, *others = sorted(OWNERS)

    await desk.report(erasure_id, subject_ref, *others, *others)
    while await desk.saga.take_step():
        pass
    assert await desk.state(erasure_id) == "erasing"
    assert (await desk.subjects.fence(subject_ref)).item_keys == 3

    await desk.report(erasure_id, subject_ref, first)
    await desk.until_state(erasure_id, "completed")
    assert (await desk.subjects.fence(subject_ref)).item_keys == 0


async def test_a_second_request_joins_the_erasure_under_way_with_a_link_of_its_own(desk: Desk) -> None:
    subject_ref, links = await desk.subject(), [claim() for _ in range(3)]

    erasures = {await desk.saga.open(subject_ref, link) for link in (*links, *links)}

    assert len(erasures) == 1
    for link in links:
        answer = await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)
        assert (answer.erasure_id, answer.state) == (*erasures, "erasing")
    with pytest.raises(TooManyClaims):
        await desk.saga.open(subject_ref, claim())


async def test_many_requests_at_once_are_one_erasure_told_once(desk: Desk) -> None:
    subject_ref = await desk.subject()

    erasures = await asyncio.gather(*(desk.saga.open(subject_ref, claim()) for _ in range(3)))

    assert len(set(erasures)) == 1
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1", "privacy.erasure.step_requested.v1"]


async def test_an_unknown_subject_and_an_unknown_link_are_said_to_be_so(desk: Desk) -> None:
    with pytest.raises(SubjectUnknown):
        await desk.saga.open(SubjectRef.new(), claim())

    answer = await desk.answers.state(ErasureStateQuestion(claim_hash=claim()), Service.GATEWAY)

    assert (answer.state, answer.erasure_id, answer.certificate) == ("unknown", None, None)


async def leave_row(desk: Desk, servers: RunningServers, subject_ref: SubjectRef) -> Callable[[], object]:
    await as_owner(servers, f"INSERT INTO billing.elsewhere VALUES ('{subject_ref}')")
    return lambda: as_owner(servers, f"DELETE FROM billing.elsewhere WHERE subject_ref = '{subject_ref}'")


async def leave_object(desk: Desk, servers: RunningServers, subject_ref: SubjectRef) -> Callable[[], object]:
    desk.prefixes[subject_ref] = f"outputs/{secrets.token_hex(16)}/"
    await desk.store.put_bytes(desk.prefixes[subject_ref] + "left", b"sealed")
    return lambda: desk.store.remove_all_versions(desk.prefixes[subject_ref])


@pytest.mark.parametrize(("leave", "place"), [(leave_row, "pg:billing.elsewhere"), (leave_object, "s3:outputs")])
async def test_nothing_is_certified_while_something_is_left(
    desk: Desk, servers: RunningServers, leave: Callable[..., object], place: str
) -> None:
    subject_ref = await desk.subject()
    remove = await leave(desk, servers, subject_ref)  # type: ignore[misc]  # one of the two above
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, subject_ref, *OWNERS)

    await desk.until_state(erasure_id, "verification_failed")

    residue = json.loads(str(await desk.value("SELECT residue FROM erasures WHERE erasure_id = $1", erasure_id)))
    assert [(one["store"], one["found"]) for one in residue] == [(place, 1)]
    await remove()
    give_up_at = monotonic_seconds() + 20
    while (await desk.told(subject_ref)).count("privacy.erasure.step_requested.v1") < 2:
        assert monotonic_seconds() < give_up_at
        await desk.saga.take_step()
        await asyncio.sleep(0.02)
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")


async def test_what_an_owner_admits_to_have_left_is_not_certified(desk: Desk) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, subject_ref, *OWNERS, after=1)

    await desk.until_state(erasure_id, "verification_failed")


async def test_a_place_that_cannot_be_looked_into_holds_the_certificate_back(
    desk: Desk, servers: RunningServers
) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await as_owner(servers, "REVOKE SELECT (subject_ref) ON billing.elsewhere FROM verifier")
    await desk.until_state(erasure_id, "verifying")

    await desk.saga.take_step()
    assert await desk.state(erasure_id) == "verifying"

    await as_owner(servers, ELSEWHERE)
    await desk.until_state(erasure_id, "completed")


async def test_an_erasure_whose_process_died_before_the_fence_goes_on_by_itself(desk: Desk) -> None:
    subject_ref = await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    async with desk.database.transaction() as tx:
        await tx.execute(
            "UPDATE erasures SET state = 'requested', not_before = now() WHERE erasure_id = $1", erasure_id
        )
        await tx.execute("DELETE FROM steps WHERE erasure_id = $1", erasure_id)

    await desk.until_state(erasure_id, "erasing")
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")


async def test_a_step_nobody_answered_is_asked_for_again(desk: Desk) -> None:
    subject_ref = await desk.subject()
    await desk.opened(subject_ref)

    give_up_at = monotonic_seconds() + 20
    while (await desk.told(subject_ref)).count("privacy.erasure.step_requested.v1") < 3:
        assert monotonic_seconds() < give_up_at
        await desk.saga.take_step()
        await asyncio.sleep(0.02)


async def test_a_held_erasure_fences_the_subject_and_erases_nothing_until_the_hold_ends(desk: Desk) -> None:
    subject_ref, hold_id, link = await desk.subject(), LegalHoldId.new(), claim()
    desk.holds.held_by = (hold_id,)
    erasure_id = await desk.saga.open(subject_ref, link)
    await desk.until_state(erasure_id, "held")
    while await desk.saga.take_step():
        pass
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1"]
    assert (await desk.subjects.fence(subject_ref)).item_keys == 3
    assert (await desk.answers.state(ErasureStateQuestion(claim_hash=link), Service.GATEWAY)).state == "held"
    assert desk.processes.hinted.count(erasure_id) == 1

    desk.holds.held_by = ()
    event = LegalHoldLifted(hold_id=hold_id, subject_ref=subject_ref, generation_id=None, lifted_at=RealClock().now())
    async with desk.database.transaction() as tx:
        await ErasureHandlers(desk.saga.wake).on_hold_lifted(event, tx)

    await desk.until_state(erasure_id, "erasing")


async def test_while_nobody_can_say_whether_a_subject_is_held_nothing_of_it_is_erased(desk: Desk) -> None:
    subject_ref = await desk.subject()
    desk.holds.is_away = True
    erasure_id = await desk.saga.open(subject_ref, claim())
    await desk.saga.take_step()
    assert await desk.state(erasure_id) == "quiet"
    assert await desk.told(subject_ref) == ["privacy.erasure.fenced.v1"]

    desk.holds.is_away = False

    await desk.until_state(erasure_id, "erasing")


async def test_reports_after_the_end_or_about_others_change_nothing(desk: Desk) -> None:
    subject_ref, other = await desk.subject(), await desk.subject()
    erasure_id = await desk.opened(subject_ref)
    await desk.report(erasure_id, other, *OWNERS)
    assert await desk.value("SELECT count(*) FROM steps WHERE erasure_id = $1", erasure_id) == 1
    await desk.report(erasure_id, subject_ref, *OWNERS)
    await desk.until_state(erasure_id, "completed")

    await desk.report(erasure_id, subject_ref, *OWNERS, after=9)
    await desk.report(ErasureId.new(), subject_ref, *OWNERS)

    assert await desk.state(erasure_id) == "completed"


async def test_certificates_and_facts_cannot_be_changed_by_the_service_itself(desk: Desk) -> None:
    for forbidden in ("UPDATE certificates SET document = ''", "DELETE FROM certificates", "DELETE FROM facts"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.database.pool.execute(forbidden)
