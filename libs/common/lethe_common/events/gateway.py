"""What gateway replicas tell one another, so that a stream open on any of them moves at once."""

from typing import ClassVar

from pydantic import Field

from lethe_common.events.envelope import Event
from lethe_common.identifiers import GenerationId
from lethe_common.services import Service


class GenerationChanged(Event):
    """Generations have these state versions now, or will once a commit under way is done.

    Not stored: whoever misses it looks at the database every few seconds.
    """

    type: ClassVar[str] = "gateway.generation.changed.v1"
    speakers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    listeners: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    is_stored: ClassVar[bool] = False

    class Change(Event.Part):
        """One generation; version 0 when it is gone."""

        generation_id: GenerationId
        state_version: int = Field(ge=0)

    changes: tuple[Change, ...] = Field(min_length=1, max_length=1000)
