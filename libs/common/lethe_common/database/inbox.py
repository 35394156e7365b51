"""Events on their way in: a row per consumer and event, in the transaction of the effect."""

import uuid
from collections.abc import Sequence

import asyncpg

from lethe_common.database.transaction import Transaction

ENTER = """
    INSERT INTO inbox (event_id, consumer)
    SELECT unnest($1::uuid[]), $2
        ON CONFLICT DO NOTHING
    RETURNING event_id
"""

FEW = 8

KNOWN = "SELECT event_id FROM inbox WHERE consumer = $2 AND event_id = ANY($1::uuid[])"


async def enter(tx: Transaction, consumer: str, event_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Note the events as handled and return those that were not before.

    Sorted, so that two replicas with overlapping batches lock in one order.
    """
    rows = await tx.fetch(ENTER, sorted(event_ids), consumer)
    return {row[0] for row in rows}


def entering(consumer: str, event_ids: Sequence[uuid.UUID]) -> str:
    """The same for a few events as a statement to open a transaction with, which saves a round trip.

    It answers how many were new and not which, so it is of use where all are.
    """
    rows = ", ".join(f"('{event_id}', '{consumer}')" for event_id in sorted(event_ids))
    return f"INSERT INTO inbox (event_id, consumer) VALUES {rows} ON CONFLICT DO NOTHING"  # noqa: S608  UUIDs and a service's name


async def known(connection: asyncpg.Connection, consumer: str, event_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these events were handled."""
    rows = await connection.fetch(KNOWN, list(event_ids), consumer)
    return {row[0] for row in rows}
