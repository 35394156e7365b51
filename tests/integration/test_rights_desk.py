"""The rights desk on its own two databases, with a clock moved by hand."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.consents import texts_of
from lethe_common.database import Database
from lethe_common.database.migration import Schema, migrate, turn_partitions
from lethe_common.database.pool import DatabaseAway
from lethe_common.identifiers import GenerationId, RequestId, SealKeyId, SubjectRef
from lethe_common.policy import load_book
from lethe_common.policy.languages import Language
from lethe_common.purposes import uses_of
from lethe_common.rpc import requests as rpc
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_common.rpc.privacy import KeyClass, KeyWish, LeaseWish, LoginMoveQuestion, Purpose
from lethe_common.rpc.requests import RequestAction, RequestKind, RequestState, SealedText
from lethe_common.services import Service
from lethe_common.telemetry import Metrics
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.consents import Consents
from lethe_privacy.desk import Desk
from lethe_privacy.endpoints import RequestAnswers
from lethe_privacy.errors import (
    NameReserved,
    PurposeUnknown,
    RequestUnknown,
    StaffMayNotRead,
    SubjectGone,
    TooManyOpen,
)
from lethe_privacy.facts import Facts
from lethe_privacy.gauges import Gauges
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.leases import Gate, Opening
from lethe_privacy.models import Table
from lethe_privacy.request_sweeps import RequestSweeps
from lethe_privacy.subjects import Subjects
from tests.hand_clock import HandClock
from tests.integration.key_store import empty_key_store
from tests.outboxes import TOLD, told
from tests.servers import RunningServers
from tests.tree import ROOT
from tests.unit.common.policy_files import written

FRIDAY = datetime(2026, 12, 4, 15, tzinfo=UTC)
TEXT = SealedText.model_construct(sealed=b"what somebody wrote, sealed", key_id=SealKeyId.new())


@dataclass
class Office:
    """The desk and what stands around it."""

    database: Database
    clock: HandClock
    subjects: Subjects
    items: ItemKeys
    desk: Desk
    answers: RequestAnswers
    sweeps: RequestSweeps
    gauges: Gauges
    exports: list[tuple[SubjectRef, Language]]
    facts: Facts
    export_fails: list[Exception]

    async def subject(self) -> SubjectRef:
        subject_ref = SubjectRef.new()
        await self.subjects.open(subject_ref, hashlib.sha256(secrets.token_bytes(8)).hexdigest())
        return subject_ref

    async def file(
        self, subject_ref: SubjectRef, kind: RequestKind, *purposes: str, request_id: RequestId | None = None
    ) -> rpc.Request:
        question = rpc.RequestFileQuestion(
            request_id=request_id or RequestId.new(), subject_ref=subject_ref, kind=kind, purposes=purposes,
            language="en", text=TEXT,
        )  # fmt: skip
        return (await self.answers.file(question, Service.GATEWAY)).request

    async def do(self, request: rpc.Request, action: RequestAction, operator: str = "A. Clerk") -> rpc.Request:
        question = rpc.RequestDecideQuestion(request_id=request.request_id, action=action, operator=operator, text=TEXT)
        return (await self.answers.decide(question, Service.GATEWAY)).request

    async def urgent(self) -> list[RequestId]:
        found = await self.answers.list(rpc.RequestListQuestion(), Service.GATEWAY)
        return [one.request_id for one in found.requests]

    async def own(self, subject_ref: SubjectRef, request_id: RequestId) -> rpc.Request:
        question = rpc.RequestOwnQuestion(subject_ref=subject_ref, request_id=request_id)
        return (await self.answers.own_show(question, Service.GATEWAY)).request

    async def told(self, request_id: RequestId) -> list[str]:
        rows = await self.database.pool.fetch(TOLD)
        return [kind for kind, body in told(rows) if body.get("request_id") == request_id]

    def standing(self, kind: RequestKind, standing: str) -> float:
        (metric,) = self.gauges.open.collect()
        labels = {"kind": kind.value, "standing": standing}
        return next((sample.value for sample in metric.samples if sample.labels == labels), 0)


@pytest.fixture
async def office(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Office]:
    async for opened in opened_office(servers, tmp_path, ROOT / "deploy/profiles/soragpt"):
        yield opened


async def opened_office(servers: RunningServers, folder: Path, profile: Path) -> AsyncIterator[Office]:
    revisions = ROOT / "services/privacy/lethe_privacy/migrations"
    await migrate(servers.dsn("privacy_owner"), Schema("privacy", "privacy", revisions, Table.metadata))
    database = await Database.open(servers.dsn("privacy"), Service.PRIVACY)
    await turn_partitions(database.pool, 3, 7)
    await database.pool.execute("DELETE FROM requests")
    keys_database = await empty_key_store(servers, folder / "keyring")
    book, clock, keyring = load_book(profile), HandClock(FRIDAY), FolderKeyring(folder / "keyring")
    subjects, exports = Subjects(keys_database, keyring), []
    facts = Facts(database, book, clock)
    recording = asyncio.ensure_future(facts.run())
    consents = Consents(keys_database, book, lambda: texts_of(book.versions[0]), clock, facts.record, lines_most=100)

    export_fails: list[Exception] = []

    async def begin_export(subject_ref: SubjectRef, language: Language) -> None:
        if export_fails:
            raise export_fails.pop()
        exports.append((subject_ref, language))

    desk = Desk(database, subjects, consents, book, clock, facts, open_most=3, begin_export=begin_export)
    items, gauges = ItemKeys(keys_database, ClassKeys(keyring), clock), Gauges(Metrics())
    sweeps = RequestSweeps(database, items, book, gauges, batch=2)
    answers = RequestAnswers(desk)
    yield Office(database, clock, subjects, items, desk, answers, sweeps, gauges, exports, facts, export_fails)
    recording.cancel()
    await database.close()
    await keys_database.close()


async def test_requests_are_listed_by_when_they_are_due_each_by_its_own_clock(office: Office) -> None:
    subject_ref = await office.subject()
    restricted = await office.file(subject_ref, RequestKind.RESTRICT)
    enquiry = await office.file(subject_ref, RequestKind.ENQUIRY)
    child = await office.file(subject_ref, RequestKind.CHILD)

    assert enquiry.due_at == FRIDAY + timedelta(days=7)
    assert child.due_at == FRIDAY + timedelta(days=1)
    assert await office.urgent() == [child.request_id, enquiry.request_id]
    assert (restricted.state, restricted.is_overdue) == (RequestState.ANSWERED, False)
    everything = await office.answers.list(rpc.RequestListQuestion(is_open=False), Service.GATEWAY)
    assert [one.request_id for one in everything.requests] == [
        child.request_id, enquiry.request_id, restricted.request_id,
    ]  # fmt: skip


async def test_a_request_filed_twice_with_its_id_is_one_and_nobody_elses(office: Office) -> None:
    subject_ref, request_id = await office.subject(), RequestId.new()
    once = await office.file(subject_ref, RequestKind.ENQUIRY, request_id=request_id)

    assert await office.file(subject_ref, RequestKind.ENQUIRY, request_id=request_id) == once
    with pytest.raises(RequestUnknown):
        await office.file(await office.subject(), RequestKind.ENQUIRY, request_id=request_id)
    with pytest.raises(RequestUnknown):
        await office.own(await office.subject(), request_id)


async def test_the_dossier_shows_texts_to_their_person_and_to_staff_only_with_a_reason_that_the_person_sees(
    office: Office,
) -> None:
    subject_ref = await office.subject()
    request = await office.file(subject_ref, RequestKind.CORRECT)
    shown = await office.answers.show(rpc.RequestShowQuestion(request_id=request.request_id), Service.GATEWAY)
    reading = rpc.RequestReadQuestion(request_id=request.request_id, operator="A. Clerk", reason=TEXT)
    read = await office.answers.read(reading, Service.GATEWAY)
    await office.answers.read(reading, Service.GATEWAY)
    mine = await office.own(subject_ref, request.request_id)

    assert [(step.has_text, step.text) for step in shown.request.steps] == [(True, None), (False, None)]
    assert read.request.steps[0].text is not None
    assert [step.step for step in mine.steps] == ["received", "identity_checked", "read"]
    assert [step.text is not None for step in mine.steps] == [True, False, True]
    assert mine.steps[0].text is not None
    assert mine.steps[0].text.sealed == TEXT.sealed


async def test_a_request_goes_its_way_and_each_step_says_who_and_when(office: Office) -> None:
    subject_ref = await office.subject()
    request = await office.file(subject_ref, RequestKind.CORRECT)
    office.clock.advance(hours=1)
    await office.do(request, RequestAction.TAKE)
    extended = await office.do(request, RequestAction.EXTEND)
    again = await office.do(request, RequestAction.EXTEND)
    office.clock.advance(days=40)
    await office.do(request, RequestAction.ANSWER, "B. Clerk")
    closed = await office.do(request, RequestAction.CLOSE, "B. Clerk")

    assert extended.due_at == again.due_at == datetime(2027, 3, 4, 15, tzinfo=UTC)
    assert [(step.step, step.actor) for step in closed.steps] == [
        ("received", "person"), ("identity_checked", "lethe"), ("in_progress", "A. Clerk"), ("extended", "A. Clerk"),
        ("answered", "B. Clerk"), ("closed", "B. Clerk"),
    ]  # fmt: skip
    assert closed.steps[-1].at == FRIDAY + timedelta(days=40, hours=1)
    assert request.request_id not in await office.urgent()
    with pytest.raises(NameReserved):
        await office.do(request, RequestAction.CLOSE, "Lethe")


async def test_a_copy_is_begun_at_once_pauses_expiry_and_ends_the_pause_when_it_is_ready(office: Office) -> None:
    subject_ref = await office.subject()
    request = await office.file(subject_ref, RequestKind.ACCESS)
    async with office.database.transaction() as tx:
        await office.desk.answer_copies(tx, subject_ref)
    async with office.database.transaction() as tx:
        await office.desk.answer_copies(tx, subject_ref)

    assert office.exports == [(subject_ref, "en")]
    assert await office.told(request.request_id) == ["privacy.pause.began.v1", "privacy.pause.ended.v1"]
    ended = await office.own(subject_ref, request.request_id)
    assert (ended.state, ended.is_paused, len(ended.steps)) == (RequestState.ANSWERED, False, 3)


async def test_a_copy_that_could_not_be_begun_is_begun_when_it_is_asked_for_again(office: Office) -> None:
    subject_ref, request_id = await office.subject(), RequestId.new()
    office.export_fails.append(DatabaseAway())
    with pytest.raises(DatabaseAway):
        await office.file(subject_ref, RequestKind.ACCESS, request_id=request_id)
    assert office.exports == []

    await office.file(subject_ref, RequestKind.ACCESS, request_id=request_id)
    async with office.database.transaction() as tx:
        await office.desk.answer_copies(tx, subject_ref)
    await office.file(subject_ref, RequestKind.ACCESS, request_id=request_id)

    assert office.exports == [(subject_ref, "en")]


async def test_a_restriction_stops_generating_at_once_and_lifting_the_last_one_ends_it(office: Office) -> None:
    subject_ref = await office.subject()
    old, new = (KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT) for _ in "ab")
    await office.items.issue([old])
    gate = Gate(uses_of(office.desk._book.versions[0]), frozenset())

    async def refusals() -> list[str | None]:
        lease = LeaseWish(subject_ref=subject_ref, item_id=old.item_id)
        openings = [Opening(Purpose.GENERATE), Opening(Purpose.SERVE)]
        leased = await office.items.lease([lease, lease], openings, gate)
        return [key.refusal for key in (*leased, *await office.items.issue([new]), *await office.items.issue([old]))]

    first = await office.file(subject_ref, RequestKind.RESTRICT)
    second = await office.file(subject_ref, RequestKind.RESTRICT)
    assert await refusals() == ["purpose_refused", None, "subject_restricted", None]

    question = rpc.RequestOwnQuestion(subject_ref=subject_ref, request_id=first.request_id)
    await office.answers.own_lift(question, Service.GATEWAY)
    assert (await refusals())[0] == "purpose_refused"
    await office.do(second, RequestAction.LIFT)

    assert await refusals() == [None, None, None, None]
    assert await office.told(first.request_id) == ["privacy.pause.began.v1", "privacy.pause.ended.v1"]


async def test_two_restrictions_lifted_at_one_moment_leave_nobody_restricted(office: Office) -> None:
    gate = Gate(uses_of(office.desk._book.versions[0]), frozenset())
    for _ in range(3):
        subject_ref = await office.subject()
        item = KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT)
        await office.items.issue([item])
        both = [await office.file(subject_ref, RequestKind.RESTRICT) for _ in "ab"]

        await asyncio.gather(*(office.desk.lift(subject_ref, one.request_id) for one in both))

        lease = LeaseWish(subject_ref=subject_ref, item_id=item.item_id)
        (leased,) = await office.items.lease([lease], [Opening(Purpose.GENERATE)], gate)
        assert leased.refusal is None


async def test_an_objection_and_a_withdrawal_count_with_their_receipt(office: Office) -> None:
    subject_ref = await office.subject()
    objected = await office.file(subject_ref, RequestKind.OBJECT, "marketing")
    withdrawn = await office.file(subject_ref, RequestKind.WITHDRAW, "train_models")
    unsaid = await office.file(subject_ref, RequestKind.OBJECT)

    row = await office.subjects._database.pool.fetchrow(
        "SELECT objections FROM keys.subjects WHERE subject_ref = $1", subject_ref
    )
    assert row is not None
    assert row["objections"] == ["marketing"]
    assert [one.state for one in (objected, withdrawn, unsaid)] == ["answered", "answered", "identity_checked"]
    for kind, purpose in ((RequestKind.OBJECT, "train_models"), (RequestKind.WITHDRAW, "marketing")):
        with pytest.raises(PurposeUnknown):
            await office.file(subject_ref, kind, purpose)


async def test_a_person_fills_the_desk_to_a_limit_but_a_no_is_always_taken(office: Office) -> None:
    subject_ref = await office.subject()
    for _ in range(3):
        await office.file(subject_ref, RequestKind.ENQUIRY)

    with pytest.raises(TooManyOpen):
        await office.file(subject_ref, RequestKind.ENQUIRY)
    assert (await office.file(subject_ref, RequestKind.OBJECT, "marketing")).state is RequestState.ANSWERED
    assert (await office.file(subject_ref, RequestKind.RESTRICT)).is_paused


async def test_whoever_answers_is_warned_once_and_what_is_late_is_counted(office: Office) -> None:
    subject_ref = await office.subject()
    requests = [await office.file(subject_ref, RequestKind.ENQUIRY) for _ in range(3)]
    seen = []
    for hours in (0, 126, 1, 42):
        office.clock.advance(hours=hours)
        await office.sweeps.warn(office.clock.now())
        seen.append([office.standing(RequestKind.ENQUIRY, one) for one in ("in_time", "soon", "overdue")])

    assert seen == [[3, 0, 0], [0, 3, 0], [0, 3, 0], [0, 0, 3]]
    late = await office.own(subject_ref, requests[0].request_id)
    assert (late.is_overdue, [step.step for step in late.steps].count("warned")) == (True, 1)


async def test_requests_end_with_their_period_and_their_keys_but_not_a_restriction_in_force(office: Office) -> None:
    subject_ref = await office.subject()
    kept = await office.file(subject_ref, RequestKind.RESTRICT)
    requests = [await office.file(subject_ref, RequestKind.ENQUIRY) for _ in range(3)]
    ends_at = requests[0].ends_at
    assert ends_at is not None
    assert FRIDAY + timedelta(days=350) < ends_at < FRIDAY + timedelta(days=365)
    wishes = [KeyWish(subject_ref=subject_ref, item_id=one.request_id, key_class=KeyClass.SUPPORT) for one in requests]
    await office.items.issue(wishes)

    async def counts() -> list[int | None]:
        steps = await office.database.pool.fetchval("SELECT count(*) FROM request_steps")
        keys = "SELECT count(*) FROM keys.item_keys WHERE subject_ref = $1"
        return [steps, await office.subjects._database.pool.fetchval(keys, subject_ref)]

    await office.sweeps.remove(ends_at - timedelta(seconds=1))
    before = await counts()
    await office.sweeps.remove(ends_at)

    assert (before, await counts()) == ([9, 3], [3, 0])
    everything = await office.answers.list(rpc.RequestListQuestion(is_open=False), Service.GATEWAY)
    assert [one.request_id for one in everything.requests] == [kept.request_id]


async def test_nothing_is_filed_for_somebody_who_is_being_forgotten(office: Office) -> None:
    subject_ref = await office.subject()
    async with office.database.transaction() as tx:
        await office.facts.append(
            tx, [NewFact(kind=FactKind.ERASURE_REQUESTED, subject_ref=subject_ref, at=office.clock.now())]
        )

    with pytest.raises(SubjectGone):
        await office.file(subject_ref, RequestKind.ENQUIRY)


async def test_no_line_of_a_dossier_can_be_changed_by_the_service(office: Office) -> None:
    await office.file(await office.subject(), RequestKind.ENQUIRY)

    for statement in ("UPDATE request_steps SET actor = 'nobody'", "DELETE FROM request_steps"):
        with pytest.raises(Exception, match="permission denied"):
            await office.database.pool.execute(statement)


async def test_where_the_policy_gives_the_staff_nothing_nobody_reads_what_is_written(
    servers: RunningServers, tmp_path: Path
) -> None:
    (tmp_path / "profile").mkdir()
    nobody = ("    staff_access: {logged: [support]}\n", "    staff_access: none\n")
    profile = written(tmp_path / "profile", nobody, profile="soragpt").parent
    async for office in opened_office(servers, tmp_path, profile):
        request = await office.file(await office.subject(), RequestKind.ENQUIRY)
        question = rpc.RequestReadQuestion(request_id=request.request_id, operator="A. Clerk", reason=TEXT)
        with pytest.raises(StaffMayNotRead):
            await office.answers.read(question, Service.GATEWAY)
        assert len((await office.own(request.subject_ref, request.request_id)).steps) == 2


async def test_a_corrected_login_is_found_the_old_one_is_not_and_the_request_is_answered(office: Office) -> None:
    subject_ref = await office.subject()
    old, new, taken = (hashlib.sha256(secrets.token_bytes(8)).hexdigest() for _ in range(3))
    other = SubjectRef.new()
    await office.subjects.open(subject_ref, old)
    await office.subjects.open(other, taken)
    request = await office.file(subject_ref, RequestKind.CORRECT)

    async def move(login_index: str) -> bool:
        question = LoginMoveQuestion(subject_ref=subject_ref, login_index=login_index, request_id=request.request_id)
        return (await office.answers.move_login(question, Service.GATEWAY)).is_moved

    assert await move(taken) is False
    assert (await office.own(subject_ref, request.request_id)).state is RequestState.IDENTITY_CHECKED
    assert [await move(new), await move(new)] == [True, True]
    assert [await office.subjects.find(one) for one in (old, new, taken)] == [None, subject_ref, other]
    steps = (await office.own(subject_ref, request.request_id)).steps
    assert [step.step for step in steps] == ["received", "identity_checked", "answered"]
