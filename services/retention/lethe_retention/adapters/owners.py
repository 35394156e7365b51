"""Those who own objects, asked to remove what nothing leads to."""

from collections.abc import Mapping, Sequence

from lethe_common.bus import Bus
from lethe_common.rpc.orphans import (
    ExportOrphansRemove,
    OrphansRemoveQuestion,
    OutputOrphansRemove,
    UploadOrphansRemove,
)
from lethe_retention.adapters.places import EXPORTS, OUTPUTS, UPLOADS
from lethe_retention.orphan_sweep import Remove


def owners(bus: Bus) -> Mapping[str, Remove]:
    """Who removes the objects under a prefix."""

    async def jobs(keys: Sequence[str]) -> Sequence[str]:
        return (await bus.ask(OutputOrphansRemove, OrphansRemoveQuestion(keys=tuple(keys)))).removed

    async def gateway(keys: Sequence[str]) -> Sequence[str]:
        return (await bus.ask(UploadOrphansRemove, OrphansRemoveQuestion(keys=tuple(keys)))).removed

    async def archives(keys: Sequence[str]) -> Sequence[str]:
        return (await bus.ask(ExportOrphansRemove, OrphansRemoveQuestion(keys=tuple(keys)))).removed

    return {OUTPUTS: jobs, UPLOADS: gateway, EXPORTS: archives}
