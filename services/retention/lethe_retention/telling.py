"""What retention tells of items, many in one event: for a message each they would be a quarter of the bus."""

from collections.abc import Sequence

from lethe_common.database import Transaction
from lethe_common.events.envelope import portions
from lethe_common.events.retention import ItemsDue, ItemsScheduled
from lethe_retention.deadlines import Deadline


def tell_scheduled(tx: Transaction, deadlines: Sequence[Deadline]) -> None:
    """Tell new or moved deadlines, and which items have none any more."""
    for items in portions([ItemsScheduled.Item(generation_id=one.item_id, due_at=one.due_at) for one in deadlines]):
        tx.tell(ItemsScheduled(items=items))


def tell_due(tx: Transaction, deadlines: Sequence[Deadline]) -> None:
    """Tell whose time is over."""
    for items in portions([_due(deadline) for deadline in deadlines]):
        tx.tell(ItemsDue(items=items))


def _due(deadline: Deadline) -> ItemsDue.Item:
    assert deadline.due_at is not None  # noqa: S101  the statements take only what has a clock
    return ItemsDue.Item(
        generation_id=deadline.item_id,
        subject_ref=deadline.subject_ref,
        category=deadline.category,
        due_at=deadline.due_at,
    )
