"""The log of certificates in the database of the privacy service, and what an operator who tampers with it achieves."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common.certificates import (
    ERASURE_FORMAT,
    CertificateInvalid,
    Reason,
    issued,
    public_pem,
    render,
    sign,
    verify,
)
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.services import Service
from lethe_privacy.errors import LogShorter
from lethe_privacy.models import Table
from lethe_privacy.transparency import CertificateLog
from tests.hand_clock import HandClock
from tests.servers import RunningServers
from tests.tree import ROOT


@dataclass
class Archive:
    """A log and the key of its operator."""

    database: Database
    key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        self.log = CertificateLog(self.key, HandClock())

    @property
    def pem(self) -> bytes:
        return public_pem(self.key).encode()

    async def issue(self, number: int) -> bytes:
        signed = sign({"format": ERASURE_FORMAT, "certificate_id": f"cert_{number:032x}"}, self.key)
        async with self.database.transaction() as tx:
            return render(issued(signed, await self.log.append(tx, signed)))

    async def head(self, since: int | None = None) -> bytes:
        async with self.database.transaction() as tx:
            document = await self.log.newest(tx, since)
        assert document is not None
        return render(document)


@pytest.fixture
async def archive(servers: RunningServers) -> AsyncIterator[Archive]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await turn_partitions(database.pool, 3, 7)
    await as_owner(servers, "TRUNCATE privacy.log_nodes, privacy.log_heads")
    yield Archive(database, Ed25519PrivateKey.generate())
    await database.close()


async def as_owner(servers: RunningServers, sql: str) -> None:
    connection = await asyncpg.connect(servers.dsn("privacy_owner"))
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def reason_against(certificate: bytes, archive: Archive, head: bytes) -> Reason:
    with pytest.raises(CertificateInvalid) as refusal:
        verify(certificate, archive.pem, head)
    return refusal.value.reason


async def test_each_certificate_is_proven_at_once_and_under_every_later_head(archive: Archive) -> None:
    certificates, heads = [], []
    for number in range(13):
        certificates.append(await archive.issue(number))
        heads.append(await archive.head())

    for size, certificate in enumerate(certificates, start=1):
        checked = verify(certificate, archive.pem, await archive.head(since=size))
        assert (checked.head.size, checked.other_head is not None and checked.other_head.size) == (size, 13)
    assert verify(certificates[4], archive.pem, heads[4]).other_head == verify(certificates[4], archive.pem).head
    assert reason_against(certificates[4], archive, heads[7]) is Reason.NOT_COMPARABLE


async def test_certificates_that_are_issued_at_one_moment_get_a_place_each(archive: Archive) -> None:
    certificates = await asyncio.gather(*(archive.issue(number) for number in range(8)))

    assert sorted(json.loads(one)["log"]["index"] for one in certificates) == list(range(8))
    for one in certificates:
        verify(one, archive.pem, await archive.head(since=json.loads(one)["log"]["head"]["payload"]["size"]))


async def test_an_entry_that_was_taken_out_afterwards_fails_given_a_second_head(
    archive: Archive, servers: RunningServers
) -> None:
    first, second, third = [await archive.issue(number) for number in range(3)]
    await as_owner(servers, "TRUNCATE privacy.log_nodes, privacy.log_heads")
    for number in (0, 2, 3, 4):  # the operator's log anew, as if number 1 had never been
        await archive.issue(number)

    head = await archive.head(since=3)

    for certificate in (first, second, third):
        assert verify(certificate, archive.pem).other_head is None  # by itself it cannot know
    assert reason_against(third, archive, head) is Reason.FORKED
    assert reason_against(second, archive, await archive.head(since=2)) is Reason.FORKED


async def test_a_log_that_is_shown_differently_to_different_people_fails_given_both_heads(
    archive: Archive, servers: RunningServers
) -> None:
    shown_to_one = [await archive.issue(number) for number in (0, 1)]
    await as_owner(servers, "TRUNCATE privacy.log_nodes, privacy.log_heads")
    for number in (0, 7):
        await archive.issue(number)

    assert reason_against(shown_to_one[1], archive, await archive.head()) is Reason.FORKED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda log: log.update(index=1), Reason.NOT_IN_LOG),
        (lambda log: log["proof"].reverse(), Reason.NOT_IN_LOG),
        (lambda log: log["proof"].pop(), Reason.NOT_IN_LOG),
        (lambda log: log["proof"].__setitem__(0, log["proof"][0].upper()), Reason.NOT_IN_LOG),
        (lambda log: log.pop("proof"), Reason.UNKNOWN_FORMAT),
        (lambda log: log["head"]["payload"].update(size=9), Reason.CHANGED_HEAD),
        (lambda log: log["head"]["payload"].update(at="2020-01-01"), Reason.CHANGED_HEAD),
        (lambda log: log["head"].update(key_id="0" * 32), Reason.CHANGED_HEAD),
    ],
)
async def test_whatever_is_changed_about_the_place_in_the_log_is_told_by_its_reason(
    archive: Archive, change: Any, reason: Reason
) -> None:
    certificate = json.loads([await archive.issue(number) for number in range(4)][3])
    change(certificate["log"])

    with pytest.raises(CertificateInvalid) as refusal:
        verify(render(certificate), archive.pem)

    assert refusal.value.reason is reason


async def test_another_operators_head_and_what_is_no_head_are_told_apart(archive: Archive) -> None:
    certificate = await archive.issue(0)
    other = Archive(archive.database, Ed25519PrivateKey.generate())
    await other.issue(1)

    assert reason_against(certificate, archive, await other.head(since=1)) is Reason.CHANGED_HEAD
    assert reason_against(certificate, archive, b"{}") is Reason.NO_HEAD
    assert reason_against(certificate, archive, b"no head") is Reason.NOT_JSON


async def test_growth_from_more_entries_than_there_are_is_refused_with_their_number(archive: Archive) -> None:
    await archive.issue(0)

    with pytest.raises(LogShorter, match="has 1 entries"):
        await archive.head(since=2)


async def test_the_service_itself_can_neither_change_nor_remove_what_is_logged(archive: Archive) -> None:
    await archive.issue(0)

    for sql in ("DELETE FROM log_nodes", "UPDATE log_heads SET size = 2", "TRUNCATE log_heads"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await archive.database.pool.execute(sql)
