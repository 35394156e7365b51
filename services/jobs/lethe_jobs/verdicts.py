"""What a worker says about its run at last, and the one place where that becomes truth.

However many workers try, one verdict of a run is written: the one whose lease
still holds. Only then its facts are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from lethe_common.events.jobs import Delivered
from lethe_common.identifiers import AssetId, SealKeyId
from lethe_jobs.leases import Run, delay_after
from lethe_jobs.runs import Cause, State

Variant = Literal["video", "thumbnail"]


@dataclass(frozen=True, slots=True)
class Asset:
    """One output as it lies in the store. `sha256` (hex) and `size_bytes` are of the plaintext."""

    asset_id: AssetId
    variant: Variant
    object_key: str | None
    object_version: str | None
    media_type: str
    size_bytes: int
    sealed_size_bytes: int
    sha256: str
    key_id: SealKeyId
    width_px: int
    height_px: int
    frames: int
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run's next state. `delay` leaves a run alone that goes back into the queue."""

    run: Run
    state: State
    cause: Cause
    assets: tuple[Asset, ...] = ()
    delay: timedelta = timedelta(0)
    counts_as_attempt: bool = True


def completed(run: Run, cause: Cause, assets: Sequence[Asset]) -> Verdict:
    """There is output."""
    return Verdict(run, State.COMPLETED, cause, tuple(assets))


def failed(run: Run, cause: Cause) -> Verdict:
    """There will be no output."""
    return Verdict(run, State.FAILED, cause)


def cancelled(run: Run, cause: Cause) -> Verdict:
    """Nobody wants the output any more."""
    return Verdict(run, State.CANCELLED, cause)


def postponed(run: Run, cause: Cause) -> Verdict:
    """Something needed is away; that is nobody's failure, and the run is never failed for it."""
    return Verdict(run, State.QUEUED, cause, delay=delay_after(run.postponed_count + 1), counts_as_attempt=False)


def broken(run: Run, cause: Cause, most_attempts: int) -> Verdict:
    """An attempt broke or its worker died: again later, or failed after the last one."""
    if run.attempts_count >= most_attempts:
        return failed(run, cause if cause is Cause.PROVIDER_FAILED else Cause.ATTEMPTS_EXHAUSTED)
    return Verdict(run, State.QUEUED, cause, delay=delay_after(run.attempts_count))


def released(run: Run) -> Verdict:
    """Its worker stops; another one may have it at once."""
    return Verdict(run, State.QUEUED, Cause.WORKER_STOPPED, counts_as_attempt=False)


def delivered_of(assets: Sequence[Asset]) -> Delivered:
    """What is charged for: the video's real size and length; and what all of it takes in the store."""
    video = next(asset for asset in assets if asset.variant == "video")
    return Delivered(
        width_px=video.width_px,
        height_px=video.height_px,
        duration_seconds=video.duration_seconds,
        stored_bytes=sum(asset.sealed_size_bytes for asset in assets),
    )
