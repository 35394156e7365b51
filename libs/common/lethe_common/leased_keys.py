"""Leased keys in the memory of one process: of whom there are any, and that the last of somebody has gone.

Before anything of an erased subject is touched, privacy calls its keys in (`KeysCalledIn`). Whoever has none in memory,
and no question for one under way, says so; whoever has one says so at a later call. So what a process answers is what
its memory holds, whichever piece of work is still busy with a key.
"""

import contextlib
import gc
import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import partial

from lethe_common.bus import Bus
from lethe_common.clock import monotonic_seconds
from lethe_common.errors import Unavailable
from lethe_common.events.privacy import KeysCalledIn
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.privacy import ItemKey, KeysLetGo, KeysLetGoQuestion
from lethe_common.services import Service

_COLLECTED_EVERY_SECONDS = 5.0
_YOUNG = 1
"""The generations of the collector whose objects are young (`gc`)."""


class LeasedKey(bytes):
    """The bytes of a key, which tell when the last reference to them is gone."""

    let_go: Callable[[], None]

    def __del__(self) -> None:
        self.let_go()


class LeasedKeys:
    """What this process has in memory. `process` is its name in privacy's records: a digest, the same after a restart."""

    def __init__(self, bus: Bus, service: Service, name: str = "") -> None:
        self._bus, self._held, self._collects_at = bus, Counter[str](), 0.0
        self.process = hashlib.sha256(f"{service} {name or platform.node()}".encode()).hexdigest()[:16]

    @contextlib.contextmanager
    def asking(self, subject_refs: Collection[str]) -> Iterator[None]:
        """While a question for keys of these subjects is under way, and its answer is not in `hold`, none of them is let go."""
        self._held.update(subject_refs)
        try:
            yield
        finally:
            for subject_ref in subject_refs:
                self._drop(subject_ref)

    def hold(self, subject_ref: str, answered: ItemKey) -> ItemKey:
        """The answer with its key counted, for as long as anything refers to the key's bytes."""
        if answered.key is None:
            return answered
        key = LeasedKey(answered.key)
        self._held[subject_ref] += 1
        key.let_go = partial(self._drop, subject_ref)
        return answered.model_copy(update={"key": key})

    def holds(self, subject_ref: str) -> bool:
        """Whether anything of a subject can be opened by this process, now or when a question is answered."""
        return subject_ref in self._held

    async def on_called_in(self, event: KeysCalledIn) -> None:
        """Say that nothing of the subject is here; where something is, the next call asks again."""
        if self.holds(event.subject_ref):
            self._collect(event.subject_ref)
        if self.holds(event.subject_ref):
            return
        question = KeysLetGoQuestion(subject_ref=event.subject_ref, process=self.process)
        with contextlib.suppress(Unavailable, Refused):
            await self._bus.ask(KeysLetGo, question)

    def _collect(self, subject_ref: SubjectRef) -> None:
        """A key in a circle of references, such as an error's, would else wait for a collector that seldom comes.

        What is young is collected each time, which is quick; all of it, which stops the process for a while, seldom.
        """
        gc.collect(_YOUNG)
        now = monotonic_seconds()
        if self.holds(subject_ref) and now >= self._collects_at:
            self._collects_at = now + _COLLECTED_EVERY_SECONDS
            gc.collect()

    def _drop(self, subject_ref: str) -> None:
        self._held[subject_ref] -= 1
        if not self._held[subject_ref]:
            del self._held[subject_ref]
