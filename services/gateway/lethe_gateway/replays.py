"""What the gateway does with facts that its data do not remember: brings each about once more. Repeating is safe."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from lethe_common.database import Transaction
from lethe_common.events.jobs import GenerationDeleteRequested
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.policy.training import TRAIN
from lethe_common.rpc.facts import Fact, FactKind
from lethe_gateway import account_queries, replay_queries
from lethe_gateway import outcome_queries as outcomes

_Step = Callable[[Fact, Transaction], Coroutine[Any, Any, bool]]


async def bring_about(facts: Sequence[Fact], tx: Transaction) -> Collection[SubjectRef]:
    """Have these facts hold in the gateway's data; who was erased and has an account again."""
    found = set()
    for fact in facts:
        step = _STEPS.get(fact.kind)
        if step is not None and fact.subject_ref is not None and await step(fact, tx):
            found.add(fact.subject_ref)
    return found


async def _close(fact: Fact, tx: Transaction) -> bool:
    account_id = await tx.fetchval(outcomes.SET_CLOSING, fact.subject_ref)
    if account_id is not None:
        await account_queries.revoke_all(tx, account_id)
    return account_id is not None


async def _fence(fact: Fact, tx: Transaction) -> bool:
    await _close(fact, tx)
    return False


async def _delete_item(fact: Fact, tx: Transaction) -> bool:
    row = await tx.fetchrow(replay_queries.HIDE, fact.ref, fact.subject_ref, fact.at)
    if row is not None:
        tx.tell(
            GenerationDeleteRequested(
                generation_id=GenerationId(fact.ref), subject_ref=SubjectRef.trusted(row["subject_ref"])
            )
        )
    return False


async def _revoke_key(fact: Fact, tx: Transaction) -> bool:
    await tx.execute(replay_queries.REVOKE_KEY, fact.ref, fact.subject_ref)
    return False


async def _end_session(fact: Fact, tx: Transaction) -> bool:
    await tx.execute(replay_queries.END_SESSION, bytes.fromhex(fact.ref), fact.subject_ref)
    return False


async def _void_password(fact: Fact, tx: Transaction) -> bool:
    """The password of before is another one's again: none is left, and a mailed link sets a new one."""
    for statement in (replay_queries.VOID_LOGIN, replay_queries.END_SESSIONS, replay_queries.VOID_RESETS):
        await tx.execute(statement, fact.subject_ref, fact.at)
    return False


async def _end_training(fact: Fact, tx: Transaction) -> bool:
    """The choice itself lies with the keys, outside the backups, and so do the keys of these records."""
    if fact.ref == TRAIN:
        await tx.execute(replay_queries.END_TRAINING, fact.subject_ref, fact.at)
    return False


_STEPS: Mapping[FactKind, _Step] = {
    FactKind.ERASURE_REQUESTED: _fence,
    FactKind.ERASED: _close,
    FactKind.ITEM_DELETED: _delete_item,
    FactKind.KEY_REVOKED: _revoke_key,
    FactKind.SESSION_ENDED: _end_session,
    FactKind.PASSWORD_CHANGED: _void_password,
    FactKind.WITHDRAWN: _end_training,
}
"""All other choices lie with the keys alone, outside the backups."""
