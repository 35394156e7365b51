"""What the privacy service answers. Keys of all callers that wait at one moment are made together."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from lethe_common.bus.requests import Answer
from lethe_common.coalescer import Coalescer
from lethe_common.database import Database
from lethe_common.process import Worker
from lethe_common.rpc import consents as choices
from lethe_common.rpc import privacy as rpc
from lethe_common.rpc import requests as rights
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service
from lethe_privacy import leases, queries
from lethe_privacy.access_log import AccessLog
from lethe_privacy.consents import Consents
from lethe_privacy.desk import Desk
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.leases import Gates, Opening
from lethe_privacy.saga import ErasureSaga
from lethe_privacy.subjects import Subjects
from lethe_privacy.transparency import CertificateLog

Wishes = tuple[rpc.KeyWish, ...]
LeaseWishes = tuple[Opening, tuple[rpc.LeaseWish, ...]]
Keys = tuple[rpc.ItemKey, ...]


class KeyAnswers:
    """Keys and logins."""

    def __init__(
        self,
        subjects: Subjects,
        keys: ItemKeys,
        gates: Gates,
        log: AccessLog,
        *,
        max_batch: int,
        max_waiting: int,
        writers: int,
    ) -> None:
        self._subjects, self._keys, self._gates, self._log = subjects, keys, gates, log
        self.issuing = Coalescer[Wishes, Keys](
            self._issue_together, max_batch=max_batch, max_waiting=max_waiting, writers=writers
        )
        self.leasing = Coalescer[LeaseWishes, Keys](
            self._lease_together, max_batch=max_batch, max_waiting=max_waiting, writers=writers
        )

    @property
    def workers(self) -> tuple[Worker, ...]:
        """What has to run for keys to be answered."""
        return self.issuing.run, self.leasing.run

    def answers(self) -> Mapping[type[Call[Any, Any]], Answer]:
        """Each call and who answers it."""
        return {
            rpc.SubjectOpen: self.open_subject,
            rpc.IndexLookup: self.look_up,
            rpc.KeyIssue: self.issue,
            rpc.KeyLease: self.lease,
            rpc.KeyDestroy: self.destroy,
        }

    async def open_subject(self, question: rpc.SubjectOpenQuestion, _caller: Service) -> rpc.SubjectOpenAnswer:
        """Begin a subject.

        Raises:
            SubjectGone: it is being forgotten, or is forgotten.
        """
        is_opened = await self._subjects.open(question.subject_ref, question.login_index)
        return rpc.SubjectOpenAnswer(is_opened=is_opened)

    async def look_up(self, question: rpc.IndexLookupQuestion, _caller: Service) -> rpc.IndexLookupAnswer:
        """Find a subject by its login."""
        return rpc.IndexLookupAnswer(subject_ref=await self._subjects.find(question.login_index))

    async def issue(self, question: rpc.KeyIssueQuestion, _caller: Service) -> rpc.KeysAnswer:
        """Make the keys of new items."""
        return rpc.KeysAnswer(keys=await self.issuing.put(question.wishes))

    async def lease(self, question: rpc.KeyLeaseQuestion, caller: Service) -> rpc.KeysAnswer:
        """Open the keys of existing items, once it is on record who was granted them."""
        items = [wish.item_id for wish in question.wishes]
        if not leases.is_allowed(caller, question.purpose) or not leases.is_about(question.purpose, items):
            return rpc.KeysAnswer(
                keys=tuple(rpc.ItemKey(item_id=item_id, refusal=leases.PURPOSE_REFUSED) for item_id in items)
            )
        opening = Opening(question.purpose, question.use)
        keys = await self.leasing.put((opening, question.wishes))
        return rpc.KeysAnswer(keys=await self._log.recorded(caller, question.process, opening, question.wishes, keys))

    async def destroy(self, question: rpc.KeyDestroyQuestion, _caller: Service) -> rpc.KeyDestroyAnswer:
        """Destroy the keys of items that are deleted."""
        return rpc.KeyDestroyAnswer(destroyed=await self._keys.destroy(question.wishes))

    async def _issue_together(self, questions: Sequence[Wishes]) -> list[Keys]:
        return _dealt(await self._keys.issue(list(chain.from_iterable(questions))), questions)

    async def _lease_together(self, questions: Sequence[LeaseWishes]) -> list[Keys]:
        wishes = [wish for _, wished in questions for wish in wished]
        openings = [opening for opening, wished in questions for _ in wished]
        keys = await self._keys.lease(wishes, openings, self._gates())
        return _dealt(keys, [wished for _, wished in questions])


class ConsentAnswers:
    """What people chose."""

    def __init__(self, consents: Consents) -> None:
        self._consents = consents

    def answers(self) -> Mapping[type[Call[Any, Any]], Answer]:
        """Each call and who answers it."""
        return {choices.ConsentsShow: self.show, choices.ConsentsChange: self.change}

    async def show(self, question: choices.ConsentsShowQuestion, _caller: Service) -> choices.ConsentsAnswer:
        """What a subject decided last about each purpose."""
        return choices.ConsentsAnswer(choices=await self._consents.show(question.subject_ref))

    async def change(self, question: choices.ConsentsChangeQuestion, _caller: Service) -> choices.ConsentsAnswer:
        """Record what is new among the wishes."""
        return choices.ConsentsAnswer(choices=await self._consents.change(question))


class RequestAnswers:
    """Requests by right, of people and for operators."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def answers(self) -> Mapping[type[Call[Any, Any]], Answer]:
        """Each call and who answers it."""
        return {
            rights.RequestFile: self.file,
            rights.RequestOwnList: self.own_list,
            rights.RequestOwnShow: self.own_show,
            rights.RequestOwnLift: self.own_lift,
            rights.RequestOwnClose: self.own_close,
            rights.RequestList: self.list,
            rights.RequestShow: self.show,
            rights.RequestRead: self.read,
            rights.RequestDecide: self.decide,
            rpc.LoginMove: self.move_login,
        }

    async def file(self, question: rights.RequestFileQuestion, _caller: Service) -> rights.RequestAnswer:
        """Take a request."""
        return rights.RequestAnswer(request=self._desk.shown(await self._desk.file(question)))

    async def own_list(self, question: rights.RequestOwnListQuestion, _caller: Service) -> rights.RequestsAnswer:
        """A person's own requests."""
        found = await self._desk.all_of(question.subject_ref, question.limit)
        return rights.RequestsAnswer(requests=tuple(self._desk.shown(one) for one in found))

    async def own_show(self, question: rights.RequestOwnQuestion, _caller: Service) -> rights.RequestAnswer:
        """One of them, with what was written."""
        found = await self._desk.own(question.subject_ref, question.request_id)
        return rights.RequestAnswer(request=self._desk.shown(found, with_texts=True))

    async def own_close(self, question: rights.RequestOwnCloseQuestion, _caller: Service) -> rights.RequestAnswer:
        """One of a person's own requests that they take back, or that lapses."""
        closed = await self._desk.take_back(question.subject_ref, question.request_id, has_lapsed=question.has_lapsed)
        return rights.RequestAnswer(request=self._desk.shown(closed))

    async def own_lift(self, question: rights.RequestOwnQuestion, _caller: Service) -> rights.RequestAnswer:
        """End a restriction."""
        lifted = await self._desk.lift(question.subject_ref, question.request_id)
        return rights.RequestAnswer(request=self._desk.shown(lifted))

    async def list(self, question: rights.RequestListQuestion, _caller: Service) -> rights.RequestsAnswer:
        """Requests for operators."""
        found = await self._desk.listing(question.limit, is_open=question.is_open)
        return rights.RequestsAnswer(requests=tuple(self._desk.shown(one) for one in found))

    async def show(self, question: rights.RequestShowQuestion, _caller: Service) -> rights.RequestAnswer:
        """One request without what was written."""
        return rights.RequestAnswer(request=self._desk.shown(await self._desk.show(question.request_id)))

    async def read(self, question: rights.RequestReadQuestion, _caller: Service) -> rights.RequestAnswer:
        """One request with what was written, noted in its dossier."""
        found = await self._desk.read(question.request_id, question.operator, question.reason)
        return rights.RequestAnswer(request=self._desk.shown(found, with_texts=True))

    async def decide(self, question: rights.RequestDecideQuestion, _caller: Service) -> rights.RequestAnswer:
        """Move a request on."""
        return rights.RequestAnswer(request=self._desk.shown(await self._desk.decide(question)))

    async def move_login(self, question: rpc.LoginMoveQuestion, _caller: Service) -> rpc.LoginMoveAnswer:
        """Correct the address that somebody signs in by."""
        is_moved = await self._desk.correct_login(question.subject_ref, question.login_index, question.request_id)
        return rpc.LoginMoveAnswer(is_moved=is_moved)


