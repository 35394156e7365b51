"""What a provider is: something that makes a video from an order.

Adapters keep to the protocol and know nothing of leases, stores or money.
"""

from dataclasses import dataclass, field
from typing import Protocol

from lethe_common.identifiers import SealKeyId
from lethe_jobs.leases import Run
from lethe_jobs.verdicts import Variant


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made. Holds content and a key in clear: in memory only, and never printed."""

    run: Run
    key_id: SealKeyId
    key: bytes = field(repr=False)
    prompt: str = field(repr=False)
    seed: int
    reference: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a delivery. `content` is None where a provider makes none (benchmarks)."""

    variant: Variant
    media_type: str
    content: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a provider made, as it really is."""

    pieces: tuple[Piece, ...]
    width_px: int
    height_px: int
    frames: int
    duration_seconds: float


class Watch:
    """Between a run's worker and its provider, in whatever thread: how far it is, and whether to stop.

    Two plain values, each written by one side: there is one for every run, and a lock would cost more than the rest.
    """

    __slots__ = ("_is_stopped", "percent")

    def __init__(self) -> None:
        self.percent = 0
        self._is_stopped = False

    def reach(self, percent: int) -> None:
        """The provider is this far."""
        self.percent = percent

    def stop(self) -> None:
        """Ask the provider to stop; it is harmless to ask again."""
        self._is_stopped = True

    def is_stopped(self) -> bool:
        """Whether to stop."""
        return self._is_stopped


class GenerationProvider(Protocol):
    """One way to make videos.

    `at_once` is how many runs this process gives it, `at_once_everywhere` how many
    all processes together may (None: no limit). A provider that `is_instant`
    answers without waiting; its runs are settled in batches.
    """

    name: str
    is_instant: bool
    at_once: int
    at_once_everywhere: int | None

    async def generate(self, order: Order, watch: Watch) -> Delivery:
        """Make it.

        Raises:
            BadInput: it cannot be made from this; never tried again.
            ProviderFailed: it broke; tried again.
            RunStopped: the watch said stop.
        """
        ...

    async def close(self) -> None:
        """Stop what runs and give back what is held."""
        ...
