"""The bells of this service: one for each worker that rows are written for."""

from dataclasses import dataclass, field

from lethe_common.bells import Bell


@dataclass(frozen=True)
class Bells:
    """One bell for each worker that rows are written for."""

    queue: Bell = field(default_factory=Bell)
    heart: Bell = field(default_factory=Bell)
    removals: Bell = field(default_factory=Bell)
    erasures: Bell = field(default_factory=Bell)