class ErasureAnswers:
    """Erasures and their certificates."""

    def __init__(
        self, saga: ErasureSaga, database: Database, certificate_log: CertificateLog, public_key_pem: str
    ) -> None:
        self._saga, self._database, self._log = saga, database, certificate_log
        self._public_key_pem = public_key_pem

    def answers(self) -> Mapping[type[Call[Any, Any]], Answer]:
        """Each call and who answers it."""
        return {
            rpc.ErasureOpen: self.open,
            rpc.ErasureState: self.state,
            rpc.KeysLetGo: self.let_go,
            rpc.PublicKey: self.public_key,
            rpc.LogHead: self.log_head,
        }

    async def open(self, question: rpc.ErasureOpenQuestion, _caller: Service) -> rpc.ErasureOpenAnswer:
        """Begin an erasure.

        Raises:
            SubjectUnknown: there is no such subject.
            TooManyClaims: the erasure has enough links.
        """
        erasure_id = await self._saga.open(question.subject_ref, question.claim_hash, question.act)
        return rpc.ErasureOpenAnswer(erasure_id=erasure_id)

    async def let_go(self, question: rpc.KeysLetGoQuestion, caller: Service) -> rpc.KeysLetGoAnswer:
        """A process has none of a subject's keys in memory."""
        await self._saga.let_go(question.subject_ref, caller, question.process)
        return rpc.KeysLetGoAnswer()

    async def state(self, question: rpc.ErasureStateQuestion, _caller: Service) -> rpc.ErasureStateAnswer:
        """How far an erasure is, for whoever has its link."""
        async with self._database.single() as tx:
            row = await tx.fetchrow(queries.BY_CLAIM, question.claim_hash)
        if row is None:
            return rpc.ErasureStateAnswer()
        return rpc.ErasureStateAnswer(
            erasure_id=row["erasure_id"],
            state=row["state"],
            requested_at=row["requested_at"],
            certificate_id=row["certificate_id"],
            certificate=None if row["document"] is None else json.loads(row["document"]),
            final_certificate=None if row["final_document"] is None else json.loads(row["final_document"]),
        )

    async def public_key(self, _question: rpc.PublicKeyQuestion, _caller: Service) -> rpc.PublicKeyAnswer:
        """The key that certificates are checked with."""
        return rpc.PublicKeyAnswer(pem=self._public_key_pem)

    async def log_head(self, question: rpc.LogHeadQuestion, _caller: Service) -> rpc.LogHeadAnswer:
        """The newest head of the log of certificates.

        Raises:
            LogShorter: the log never had as many entries.
        """
        async with self._database.transaction() as tx:
            return rpc.LogHeadAnswer(document=await self._log.newest(tx, question.since))


def _dealt(keys: Sequence[rpc.ItemKey], questions: Sequence[Sequence[object]]) -> list[Keys]:
    """Each question's share of the answers."""
    shares, start = [], 0
    for question in questions:
        shares.append(tuple(keys[start : start + len(question)]))
        start += len(question)
    return shares
