"""The access log on its two databases: what is granted is on record before it is handed out, and nothing of it can be changed unseen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from lethe_common.consents import texts_of
from lethe_common.database.pool import DatabaseAway
from lethe_common.identifiers import ErasureId, GenerationId, SubjectRef
from lethe_common.policy import PolicyBook, load_book
from lethe_common.policy.errors import UnknownPeriod
from lethe_common.purposes import uses_of
from lethe_common.rpc.exports import ExportPageQuestion
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_common.rpc.privacy import KeyClass, KeyWish, LeaseWish, Purpose
from lethe_common.services import Service
from lethe_privacy import access_checkpoints, access_queries
from lethe_privacy.access_checkpoints import Checkpoint
from lethe_privacy.exported import Exported
from lethe_privacy.facts import Facts
from lethe_privacy.leases import Gate, Opening
from tests.integration.access_archive import PROCESS, Archive, Replica, opened_archive
from tests.servers import RunningServers
from tests.unit.common.policy_files import written

SHOWING = Opening(Purpose.SHOW)


@pytest.fixture
async def archive(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Archive]:
    async with opened_archive(servers, tmp_path) as opened:
        yield opened


@pytest.fixture
async def replica(archive: Archive) -> AsyncIterator[Replica]:
    opened = archive.replica()
    yield opened
    opened.stop()


async def told(archive: Archive, subject_ref: SubjectRef) -> list[dict[str, JsonValue]]:
    """What their archive tells somebody of it, page after page."""
    exported = Exported(archive.database, archive.keys_database, archive.accesses)
    found: list[dict[str, JsonValue]] = []
    after: str | None = ""
    while after is not None:
        question = ExportPageQuestion(subject_ref=subject_ref, section="accesses", after=after)
        page = await exported.page(question, Service.GATEWAY)
        found += page.records
        after = page.after
    return found


async def test_what_was_granted_is_on_record_when_its_keys_are_handed_out(archive: Archive, replica: Replica) -> None:
    subject_ref, wishes = await archive.subject()

    keys = await replica.lease(*wishes)
    await replica.lease(wishes[0], purpose=Purpose.SERVE)

    assert all(key.key is not None for key in keys)
    assert await told(archive, subject_ref) == [
        {"at": "2026-12-01T12:00:00+00:00", "service": "gateway", "purpose": purpose, "use": "service", "items": items}
        for purpose, items in (("show", [wish.item_id for wish in wishes]), ("serve", [wishes[0].item_id]))
    ]
    walk = await archive.verify()
    assert (walk.batches, walk.entries, walk.unreadable) == (2, 2, 0)


async def test_what_was_refused_leaves_no_entry(archive: Archive, replica: Replica) -> None:
    subject_ref, wishes = await archive.subject()

    (refused,) = await replica.lease(wishes[0], purpose=Purpose.GENERATE)
    (unknown,) = await replica.lease(LeaseWish(subject_ref=subject_ref, item_id=GenerationId.new()))

    assert (refused.refusal, unknown.refusal) == ("purpose_refused", "key_unknown")
    assert (await archive.verify()).entries == 0


async def test_replicas_that_grant_at_one_moment_write_one_chain(archive: Archive) -> None:
    replicas = [archive.replica() for _ in range(3)]
    people = [await archive.subject() for _ in range(10)]

    await asyncio.gather(*(replica.lease(*wishes) for _ in range(8) for replica in replicas for _, wishes in people))

    for replica in replicas:
        replica.stop()
    walk = await archive.verify()
    assert walk.entries == 240
    assert walk.batches < 240
    assert [len(await told(archive, subject_ref)) for subject_ref, _ in people] == [24] * 10


async def test_a_key_whose_subject_is_fenced_before_it_is_on_record_is_not_handed_out(
    archive: Archive, replica: Replica
) -> None:
    (fenced, wishes), (_, others) = await archive.subject(), await archive.subject()
    wished = [wishes[0], others[0]]
    gate = Gate(uses_of(archive.book.versions[0]), texts_of(archive.book.versions[0]))
    keys = await archive.items.lease(wished, [SHOWING, SHOWING], gate)
    await archive.subjects.fence(fenced)

    gone, granted = await replica.log.recorded(Service.GATEWAY, PROCESS, SHOWING, wished, keys)

    assert (gone.refusal, gone.key) == ("subject_fenced", None)
    assert granted == keys[1]
    assert (await archive.verify()).entries == 1


@pytest.mark.parametrize("is_completed", [False, True])
async def test_who_stood_still_on_the_way_writes_no_entry_of_somebody_forgotten_meanwhile(
    archive: Archive, replica: Replica, *, is_completed: bool
) -> None:
    """The key of the window was had before the fence; here the key store does not know of one."""
    (forgotten, wishes), (other, others) = await archive.subject(), await archive.subject()
    if is_completed:
        fact = NewFact(kind=FactKind.ERASED, subject_ref=forgotten, at=archive.clock.now())
        async with archive.database.transaction() as tx:
            await Facts(archive.database, archive.book, archive.clock).append(tx, [fact])
    else:
        await archive.tamper(
            f"INSERT INTO privacy.erasures (erasure_id, subject_ref, pseudonym, state, requested_at) "
            f"VALUES ('{ErasureId.new()}', '{forgotten}', repeat('0', 64), 'verifying', now())"
        )

    gone, granted = await replica.lease(wishes[0], others[0])

    assert (gone.refusal, gone.key) == ("subject_fenced", None)
    assert granted.key is not None
    assert [row[0] for row in await archive.database.pool.fetch("SELECT subject_ref FROM access_bodies")] == [other]


async def test_nothing_is_handed_out_that_cannot_be_recorded(archive: Archive, replica: Replica) -> None:
    _, wishes = await archive.subject()
    await archive.database.pool.close()

    with pytest.raises(DatabaseAway):
        await replica.lease(wishes[0])


async def test_of_somebody_erased_nothing_is_readable_and_the_chain_stays(archive: Archive, replica: Replica) -> None:
    (erased, of_erased), (other, of_other) = await archive.subject(), await archive.subject()
    await asyncio.gather(replica.lease(*of_erased), replica.lease(*of_other))
    copy = await archive.database.pool.fetch("SELECT subject_ref, item_id, sealed FROM access_bodies")

    await archive.subjects.fence(erased)
    await archive.subjects.destroy(erased, archive.clock.now())
    before_the_row_is_emptied = await archive.verify()
    async with archive.database.transaction() as tx:
        assert await tx.fetchval(access_queries.FORGET_SUBJECT, erased) == 1
        assert await tx.fetchval(access_queries.COUNT_OF_SUBJECT, erased) == 0

    walk = await archive.verify()
    assert (walk.entries, walk.unreadable) == (2, 1) == (2, before_the_row_is_emptied.unreadable)
    assert await told(archive, erased) == []
    assert len(await told(archive, other)) == 1
    assert {row["subject_ref"] for row in copy} == {erased, other}
    (key,) = await archive.items.open_records(
        [LeaseWish(subject_ref=erased, item_id=row["item_id"]) for row in copy if row["subject_ref"] == erased]
    )
    assert key.key is None


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["UPDATE privacy.access_batches SET commitments = set_byte(commitments, 5, 255 - get_byte(commitments, 5)) WHERE number = 2"], "Entry 1 of batch 2"),
        (["UPDATE privacy.access_batches SET at = at + interval '1 second' WHERE number = 2"], "Batch 2 does not hold"),
        (["UPDATE privacy.access_batches SET link = set_byte(link, 31, 255 - get_byte(link, 31)) WHERE number = 2"], "Batch 2 does not hold"),
        (["UPDATE privacy.access_bodies SET sealed = set_byte(sealed, 60, 255 - get_byte(sealed, 60)) WHERE number = 2"], "Body 1 of batch 2"),
        (["DELETE FROM privacy.access_bodies WHERE number = 2"], "Body 1 of batch 2 was taken out"),
        (["DELETE FROM privacy.access_batches WHERE number = 2"], "Batch 2 is missing"),
        (["DELETE FROM privacy.access_batches WHERE number = 1"], "Batch 1 is missing"),
        (
            [f"UPDATE privacy.{table} SET number = CASE number WHEN 12 THEN 3 ELSE 2 END WHERE number > 10"
             if "UPDATE" in step else f"UPDATE privacy.{table} SET number = number + 10 WHERE number IN (2, 3)"
             for step in ("apart", "UPDATE") for table in ("access_batches", "access_bodies")],
            "Batch 2 does not hold: it was changed, or it stood in another place",
        ),
    ],
)  # fmt: skip
async def test_whatever_an_owner_of_the_database_changes_is_told_with_its_first_place(
    archive: Archive, replica: Replica, statements: list[str], reason: str
) -> None:
    _, wishes = await archive.subject()
    for wish in wishes:
        await replica.lease(wish)

    await archive.tamper(*statements)

    assert (await archive.broken()).startswith(reason)


async def test_what_was_cut_off_or_written_anew_is_told_beside_a_checkpoint_from_outside(
    archive: Archive, replica: Replica
) -> None:
    _, wishes = await archive.subject()
    for wish in wishes:
        await replica.lease(wish)
    kept = await archive.accesses.newest()
    assert kept is not None

    await archive.tamper(
        *(f"DELETE FROM privacy.{table} WHERE number = 3" for table in ("access_batches", "access_bodies"))
    )
    assert (await archive.verify()).batches == 2
    assert (await archive.broken(kept)).startswith("Batch 3 is missing: there was one of number 3")
    await replica.lease(wishes[1])

    assert (await archive.verify()).batches == 3
    assert "another one than when the checkpoint was made" in await archive.broken(kept)


async def test_a_window_ends_with_its_keys_and_a_checkpoint_stands_for_it(archive: Archive, replica: Replica) -> None:
    subject_ref, wishes = await archive.subject()
    for wish in wishes:
        await replica.lease(wish)
    first = await archive.accesses.newest()
    assert first is not None
    ends_at = await archive.database.pool.fetchval("SELECT max(ends_at) FROM access_batches")
    rule = archive.book.versions[0].rule("access.log")
    assert rule.partition is not None
    assert rule.keep.at_most is not None
    due_at = ends_at - rule.partition + rule.keep.at_most - rule.grace
    await archive.items.issue([KeyWish(subject_ref=subject_ref, item_id="kept", key_class=KeyClass.CONTENT)])

    archive.clock.advance(seconds=(due_at - archive.clock.now()).total_seconds() - 1)
    await replica.lease(wishes[0])
    await replica.log.sweep(archive.clock.now())
    assert (await archive.verify(first)).batches == 4

    archive.clock.advance(seconds=1)
    await replica.log.sweep(archive.clock.now())

    walk = await archive.verify(first)
    assert (walk.batches, walk.last.number) == (1, 4)
    assert len(await told(archive, subject_ref)) == 1
    records = await archive.keys_database.pool.fetch("SELECT item_id FROM item_keys WHERE key_class = 'technical'")
    assert len(records) == 1
    archive.clock.advance(days=400)
    await replica.log.sweep(archive.clock.now())
    await replica.lease(wishes[0])
    assert ((await archive.verify()).batches, (await archive.verify()).last.number) == (1, 5)
    assert "ended with their period" in await archive.broken(first)


async def test_a_checkpoint_that_another_key_signed_stands_for_nothing(archive: Archive, replica: Replica) -> None:
    _, wishes = await archive.subject()
    await replica.lease(wishes[0])
    await replica.lease(wishes[1])
    (link,) = await archive.database.pool.fetchrow("SELECT link FROM access_batches WHERE number = 1")
    forged = access_checkpoints.signed(Checkpoint(1, link), archive.clock.now(), Ed25519PrivateKey.generate())
    await archive.database.pool.execute(access_queries.ADD_CHECKPOINT, 1, link, forged.decode())
    await archive.database.pool.fetchval(access_queries.END, 1)

    assert "another key" in await archive.broken()


async def test_the_service_itself_can_neither_change_nor_remove_what_is_logged(
    archive: Archive, replica: Replica
) -> None:
    _, wishes = await archive.subject()
    await replica.lease(wishes[0])

    for sql in (
        "DELETE FROM access_batches",
        "UPDATE access_batches SET number = 2",
        "DELETE FROM access_bodies",
        "UPDATE access_bodies SET sealed = NULL",
        "DELETE FROM access_checkpoints",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await archive.database.pool.execute(sql)
    with pytest.raises(asyncpg.RaiseError, match="no checkpoint"):
        await archive.database.pool.fetchval(access_queries.END, 1)


@pytest.mark.parametrize(
    ("promise", "answer"),
    [
        ("at_least: P365D", pytest.raises(UnknownPeriod)),
        ("exactly: {free: P365D, basic: P365D, standard: P365D, pro: P365D}", nullcontext()),
    ],
)
async def test_a_log_that_is_promised_in_another_form_is_not_taken_for_one_that_is_not_kept(
    archive: Archive, tmp_path: Path, promise: str, answer: AbstractContextManager[object]
) -> None:
    folder = tmp_path / "profile"
    folder.mkdir()
    stated = "keep: {from: created, %s}\n    partition: P30D"
    written(folder, (stated % "at_most: P365D", stated % promise))
    archive.book = load_book(folder)
    replica = archive.replica()
    _, wishes = await archive.subject()
    await replica.lease(wishes[0])
    archive.clock.advance(days=60)

    with answer:
        await replica.log.sweep(archive.clock.now())

    replica.stop()
    assert (await archive.verify()).batches == 1


async def test_where_the_policy_knows_no_access_log_none_is_kept(archive: Archive) -> None:
    policy = archive.book.versions[0]
    data = {name: rule for name, rule in policy.content.data.items() if name != "access.log"}
    silent = type(policy)(policy.hash, policy.content.model_copy(update={"data": data}))
    archive.book = PolicyBook((silent,))
    replica = archive.replica()
    _, wishes = await archive.subject()

    (key,) = await replica.lease(wishes[0])

    replica.stop()
    assert key.key is not None
    assert (await archive.verify()).batches == 0
