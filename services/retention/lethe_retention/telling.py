"""What retention tells of items, many in one event: for a message each they would be a quarter of the bus."""

from collections.abc import Sequence

from lethe_common.database import Transaction
from lethe_common.events.envelope import portions
from lethe_common.events.retention import ExportsDue, ExportsScheduled, ItemsDue, ItemsScheduled
from lethe_common.identifiers import ExportId
from lethe_retention.deadlines import Deadline


def tell_scheduled(tx: Transaction, deadlines: Sequence[Deadline]) -> None:
    """Tell new or moved deadlines, and which items have none any more."""
    generations, exports = [], []
    for one in deadlines:
        if isinstance(one.item_id, ExportId):
            exports.append(ExportsScheduled.Item(export_id=one.item_id, due_at=one.due_at, moves=one.moves))
        else:
            generations.append(ItemsScheduled.Item(generation_id=one.item_id, due_at=one.due_at, moves=one.moves))
    for items in portions(generations):
        tx.tell(ItemsScheduled(items=items))
    for archives in portions(exports):
        tx.tell(ExportsScheduled(items=archives))


def tell_due(tx: Transaction, deadlines: Sequence[Deadline]) -> None:
    """Tell whose time is over."""
    generations, exports = [], []
    for one in deadlines:
        assert one.due_at is not None  # noqa: S101  the statements take only what has a clock
        if isinstance(one.item_id, ExportId):
            exports.append(ExportsDue.Item(export_id=one.item_id, subject_ref=one.subject_ref, due_at=one.due_at))
        else:
            generations.append(
                ItemsDue.Item(
                    generation_id=one.item_id, subject_ref=one.subject_ref, category=one.category, due_at=one.due_at
                )
            )
    for items in portions(generations):
        tx.tell(ItemsDue(items=items))
    for archives in portions(exports):
        tx.tell(ExportsDue(items=archives))
