"""What every service answers to operators: its parked messages, their replay, its health, what it was refused to send."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lethe_common.bus import Bus, parking
from lethe_common.bus.requests import Answer
from lethe_common.clock import Clock
from lethe_common.database import Database, inbox, outbox
from lethe_common.egress.refusals import Refusals
from lethe_common.errors import LetheError
from lethe_common.logging import describe
from lethe_common.policy import Policy, PolicyBook
from lethe_common.rpc import operators
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service


class ParkedGone(LetheError):
    """Replayed by somebody else, or never there."""

    code, status = "parked_unknown", 404

    def __init__(self) -> None:
        super().__init__("No message is parked under this id. Reload the list.")


def operator_answers(
    service: Service, database: Database, bus: Bus, book: PolicyBook, clock: Clock, refusals: Refusals
) -> Mapping[type[Call[Any, Any]], Answer]:
    """The four answers, for one service."""

    async def listing(question: operators.ParkedListQuestion, _caller: Service) -> operators.ParkedListAnswer:
        parked, total = await parking.listing(database.pool, question.limit)
        return operators.ParkedListAnswer(parked=tuple(parked), total=total)

    async def replay(question: operators.ParkedReplayQuestion, _caller: Service) -> operators.ParkedReplayAnswer:
        return await _replay(database, bus, question)

    async def health(_question: operators.HealthQuestion, _caller: Service) -> operators.HealthAnswer:
        async with database.transaction() as tx:
            return operators.HealthAnswer(
                service=service,
                outbox_pending=await tx.fetchval(outbox.COUNT_PENDING),
                parked=await tx.fetchval(parking.COUNT),
                **dict(standing(book, clock.now())),
            )

    async def refused(_question: operators.EgressRefusalsQuestion, _caller: Service) -> operators.EgressRefusalsAnswer:
        return operators.EgressRefusalsAnswer(
            refusals=tuple(
                operators.EgressRefusal(at=one.at, recipient=one.recipient, purpose=one.purpose, reason=one.reason)
                for one in refusals.last()
            )
        )

    return {
        operators.egress_refusals(service): refused,
        operators.parked_list(service): listing,
        operators.parked_replay(service): replay,
        operators.health(service): health,
    }


def standing(book: PolicyBook, now: datetime) -> operators.PolicyStanding:
    """Which version of the policy counts now, and which one comes next."""
    policy, coming = book.governing(now), book.next_after(now)
    return operators.PolicyStanding(
        policy_hash=policy.hash,
        policy_time=now,
        policy_version=policy.version,
        policy_effective=policy.effective_at,
        policy_next=None if coming is None else _coming(coming),
    )


def _coming(policy: Policy) -> operators.PolicyComing:
    return operators.PolicyComing(hash=policy.hash, version=policy.version, effective=policy.effective_at)


async def _replay(
    database: Database, bus: Bus, question: operators.ParkedReplayQuestion
) -> operators.ParkedReplayAnswer:
    """Handle a parked message in one transaction with its removal; its effect and its inbox row are one.

    Of events that were told together those that fail stay parked, under an id of their own.
    """
    if bus.dispatcher is None:
        return operators.ParkedReplayAnswer(handled=False, error="starting")
    left: list[parking.Failed] = []
    try:
        async with database.transaction() as tx:
            taken = await parking.take(tx.connection, question.parked_id)
            if taken is None:
                raise ParkedGone
            consumer, parcel = taken
            envelope, events = bus.dispatcher.decode(parcel.subject, parcel.headers, parcel.data)
            if await inbox.enter(tx, consumer, [envelope.event_id]):
                left = await bus.dispatcher.handle_apart(events, tx)
            if len(left) == len(events):
                raise left[0].error
            if left:
                await parking.park_rest(tx.connection, consumer, parcel, envelope, left)
    except ParkedGone:
        raise
    except Exception as error:  # noqa: BLE001  the frame: the operator is told, the message stays parked
        return operators.ParkedReplayAnswer(handled=False, error=describe(error))
    if left:
        return operators.ParkedReplayAnswer(handled=False, error=describe(left[0].error))
    return operators.ParkedReplayAnswer(handled=True)
