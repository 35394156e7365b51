"""The rights desk: takes requests, does at once what needs nobody's decision, and keeps the dossier of the rest.

A restriction stands in the key store, which no transaction here spans: it begins there
first and ends there first, so that a crash leaves nobody processed who asked not to be.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from lethe_common.clock import Clock
from lethe_common.consents import Way, asked
from lethe_common.database import Database, Transaction
from lethe_common.events.privacy import PauseBegan, PauseEnded
from lethe_common.identifiers import RequestId, SubjectRef
from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.clocks import Extension, answer_by, extension_of, warn_at
from lethe_common.policy.errors import UnknownRight
from lethe_common.policy.languages import Language
from lethe_common.policy.rules import Fact
from lethe_common.rpc import requests as rpc
from lethe_common.rpc.consents import ConsentsChangeQuestion
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_common.rpc.requests import (
    LETHE,
    PERSON,
    RequestAction,
    RequestKind,
    RequestState,
    SealedText,
    is_reserved,
)
from lethe_privacy import queries as erasures
from lethe_privacy import request_queries as queries
from lethe_privacy import requests
from lethe_privacy.consents import Consents
from lethe_privacy.errors import (
    KindNotTaken,
    NameReserved,
    PurposeUnknown,
    RequestUnknown,
    StaffMayNotRead,
    SubjectGone,
    TooManyOpen,
)
from lethe_privacy.facts import Facts
from lethe_privacy.requests import CHOICES, COPIES, Deed, Done, Request, Step
from lethe_privacy.subjects import Subjects

TICKET = "support.ticket"
BeginExport = Callable[[SubjectRef, Language], Awaitable[None]]
"""Begins the copy that a request asks for; whoever makes it calls `Desk.answer_copies` when it is ready."""


class Desk:
    """Requests of one deployment. Without `begin_export`, requests for a copy wait for an operator."""

    def __init__(
        self,
        database: Database,
        subjects: Subjects,
        consents: Consents,
        book: PolicyBook,
        clock: Clock,
        facts: Facts,
        *,
        open_most: int,
        begin_export: BeginExport | None = None,
    ) -> None:
        self._database, self._subjects, self._consents, self._facts = database, subjects, consents, facts
        self._book, self._clock, self._open_most, self._begin_export = book, clock, open_most, begin_export

    async def file(self, question: rpc.RequestFileQuestion) -> Request:
        """Take a request of somebody signed in.

        Raises:
            KindNotTaken: neither the policy nor a law it names knows such a request.
            PurposeUnknown: it is about a purpose that it cannot be about.
            SubjectUnknown, SubjectGone: there is no such subject, or it is being forgotten.
            TooManyOpen: the person has as many open requests as the desk takes.
            RequestUnknown: the id is another person's request.
        """
        now = self._clock.now()
        due_at = self._due_at(question.kind, now)
        async with self._database.transaction() as tx:
            known = await self._known(tx, question)
            if known is None:
                await self._must_have_room(tx, question)
        if known is not None:
            # The one who asked before may have ended before the copy was begun; one under way is joined.
            await self._begin_copy(known, question.language)
            return known
        is_done = await self._do_at_once(question)
        new = Request(
            question.request_id,
            question.subject_ref,
            question.kind,
            RequestState.RECEIVED,
            question.generation_id,
            now,
            due_at,
            is_extended=False,
            is_paused=question.kind in COPIES or question.kind is RequestKind.RESTRICT,
        )
        request = requests.received(new, question.text, is_done=is_done)
        async with self._database.transaction() as tx:
            if await tx.fetchval(erasures.IS_FACT, request.subject_ref, "erasure_requested"):
                raise SubjectGone
            await queries.add(tx, request, warn_at(now, due_at))
            if request.is_paused:
                await self._note(tx, FactKind.PAUSE_BEGAN, request.subject_ref, request.request_id)
                tx.tell(PauseBegan(request_id=request.request_id, subject_ref=request.subject_ref, began_at=now))
        await self._begin_copy(request, question.language)
        return request

    async def own(self, subject_ref: SubjectRef, request_id: RequestId) -> Request:
        """One of a person's own requests.

        Raises:
            RequestUnknown: there is none, or it is somebody else's.
        """
        request = await self.show(request_id)
        if request.subject_ref != subject_ref:
            raise RequestUnknown
        return request

    async def all_of(self, subject_ref: SubjectRef, limit: int) -> list[Request]:
        """A person's own requests, newest first."""
        async with self._database.transaction() as tx:
            return await queries.find(tx, queries.OWN, subject_ref, limit)

    async def listing(self, limit: int, *, is_open: bool) -> list[Request]:
        """What is to be answered, the most urgent first; or everything, newest first."""
        async with self._database.transaction() as tx:
            return await queries.find(tx, queries.URGENT if is_open else queries.NEWEST, limit)

    async def show(self, request_id: RequestId) -> Request:
        """One request with its dossier.

        Raises:
            RequestUnknown: there is none.
        """
        async with self._database.transaction() as tx:
            found = await queries.find(tx, queries.FIND, request_id)
        if not found:
            raise RequestUnknown
        return found[0]

    async def read(self, request_id: RequestId, operator: str, reason: SealedText) -> Request:
        """The same for an operator who reads what is written; that it was read, by whom and why, enters the dossier.

        Raises:
            StaffMayNotRead: the policy gives nobody of the staff access.
            NameReserved, RequestUnknown: as `decide`.
        """
        if self._policy.rule(TICKET).staff_access == "none":
            raise StaffMayNotRead
        _must_be_a_name(operator)
        done = Done(Step.READ, operator, self._clock.now(), text=reason)
        async with self._database.transaction() as tx:
            before = await self._locked(tx, request_id)
            last = before.steps[-1]
            if (last.step, last.actor, last.at) == (done.step, done.actor, done.at):
                return before
            return await self._write(tx, before, requests.noted(before, done))

    async def decide(self, question: rpc.RequestDecideQuestion) -> Request:
        """An operator moves a request on.

        Raises:
            RequestUnknown: there is none.
            NameReserved: the operator's name stands for the person or the suite.
            StepOutOfTurn, ExtensionNotAllowed, GroundNeeded, TextNeeded, NotRestricted: as `requests.after`.
        """
        _must_be_a_name(question.operator)
        deed = Deed(question.action, question.operator, self._clock.now(), question.ground, question.text)
        async with self._database.transaction() as tx:
            before = await self._locked(tx, question.request_id)
            if requests.done_already(before, deed):
                return before
            moved = requests.after(before, deed, self._extension(before))
            if deed.action is RequestAction.LIFT:
                await self._end_restriction(tx, before)
            return await self._write(tx, before, moved)

    async def lift(self, subject_ref: SubjectRef, request_id: RequestId) -> Request:
        """A person ends a restriction that they asked for; it counts from then on.

        Raises:
            RequestUnknown: there is no such request of theirs.
            NotRestricted: it never restricted anything.
        """
        async with self._database.transaction() as tx:
            before = await self._locked(tx, request_id, subject_ref)
            moved = requests.lifted(before, self._clock.now())
            await self._end_restriction(tx, before)
            return await self._write(tx, before, moved)

    async def take_back(self, subject_ref: SubjectRef, request_id: RequestId, *, has_lapsed: bool) -> Request:
        """A person takes a request back; or it lapses, because what it needs of them did not come in time.

        Raises:
            RequestUnknown: there is no such request of theirs.
            StepOutOfTurn: it was decided already.
        """
        async with self._database.transaction() as tx:
            before = await self._locked(tx, request_id, subject_ref)
            actor = LETHE if has_lapsed else PERSON
            return await self._write(tx, before, requests.taken_back(before, actor, self._clock.now()))

    async def answer_copies(self, tx: Transaction, subject_ref: SubjectRef) -> None:
        """A copy of what is kept of somebody is there: what they asked for by right is answered, in this transaction."""
        now = self._clock.now()
        for before in await queries.find(tx, queries.OPEN_COPIES, subject_ref, sorted(COPIES)):
            await self._write(tx, before, requests.answered(before, now))

    async def correct_login(self, subject_ref: SubjectRef, login_index: str, request_id: RequestId) -> bool:
        """Have a subject found by the login that it proved, and answer its request; False when the login is another's.

        Raises:
            SubjectGone: it is unknown, or being forgotten.
        """
        if not await self._subjects.move(subject_ref, login_index):
            return False
        async with self._database.transaction() as tx:
            request = await queries.lock(tx, request_id)
            if request is not None and request.subject_ref == subject_ref:
                await self._write(tx, request, requests.answered(request, self._clock.now()))
        return True

    def shown(self, request: Request, *, with_texts: bool = False) -> rpc.Request:
        """A request as it is told to the gateway."""
        now, extension = self._clock.now(), self._extension(request)
        may_extend = requests.may_extend(request, extension, now)
        return rpc.Request(
            request_id=request.request_id,
            subject_ref=request.subject_ref,
            kind=request.kind,
            state=request.state,
            generation_id=request.generation_id,
            received_at=request.received_at,
            due_at=request.due_at,
            extends_to=extension.ends_at if may_extend and extension is not None else None,
            is_overdue=request.is_overdue(now),
            is_due_soon=request.is_due_soon(now),
            is_paused=request.is_paused,
            ends_at=ends_at(self._book, request.received_at, now),
            steps=tuple(_line(number, done, with_texts=with_texts) for number, done in enumerate(request.steps, 1)),
        )

    @property
    def _policy(self) -> Policy:
        return self._book.governing(self._clock.now())

    def _due_at(self, kind: RequestKind, now: datetime) -> datetime:
        try:
            return answer_by(self._policy.content, requests.right_of(kind), now)
        except UnknownRight as error:
            raise KindNotTaken from error

    def _extension(self, request: Request) -> Extension | None:
        return extension_of(self._policy.content, requests.right_of(request.kind), request.received_at)

    async def _do_at_once(self, question: rpc.RequestFileQuestion) -> bool:
        """Whether what is asked for is done already: a restriction, or a no to purposes. Doing it twice changes nothing."""
        if question.kind is RequestKind.RESTRICT:
            at = self._clock.now()
            await self._facts.record([NewFact(kind=FactKind.RESTRICTED, subject_ref=question.subject_ref, at=at)])
            await self._subjects.restrict(question.subject_ref, is_restricted=True)
            return True
        if not question.purposes:
            return False
        about = asked(self._policy, question.language)
        default = CHOICES.get(question.kind)
        if any(purpose not in about or about[purpose].default != default for purpose in question.purposes):
            raise PurposeUnknown
        wishes = dict.fromkeys(question.purposes, False)
        change = ConsentsChangeQuestion(
            subject_ref=question.subject_ref,
            wishes=wishes,
            policy_hash=self._policy.hash,
            language=question.language,
            way=Way.REQUEST,
        )
        await self._consents.change(change)
        return True

    async def _begin_copy(self, request: Request, language: Language) -> None:
        if self._begin_export is not None and request.kind in COPIES and request.is_open:
            await self._begin_export(request.subject_ref, language)

    async def _known(self, tx: Transaction, question: rpc.RequestFileQuestion) -> Request | None:
        known = next(iter(await queries.find(tx, queries.FIND, question.request_id)), None)
        if known is not None and known.subject_ref != question.subject_ref:
            raise RequestUnknown
        return known

    async def _must_have_room(self, tx: Transaction, question: rpc.RequestFileQuestion) -> None:
        # A no is always taken; it is done at once and waits for nobody.
        if question.kind is RequestKind.RESTRICT or question.purposes:
            return
        if await tx.fetchval(queries.COUNT_OPEN_OF, question.subject_ref) >= self._open_most:
            raise TooManyOpen

    async def _locked(self, tx: Transaction, request_id: RequestId, owner: SubjectRef | None = None) -> Request:
        """A request; for an operator anybody's, for a person only their own."""
        request = await queries.lock(tx, request_id)
        if request is None or (owner is not None and request.subject_ref != owner):
            raise RequestUnknown
        return request

    async def _write(self, tx: Transaction, before: Request, now: Request) -> Request:
        await queries.move(tx, before, now, warn_at(now.received_at, now.due_at))
        if before.is_paused and not now.is_paused:
            at = self._clock.now()
            await self._note(tx, FactKind.PAUSE_ENDED, now.subject_ref, now.request_id)
            tx.tell(PauseEnded(request_id=now.request_id, subject_ref=now.subject_ref, ended_at=at))
        return now

    async def _note(self, tx: Transaction, kind: FactKind, subject_ref: SubjectRef, ref: str = "") -> None:
        await self._facts.append(tx, [NewFact(kind=kind, subject_ref=subject_ref, ref=ref, at=self._clock.now())])

    async def _end_restriction(self, tx: Transaction, request: Request) -> None:
        # Of two that are lifted at one moment the second sees that the first one is.
        await tx.execute(queries.LOCK_RESTRICTIONS, request.subject_ref)
        others = await tx.fetchval(queries.OTHER_RESTRICTIONS, request.subject_ref, request.request_id)
        if not others:
            await self._note(tx, FactKind.RESTRICTION_ENDED, request.subject_ref)
            await self._subjects.restrict(request.subject_ref, is_restricted=False)


def ends_at(book: PolicyBook, received_at: datetime, now: datetime) -> datetime | None:
    """When a request is deleted; None where its period begins with something else, such as the account's end."""
    return book.due_at(TICKET, [("", received_at)], {Fact.CREATED: received_at}, now)


def _must_be_a_name(operator: str) -> None:
    if is_reserved(operator):
        raise NameReserved


def _line(number: int, done: Done, *, with_texts: bool) -> rpc.RequestStep:
    return rpc.RequestStep(
        number=number,
        step=done.step,
        actor=done.actor,
        at=done.at,
        ground=done.ground,
        has_text=done.text is not None,
        text=done.text if with_texts else None,
    )
