"""What others ask: where a run stands, where its assets lie, which runs there are."""

from dataclasses import dataclass
from datetime import datetime

from lethe_common.database import Transaction

# Compares in the order of the claim (index runs_claimable); a longer queue than the limit is "far away".
POSITION = """
    SELECT r.state, r.provider, r.seconds, r.progress,
           CASE WHEN r.state = 'queued' THEN (
               SELECT count(*) FROM (
                   SELECT 1 FROM runs o
                    WHERE o.provider = r.provider AND o.state = 'queued' AND o.slot IS NOT NULL
                      AND o.generation_id <> r.generation_id
                      AND (r.slot IS NULL OR (-o.priority, o.slot, o.queued_at, o.generation_id)
                                           < (-r.priority, r.slot, r.queued_at, r.generation_id))
                    LIMIT $3) ahead)
               ELSE 0 END AS ahead,
           CASE WHEN r.state = 'queued' AND r.slot IS NULL THEN (
               SELECT count(*) FROM runs o
                WHERE o.subject_ref = r.subject_ref AND o.state = 'queued' AND o.slot IS NULL
                  AND (o.queued_at, o.generation_id) < (r.queued_at, r.generation_id))
               ELSE 0 END AS ahead_of_own
      FROM runs r
     WHERE r.generation_id = $1 AND r.subject_ref = $2
"""

ASSETS = """
    SELECT asset_id, variant, object_key, media_type, size_bytes, sealed_size_bytes, sha256, key_id
      FROM assets
     WHERE generation_id = $1 AND subject_ref = $2 AND object_key IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM removals m WHERE m.generation_id = $1)
     ORDER BY variant DESC
"""

# What operators look at every few seconds never reads all runs there ever were: those that wait or are under way, each as
# its partial index has it, and of those that ended as many of the newest.
_COLUMNS = "generation_id, state, model, attempts_count, cause, queued_at, updated_at"
_SEEN = f"""
    (SELECT {_COLUMNS} FROM runs WHERE state = 'queued' AND slot IS NOT NULL LIMIT 100000)
     UNION ALL
    (SELECT {_COLUMNS} FROM runs WHERE state = 'queued' AND slot IS NULL LIMIT 100000)
     UNION ALL
    SELECT {_COLUMNS} FROM runs WHERE leased_until IS NOT NULL
     UNION ALL
    SELECT * FROM (SELECT {_COLUMNS} FROM runs ORDER BY generation_id DESC LIMIT $1) newest
     WHERE state IN ('completed', 'failed', 'cancelled')
"""  # noqa: S608  fixed names; indexes runs_claimable, runs_waiting, runs_leased; ids tell time: the primary key is the order

RUNS = f"""
    SELECT * FROM ({_SEEN}) seen
     WHERE $2::text IS NULL OR state = $2
     ORDER BY generation_id DESC LIMIT $3
"""  # noqa: S608  fixed names

BY_STATE = f"SELECT state, count(*) FROM ({_SEEN}) seen GROUP BY state"  # noqa: S608  fixed names

# Two counts, each as its partial index has it: one for both would read every run there ever was.
QUEUE_LENGTH = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM runs WHERE state = 'queued' AND slot IS NOT NULL LIMIT 100000) ready),
           (SELECT count(*) FROM (SELECT 1 FROM runs WHERE state = 'queued' AND slot IS NULL LIMIT 100000) waiting)
"""  # indexes runs_claimable, runs_waiting


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands. `progress` is in percent."""

    state: str
    provider: str
    seconds: int
    progress: int
    ahead: int
    ahead_of_own: int


@dataclass(frozen=True, slots=True)
class Located:
    """One object and what it holds."""

    asset_id: str
    variant: str
    object_key: str
    media_type: str
    size_bytes: int
    sealed_size_bytes: int
    sha256: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A run as operators see it."""

    generation_id: str
    state: str
    model: str
    attempts: int
    last_cause: str | None
    queued_at: datetime
    updated_at: datetime


async def place(tx: Transaction, generation_id: str, ref: str, limit: int) -> Place | None:
    """A run's place in the queue."""
    row = await tx.fetchrow(POSITION, generation_id, ref, limit)
    return None if row is None else Place(*row)


async def assets(tx: Transaction, generation_id: str, ref: str) -> list[Located]:
    """The stored outputs of a generation that is not going."""
    return [Located(*row) for row in await tx.fetch(ASSETS, generation_id, ref)]


async def listing(tx: Transaction, state: str | None, limit: int, newest: int) -> list[Listed]:
    """The newest runs; of those that ended, which are among so many of the newest."""
    return [Listed(*row) for row in await tx.fetch(RUNS, newest, state, limit)]


async def by_state(tx: Transaction, newest: int) -> dict[str, int]:
    """How many runs there are in each state; of those that ended, how many are among so many of the newest."""
    return {row[0]: row[1] for row in await tx.fetch(BY_STATE, newest)}


async def queue_length(tx: Transaction) -> tuple[int, int]:
    """Runs ready to be claimed, and runs waiting for a slot of their subject."""
    ready, waiting = await tx.fetchone(QUEUE_LENGTH)
    return ready, waiting
