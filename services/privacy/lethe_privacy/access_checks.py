"""Whether the access log holds: batch by batch, and inside of each entry by entry, until the first that does not. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from lethe_privacy.access_checkpoints import Checkpoint
from lethe_privacy.errors import AccessLogBroken
from lethe_privacy.grants import NOTHING, Batch, commitment_of, link_of

Entry = Mapping[str, JsonValue]
START = Checkpoint(0, NOTHING)
"""Before the first batch of all."""


@dataclass(frozen=True, slots=True)
class Body:
    """One subject's entries of a batch with their places; None when nobody can read them any more."""

    body: int
    entries: Sequence[tuple[int, Entry]] | None


@dataclass(slots=True)
class Walk:
    """How far a walk along the chain came, what it met, and the checkpoints from outside that it still has to meet."""

    last: Checkpoint = START
    outside: Mapping[int, bytes] = field(default_factory=dict)
    batches: int = 0
    entries: int = 0
    unreadable: int = 0

    def begin(self, first: Batch | None, ended: Checkpoint | None) -> None:
        """Start behind what ended, or at the beginning.

        Raises:
            AccessLogBroken: there is something between what ended and the first batch, or a checkpoint is of what ended.
        """
        self.last = ended or START
        number = self.last.number + 1
        if first is not None and first.number != number:
            raise AccessLogBroken(f"Batch {number} is missing: the first one there is has number {first.number}.")
        for at in self.outside:
            if at < self.last.number:
                raise AccessLogBroken(
                    f"The checkpoint is of batch {at}, and all up to batch {self.last.number} ended with their period: "
                    "compare with a later one."
                )
        self._compare()

    def step(self, batch: Batch, bodies: Sequence[Body]) -> None:
        """See that the next batch holds with all that is in it.

        Raises:
            AccessLogBroken: it does not; the message names what is wrong first.
        """
        number = self.last.number + 1
        if batch.number != number:
            raise AccessLogBroken(f"Batch {number} is missing: the next one there is has number {batch.number}.")
        self._must_have_all_bodies(batch, bodies)
        for body in bodies:
            self._must_fit(batch, body)
        self._must_have_all_entries(batch, bodies)
        if link_of(self.last.link, batch) != batch.link:
            raise AccessLogBroken(
                f"Batch {batch.number} does not hold: it was changed, or it stood in another place when it was linked."
            )
        self.last = Checkpoint(batch.number, batch.link)
        self.batches += 1
        self.entries += len(batch.commitments)
        self.unreadable += sum(body.entries is None for body in bodies)
        self._compare()

    def end(self) -> None:
        """See that nothing is missing at the end.

        Raises:
            AccessLogBroken: a checkpoint is of a batch that is not there.
        """
        for at in self.outside:
            if at > self.last.number:
                raise AccessLogBroken(
                    f"Batch {self.last.number + 1} is missing: there was one of number {at} when the checkpoint was made."
                )

    def _compare(self) -> None:
        other = self.outside.get(self.last.number)
        if other is not None and other != self.last.link:
            raise AccessLogBroken(
                f"Batch {self.last.number}, or one before it, is another one than when the checkpoint was made."
            )

    @staticmethod
    def _must_have_all_bodies(batch: Batch, bodies: Sequence[Body]) -> None:
        there = {body.body for body in bodies}
        for place in range(1, batch.bodies + 1):
            if place not in there:
                raise AccessLogBroken(f"Body {place} of batch {batch.number} was taken out.")

    @staticmethod
    def _must_fit(batch: Batch, body: Body) -> None:
        for place, entry in body.entries or ():
            if not 0 <= place < len(batch.commitments) or commitment_of(entry) != batch.commitments[place]:
                raise AccessLogBroken(
                    f"Entry {place + 1} of batch {batch.number} does not hold: it does not fit its commitment."
                )

    @staticmethod
    def _must_have_all_entries(batch: Batch, bodies: Sequence[Body]) -> None:
        if any(body.entries is None for body in bodies):
            return
        there = {place for body in bodies for place, _ in body.entries or ()}
        for place in range(len(batch.commitments)):
            if place not in there:
                raise AccessLogBroken(f"Entry {place + 1} of batch {batch.number} was taken out.")
