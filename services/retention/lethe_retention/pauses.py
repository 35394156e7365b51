"""Pauses: nothing of a subject expires while a copy is being made for it, or while it has restricted the processing."""

from lethe_common.database import Transaction
from lethe_common.events.privacy import PauseBegan, PauseEnded
from lethe_retention import queries

# An end may be heard of before its beginning: it is noted, and the beginning then changes nothing.
BEGIN = "INSERT INTO pauses (request_id, subject_ref, began_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
END = """
    INSERT INTO pauses AS p (request_id, subject_ref, ended_at) VALUES ($1, $2, $3)
        ON CONFLICT (request_id) DO UPDATE SET ended_at = excluded.ended_at WHERE p.ended_at IS NULL
"""
PRUNE = """
    DELETE FROM pauses WHERE request_id IN (SELECT request_id FROM pauses WHERE ended_at <= $1 ORDER BY ended_at LIMIT $2)
"""  # index pauses_ended


async def on_pause_began(event: PauseBegan, tx: Transaction) -> None:
    """From now on nothing of the subject becomes due; what was told to be due goes."""
    await queries.lock(tx, queries.LOCK_SHARED, [event.subject_ref])
    if event.subject_ref not in await queries.fenced(tx, [event.subject_ref]):
        await tx.execute(BEGIN, event.request_id, event.subject_ref, event.began_at)


async def on_pause_ended(event: PauseEnded, tx: Transaction) -> None:
    """What is over by now becomes due with the next sweep, unless another pause or a hold keeps it."""
    await queries.lock(tx, queries.LOCK_SHARED, [event.subject_ref])
    if event.subject_ref not in await queries.fenced(tx, [event.subject_ref]):
        await tx.execute(END, event.request_id, event.subject_ref, event.ended_at)
