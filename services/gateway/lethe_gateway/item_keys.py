"""Item keys from the privacy service, asked for in groups and never kept.

An answer that no key is given is an error here, so that nothing is ever written
or shown in clear for want of a key.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass

from lethe_common.bus import Bus
from lethe_common.coalescer import Coalescer
from lethe_common.errors import LetheError, Unavailable
from lethe_common.identifiers import SealKeyId
from lethe_common.leased_keys import LeasedKeys
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.privacy import (
    ItemKey,
    KeyClass,
    KeyDestroy,
    KeyDestroyQuestion,
    KeyIssue,
    KeyIssueQuestion,
    KeyLease,
    KeyLeaseQuestion,
    KeyWish,
    LeaseWish,
    Purpose,
)
from lethe_gateway.errors import AwayForNow, Gone, NotSignedIn, ProcessingRestricted, UseRefused

_PURPOSES = (
    Purpose.SIGN_IN, Purpose.SHOW, Purpose.MAIL, Purpose.SERVE, Purpose.REQUEST, Purpose.SUPPORT, Purpose.EXPORT,
    Purpose.REGISTER, Purpose.ACT, Purpose.TRAIN,
)  # fmt: skip
# One question under way at a time gathers twice as many wishes as two would.
_ASKING_AT_ONCE = 1


@dataclass(frozen=True, slots=True, repr=False)
class HeldKey:
    """A key in memory, for as long as one request needs it."""

    key_id: SealKeyId
    key: bytes


class ItemKeys:
    """Issues, leases and destroys; what waits at one moment travels in one message."""

    def __init__(self, bus: Bus, leased: LeasedKeys) -> None:
        self._bus, self._leased = bus, leased
        self._issuing: Coalescer[KeyWish, ItemKey | LetheError] = Coalescer(self._issue, writers=_ASKING_AT_ONCE)
        self._leasing = {
            purpose: Coalescer[LeaseWish, ItemKey | LetheError](self._lease_for(purpose), writers=_ASKING_AT_ONCE)
            for purpose in _PURPOSES
        }

    @property
    def workers(self) -> list[Callable[[], Awaitable[None]]]:
        """To be run for ever by the frame."""
        return [self._issuing.run, *(leasing.run for leasing in self._leasing.values())]

    async def issue(self, subject_ref: str, item_id: str, key_class: KeyClass) -> HeldKey:
        """The key of a new item, or the first one issued for it.

        Raises:
            NotSignedIn: the subject is being erased.
            ProcessingRestricted: it would be content, and the subject has restricted its processing.
            Unavailable: the privacy service is away.
        """
        return await self.issuing(subject_ref, item_id, key_class)

    def issuing(self, subject_ref: str, item_id: str, key_class: KeyClass) -> Coroutine[None, None, HeldKey]:
        """The same, asked for at once and awaited later."""
        wish = KeyWish.model_validate({"subject_ref": subject_ref, "item_id": item_id, "key_class": key_class})
        return _answered(self._issuing.start(wish))

    async def lease(self, purpose: Purpose, subject_ref: str, item_id: str) -> HeldKey:
        """The key of an existing item, for one purpose.

        Raises:
            Gone: the key was destroyed.
            NotSignedIn: the subject is being erased.
            Unavailable: the privacy service is away.
        """
        wish = LeaseWish.model_validate({"subject_ref": subject_ref, "item_id": item_id})
        return _held(await self._leasing[purpose].put(wish))

    async def lease_for(self, use: str, purpose: Purpose, subject_ref: str, item_id: str) -> HeldKey:
        """The same in the service of one of the policy's other purposes, which rests on what people chose.

        Raises:
            UseRefused: the policy or the subject does not allow it.
            Gone, NotSignedIn, Unavailable: as `lease`.
        """
        wish = LeaseWish.model_validate({"subject_ref": subject_ref, "item_id": item_id})
        return _held((await self._ask(purpose, (wish,), use))[0])

    async def destroy(self, items: Sequence[tuple[str, str]]) -> None:
        """Destroy the keys of these (subject_ref, item_id)."""
        wishes = tuple(LeaseWish.model_validate({"subject_ref": ref, "item_id": item}) for ref, item in items)
        await self._bus.ask(KeyDestroy, KeyDestroyQuestion(wishes=wishes))

    async def _issue(self, wishes: Sequence[KeyWish]) -> list[ItemKey | LetheError]:
        try:
            return list((await self._bus.ask(KeyIssue, KeyIssueQuestion(wishes=tuple(wishes)))).keys)
        except (Unavailable, Refused) as error:
            # All get the same answer: asking again one by one would wait for each.
            return [error] * len(wishes)

    async def _ask(self, purpose: Purpose, wishes: Sequence[LeaseWish], use: str = "service") -> list[ItemKey]:
        """Keys that are counted from the question on until nothing refers to them any more."""
        question = KeyLeaseQuestion(purpose=purpose, process=self._leased.process, use=use, wishes=tuple(wishes))
        with self._leased.asking([wish.subject_ref for wish in wishes]):
            answer = await self._bus.ask(KeyLease, question)
            return [self._leased.hold(wish.subject_ref, key) for wish, key in zip(wishes, answer.keys, strict=True)]

    def _lease_for(self, purpose: Purpose) -> Callable[[Sequence[LeaseWish]], Awaitable[list[ItemKey | LetheError]]]:
        async def lease(wishes: Sequence[LeaseWish]) -> list[ItemKey | LetheError]:
            try:
                return [*await self._ask(purpose, wishes)]
            except (Unavailable, Refused) as error:
                return [error] * len(wishes)

        return lease


async def _answered(answer: Awaitable[ItemKey | LetheError]) -> HeldKey:
    return _held(await answer)


def _held(answer: ItemKey | LetheError) -> HeldKey:
    if isinstance(answer, LetheError):
        # A fresh error each time: one shared instance would collect every waiter's traceback.
        raise AwayForNow("The key service is away for a moment. Try again in a few seconds.") from answer
    if answer.key is not None and answer.key_id is not None:
        return HeldKey(answer.key_id, answer.key)
    if answer.refusal == "key_unknown":
        raise Gone
    if answer.refusal in {"subject_fenced", "subject_unknown"}:
        raise NotSignedIn("This account is closed or being erased.")
    if answer.refusal == "subject_restricted":
        raise ProcessingRestricted
    if answer.refusal == "purpose_refused":
        raise UseRefused
    raise AwayForNow("The key service gave no key. Try again in a few seconds.")
