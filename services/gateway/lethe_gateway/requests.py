"""Requests by right as people and operators meet them: what is written is sealed on its way in and opened on its way out."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe_common.bus import Bus
from lethe_common.database import Database
from lethe_common.identifiers import GenerationId, RequestId, SubjectRef
from lethe_common.policy.languages import Language
from lethe_common.rpc import requests as rpc
from lethe_common.rpc.privacy import KeyClass, Purpose
from lethe_common.rpc.requests import RefusalGround, RequestAction, RequestKind, RequestState, SealedText
from lethe_common.sealing import SealContext, Sealer
from lethe_gateway import account_queries, ids
from lethe_gateway.consents import SaidNo
from lethe_gateway.errors import BadRequest
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.mails import Mails

CATEGORY = "support.ticket"
_CHOICES = frozenset({RequestKind.OBJECT, RequestKind.WITHDRAW})
_ANSWERABLE = frozenset({RequestState.IDENTITY_CHECKED, RequestState.IN_PROGRESS, RequestState.EXTENDED})
_IN_WORDS = frozenset({RequestKind.CORRECT, RequestKind.ENQUIRY, RequestKind.CHILD, RequestKind.DEPICTED})


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for."""

    kind: RequestKind
    language: Language
    generation_id: GenerationId | None = None
    purposes: tuple[str, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator does with a request; `text` is what its person is told."""

    action: RequestAction
    operator: str
    ground: RefusalGround | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A request, and what was written in its dossier, by the number of the line; without texts where nobody read them."""

    request: rpc.Request
    texts: dict[int, str]


class Requests:
    """Asks the privacy service, which keeps the requests."""

    def __init__(
        self, bus: Bus, keys: ItemKeys, sealer: Sealer, database: Database, mails: Mails, said_no: SaidNo
    ) -> None:
        self._bus, self._keys, self._sealer = bus, keys, sealer
        self._database, self._mails, self._said_no = database, mails, said_no

    async def file(self, subject_ref: str, wish: Wish) -> Shown:
        """Take a request; what needs nobody's decision is done when this returns.

        Raises:
            NotSignedIn: the account is being erased.
            Refused: the desk does not take it.
        """
        request_id, ref = RequestId.new(), SubjectRef.trusted(subject_ref)
        question = rpc.RequestFileQuestion(
            request_id=request_id,
            subject_ref=ref,
            kind=wish.kind,
            generation_id=wish.generation_id,
            purposes=wish.purposes,
            language=wish.language,
            text=await self._sealed(ref, request_id, wish.text),
        )
        filed = (await self._bus.ask(rpc.RequestFile, question)).request
        await self._said_no(subject_ref, wish.purposes)
        return Shown(filed, {})

    async def all_of(self, subject_ref: str, limit: int) -> Sequence[rpc.Request]:
        """Somebody's own requests, newest first."""
        question = rpc.RequestOwnListQuestion(subject_ref=SubjectRef.trusted(subject_ref), limit=limit)
        return (await self._bus.ask(rpc.RequestOwnList, question)).requests

    async def own(self, subject_ref: str, request_id: str) -> Shown:
        """One of them, with what was written.

        Raises:
            NotFound: there is none with this id.
            Refused: it is somebody else's.
        """
        question = rpc.RequestOwnQuestion(subject_ref=SubjectRef.trusted(subject_ref), request_id=named(request_id))
        return await self._opened((await self._bus.ask(rpc.RequestOwnShow, question)).request, Purpose.REQUEST)

    async def lift(self, subject_ref: str, request_id: str) -> rpc.Request:
        """End a restriction that this person asked for."""
        question = rpc.RequestOwnQuestion(subject_ref=SubjectRef.trusted(subject_ref), request_id=named(request_id))
        return (await self._bus.ask(rpc.RequestOwnLift, question)).request

    async def take_back(self, subject_ref: str, request_id: str, *, has_lapsed: bool = False) -> rpc.Request:
        """Close a request that its person wants nothing of any more, or that lapsed."""
        question = rpc.RequestOwnCloseQuestion(
            subject_ref=SubjectRef.trusted(subject_ref), request_id=named(request_id), has_lapsed=has_lapsed
        )
        return (await self._bus.ask(rpc.RequestOwnClose, question)).request

    async def listing(self, limit: int, *, is_open: bool) -> Sequence[rpc.Request]:
        """Requests for operators: what is to be answered, the most urgent first, or all, newest first."""
        return (await self._bus.ask(rpc.RequestList, rpc.RequestListQuestion(is_open=is_open, limit=limit))).requests

    async def show(self, request_id: str) -> rpc.Request:
        """One request for operators, without what was written."""
        question = rpc.RequestShowQuestion(request_id=named(request_id))
        return (await self._bus.ask(rpc.RequestShow, question)).request

    async def read(self, request_id: str, operator: str, reason: str) -> Shown:
        """One request with what was written; that it was read, by whom and why, is seen by its person.

        Raises:
            Refused: the policy gives nobody of the staff access.
        """
        known = await self.show(request_id)
        sealed = await self._sealed(known.subject_ref, known.request_id, reason)
        assert sealed is not None  # noqa: S101  a reason is never empty
        question = rpc.RequestReadQuestion(request_id=known.request_id, operator=operator, reason=sealed)
        return await self._opened((await self._bus.ask(rpc.RequestRead, question)).request, Purpose.SUPPORT)

    async def decide(self, request_id: str, decision: Decision) -> rpc.Request:
        """Move a request on; where its person is told something in words, a mail says that there is something to read."""
        known = await self.show(request_id)
        question = rpc.RequestDecideQuestion(
            request_id=known.request_id,
            action=decision.action,
            operator=decision.operator,
            ground=decision.ground,
            text=await self._sealed(known.subject_ref, known.request_id, decision.text),
        )
        decided = (await self._bus.ask(rpc.RequestDecide, question)).request
        if decision.text is not None:
            await self._tell(decided.subject_ref)
        return decided

    async def _tell(self, subject_ref: str) -> None:
        """What concerns a person is told to them within the request's time, not only shown when they come by."""
        async with self._database.transaction() as tx:
            account = await tx.fetchrow(account_queries.ACCOUNT_OF_SUBJECT, subject_ref)
            # A guest has no address.
            if account is not None and account["email_sealed"] is not None:
                await self._mails.news(tx, account["account_id"], subject_ref)

    async def _sealed(self, subject_ref: str, request_id: str, text: str | None) -> SealedText | None:
        # A request's key is made with its first text; asking for it again finds it, and is refused after a fence.
        held = await self._keys.issue(subject_ref, request_id, KeyClass.SUPPORT)
        if text is None:
            return None
        context = SealContext(CATEGORY, subject_ref, request_id, held.key_id)
        return SealedText.model_construct(
            sealed=self._sealer.seal(held.key, context, text.encode()), key_id=held.key_id
        )

    async def _opened(self, request: rpc.Request, purpose: Purpose) -> Shown:
        written = [(step.number, step.text) for step in request.steps if step.text is not None]
        if not written:
            return Shown(request, {})
        held = await self._keys.lease(purpose, request.subject_ref, request.request_id)
        texts = {
            number: self._sealer.open(
                held.key, SealContext(CATEGORY, request.subject_ref, request.request_id, text.key_id), text.sealed
            ).decode()
            for number, text in written
        }
        return Shown(request, texts)


def must_be_whole(wish: Wish) -> None:
    """Raises:
    BadRequest: it does not say what it is about, or it says what such a request is never about.
    """
    if wish.purposes and wish.kind not in _CHOICES:
        raise BadRequest("Only an objection or a withdrawal is about purposes. Leave them out.", param="purposes")
    if (wish.generation_id is not None) != (wish.kind is RequestKind.DEPICTED):
        raise BadRequest("Name the video if somebody is depicted in it, and only then.", param="video")
    is_unsaid = wish.kind in _IN_WORDS or (wish.kind in _CHOICES and not wish.purposes)
    if is_unsaid and wish.text is None:
        raise BadRequest("Say what this is about.", param="text", code="missing_text")


def depicted_in(request: rpc.Request, decision: Decision) -> str:
    """The video that goes with an answer. It goes first, so that what is answered has been done: all that could refuse
    the answer refuses here.

    Raises:
        BadRequest: this is no answer to an open request of somebody who is seen in a video.
    """
    is_answer = decision.action is RequestAction.ANSWER and request.state in _ANSWERABLE
    video = request.generation_id
    if video is None or not is_answer or decision.text is None or rpc.is_reserved(decision.operator):
        raise BadRequest(
            "A video is removed with an answer in words, signed with your own name, to an open request of somebody who "
            "is seen in it.",
            param="remove_video",
        )
    return video


def named(request_id: str) -> RequestId:
    """The id in an address.

    Raises:
        NotFound: nothing can have it.
    """
    return ids.named(
        RequestId, request_id, "There is no request with this id. List the requests.", code="request_unknown"
    )
