"""Lines of the ledger of choices go a period after their account's end: on a real key store, to the second."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.consents import Way, asked, texts_of
from lethe_common.database import Database
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import Policy, PolicyBook, load_book
from lethe_common.rpc.consents import ConsentsChangeQuestion
from lethe_common.rpc.facts import NewFact
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.consents import Consents
from lethe_privacy.expiries import Expiries
from lethe_privacy.subjects import Subjects
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.servers import RunningServers
from tests.unit.common.policy_files import in_two_versions, shipped, shipped_policy

KEPT = timedelta(days=3 * 366)
SECOND = timedelta(seconds=1)


class Ledger:
    """A key store with its ledger of choices under one policy."""

    def __init__(self, database: Database, folder: Path, policy: Policy) -> None:
        self.database, self.clock = database, HandClock()
        self.subjects, self._policy = Subjects(database, FolderKeyring(folder)), policy
        book, self.facts = PolicyBook((policy,)), list[NewFact]()
        self._consents = Consents(database, book, lambda: texts_of(policy), self.clock, self._record, lines_most=100)

    async def _record(self, news: Sequence[NewFact]) -> None:
        self.facts.extend(news)

    async def chosen(self) -> tuple[SubjectRef, str]:
        """Somebody who decided about everything that is asked, and the holder of these lines."""
        subject_ref = SubjectRef.new()
        await self.subjects.open(subject_ref, hashlib.sha256(secrets.token_bytes(16)).hexdigest())
        question = ConsentsChangeQuestion(
            subject_ref=subject_ref, policy_hash=self._policy.hash, language="en", way=Way.SETTINGS,
            wishes=dict.fromkeys(asked(self._policy, "en"), False), accepts_terms=True,
        )  # fmt: skip
        await self._consents.change(question)
        async with self.database.transaction() as tx:
            holder = await tx.fetchval("SELECT holder_ref FROM subjects WHERE subject_ref = $1", subject_ref)
        return subject_ref, holder

    async def lines(self, holder: str) -> int:
        async with self.database.transaction() as tx:
            count: int = await tx.fetchval("SELECT count(*) FROM consents WHERE holder_ref = $1", holder)
        return count


@pytest.fixture
async def database(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Database]:
    opened = await empty_key_store(servers, tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def ledger(database: Database, tmp_path: Path) -> Ledger:
    return Ledger(database, tmp_path, shipped_policy("aisora2"))


async def test_lines_stay_to_the_last_second_of_their_period_after_the_accounts_end_and_then_go(ledger: Ledger) -> None:
    (closing, closed), (_, living) = await ledger.chosen(), await ledger.chosen()
    before = await ledger.lines(closed)
    closed_at = ledger.clock.now()
    await ledger.subjects.destroy(closing, closed_at)
    await ledger.subjects.destroy(closing, closed_at + timedelta(days=1))
    expiries = Expiries(ledger.database, shipped("aisora2").book, batch=1)

    await expiries.sweep(closed_at + KEPT - SECOND)
    kept = await ledger.lines(closed)
    await expiries.sweep(closed_at + KEPT)

    assert kept == before > 1
    assert await ledger.lines(closed) == 0
    assert await ledger.lines(living) == before


async def test_more_holders_than_a_batch_all_go_in_one_sweep(ledger: Ledger) -> None:
    holders = [await ledger.chosen() for _ in range(5)]
    at = ledger.clock.now()
    for subject_ref, _ in holders:
        await ledger.subjects.destroy(subject_ref, at)

    await Expiries(ledger.database, shipped("aisora2").book, batch=2).sweep(at + KEPT)

    assert [await ledger.lines(holder) for _, holder in holders] == [0] * 5


async def test_a_minimum_that_an_earlier_version_promised_is_not_shortened(ledger: Ledger, tmp_path: Path) -> None:
    shorter = ("keep: {until: account_closed, at_least: P3Y}", "keep: {until: account_closed, at_least: P1Y}")
    book = load_book(in_two_versions(tmp_path / "profile", datetime(2026, 12, 5, tzinfo=UTC).isoformat(), shorter))
    closing, closed = await ledger.chosen()
    at = datetime(2027, 1, 1, tzinfo=UTC)
    await ledger.subjects.destroy(closing, at)

    await Expiries(ledger.database, book, batch=10).sweep(at + timedelta(days=2 * 366))

    assert await ledger.lines(closed) > 1
