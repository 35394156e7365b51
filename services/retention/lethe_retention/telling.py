"""What retention tells of deadlines, many in one event: for a message each they would be a quarter of the bus."""

from collections.abc import Sequence

from lethe_common.database import Transaction
from lethe_common.events.retention import ITEMS_MOST, ItemsScheduled
from lethe_retention.deadlines import Deadline


def tell_scheduled(tx: Transaction, deadlines: Sequence[Deadline]) -> None:
    """Tell new or moved deadlines, and which items have none any more."""
    items = [ItemsScheduled.Item(generation_id=one.item_id, due_at=one.due_at) for one in deadlines]
    for start in range(0, len(items), ITEMS_MOST):
        tx.tell(ItemsScheduled(items=tuple(items[start : start + ITEMS_MOST])))
