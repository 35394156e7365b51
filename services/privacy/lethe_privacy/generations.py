"""Generations of the key store, and the order of a rotation's steps. Pure; `rotation.py` takes the steps.

    resting ──due──> copying_classes ──> copying_items ──> catching_up ──> backing_up ──> swapping ──> swapped ──┐
       ^                                                                                                        │
       └───────────────── old tables dropped, every other epoch destroyed, old backups removed ─────────────────┘

Each phase is a committed row, and its step may be taken again after a crash: batches
are written together with how far they came.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lethe_common.identifiers import SealKeyId


class Phase(StrEnum):
    """How far the next generation is."""

    RESTING = "resting"
    COPYING_CLASSES = "copying_classes"
    COPYING_ITEMS = "copying_items"
    CATCHING_UP = "catching_up"
    BACKING_UP = "backing_up"
    SWAPPING = "swapping"
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True)
class Generation:
    """The generation in use, since which policy time, and the one that is being written."""

    number: int
    epoch_id: SealKeyId
    began_at: datetime
    phase: Phase
    next_epoch_id: SealKeyId | None
    next_began_at: datetime | None
    copied: tuple[str, str]
    """The last row that was copied: a subject, and a class or an item."""

    @property
    def newest(self) -> int:
        """The newest generation that what is deleted now may have got into."""
        return self.number + (self.phase not in {Phase.RESTING, Phase.SWAPPED})


def next_beginning(began_at: datetime, now: datetime, rotation: timedelta) -> datetime | None:
    """When the generation that is due now is to have begun; None while none is due.

    Kept on the schedule of the first one, so that a day of rotations does not creep
    into the next; after a long pause one rotation is enough.
    """
    passed = (now - began_at) // rotation
    return began_at + passed * rotation if passed > 0 else None
