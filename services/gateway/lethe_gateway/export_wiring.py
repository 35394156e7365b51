"""Builds what exports stand on; a part of `wiring`."""

from collections.abc import Mapping
from datetime import timedelta

from lethe_common.bus import Bus
from lethe_common.bus.dispatcher import Handler
from lethe_common.events import privacy, retention
from lethe_common.events.envelope import Event
from lethe_common.identifiers import ExportId, SubjectRef
from lethe_common.process import Frame
from lethe_common.rpc.exports import ExportList, ExportListQuestion
from lethe_common.sealing import Sealer
from lethe_common.storage import Storage
from lethe_gateway.exports import ExportHandlers, Exports
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.manifests import Manifests
from lethe_gateway.media_files import MediaFiles
from lethe_gateway.packing import IsWanted, Packing, PackingPace
from lethe_gateway.records import Records
from lethe_gateway.settings import GatewaySettings
from lethe_gateway.words import load_words


class ExportParts:
    """The desk, the worker and the handlers of exports."""

    def __init__(
        self, frame: Frame, settings: GatewaySettings, keys: ItemKeys, sealer: Sealer, storage: Storage
    ) -> None:
        database, bus, clock = frame.database, frame.bus, frame.clock
        self.packing = Packing(
            database,
            keys,
            sealer,
            storage,
            Records(database, bus, keys, sealer),
            MediaFiles(database, bus, keys, sealer, storage),
            Manifests(frame.book, clock, load_words()),
            _wanted(bus),
            _pace(settings),
        )
        self.desk = Exports(database, bus, clock, keys, sealer, storage, wait_seconds=settings.delete_wait_seconds)
        self._handlers = ExportHandlers(self.packing, clock)

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Each event and who handles it."""
        on = self._handlers
        return {
            privacy.ExportStepRequested: on.on_step_requested,
            privacy.ExportReady: on.on_ready,
            privacy.ExportRemovalRequested: on.on_removal_requested,
            retention.ExportsScheduled: on.on_scheduled,
            retention.ExportsDue: on.on_due,
        }


def _wanted(bus: Bus) -> IsWanted:
    async def is_wanted(subject_ref: SubjectRef, export_id: ExportId) -> bool:
        known = (await bus.ask(ExportList, ExportListQuestion(subject_ref=subject_ref))).exports
        return any(one.export_id == export_id and one.state == "packing" for one in known)

    return is_wanted


def _pace(settings: GatewaySettings) -> PackingPace:
    return PackingPace(
        lease=timedelta(seconds=settings.export_lease_seconds),
        renew_seconds=settings.export_renew_seconds,
        retry=timedelta(seconds=settings.export_retry_seconds),
        retry_most=timedelta(seconds=settings.export_retry_most_seconds),
        poll_seconds=settings.export_poll_seconds,
    )
