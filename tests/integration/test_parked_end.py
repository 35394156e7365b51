"""Messages that nobody replays have an end: that of the logs, on a real database, counted by the machine's time."""

import uuid
from datetime import UTC, datetime, timedelta

from lethe_common.bus import parking
from lethe_common.bus.parking import Parcel
from tests.integration.keepers import opened_keepers
from tests.servers import RunningServers
from tests.unit.common.policy_files import shipped_policy


async def test_what_was_parked_stays_as_long_as_logs_do_and_then_goes(servers: RunningServers) -> None:
    kept = shipped_policy("aisora2").shortest_timer("log")
    assert kept is not None
    async with opened_keepers(servers) as keepers:
        pool, subject = keepers.database.pool, f"tests.{uuid.uuid4().hex}"
        async with pool.acquire() as connection:
            for sequence in (1, 2):
                parcel = Parcel("TESTS", datetime(2026, 12, 1, tzinfo=UTC), sequence, subject, {}, b"{}", 5)
                await parking.park(connection, "tests", parcel, "Torn")
        for sequence, age in ((1, kept), (2, kept - timedelta(minutes=5))):
            await keepers.outside.execute(
                "UPDATE retention.parked SET parked_at = now() - $1::interval WHERE subject = $2 AND stream_seq = $3",
                age, subject, sequence,
            )  # fmt: skip

        await parking.forget(pool, kept)

        left = await pool.fetch("SELECT stream_seq FROM parked WHERE subject = $1", subject)
        assert [row["stream_seq"] for row in left] == [2]
        await keepers.outside.execute("DELETE FROM retention.parked WHERE subject = $1", subject)
