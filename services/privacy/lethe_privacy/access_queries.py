"""The SQL of the access log, named. It lies in the service's own database, outside the data's backups."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

from lethe_common.database import UNFLUSHED, Transaction
from lethe_common.identifiers import SubjectRef
from lethe_privacy.grants import NOTHING, Batch, split

_BATCH = "number, at, ends_at, bodies, commitments, link"

# Batches get their numbers one after the other; whoever appends holds this until the commit, and so does whoever takes
# bodies out: what came before is seen, and what comes after sees that somebody is being forgotten.
LOCK = "SELECT pg_advisory_xact_lock(7310580093)"
# No flush is waited for: a line is there for everybody once it is committed, and what a power failure can take is the
# newest 0.6 s, in order.
APPENDING = f"{UNFLUSHED}; {LOCK}"
LAST = "SELECT number, link FROM access_batches ORDER BY number DESC LIMIT 1"
LAST_CHECKPOINT = "SELECT number, link, document FROM access_checkpoints ORDER BY number DESC LIMIT 1"
# Where the chain ends, in batches or in what stands for them, and who of these subjects is being forgotten, or was.
END_OF_CHAIN = """
    SELECT coalesce(b.number, c.number, 0) AS number, coalesce(b.link, c.link) AS link,
           ARRAY (SELECT subject_ref FROM erasures WHERE subject_ref = ANY ($1::text[]) AND state <> 'requested'
                  UNION
                  SELECT subject_ref FROM facts WHERE subject_ref = ANY ($1::text[]) AND kind = 'erased') AS forgotten
      FROM (VALUES (1)) AS one
      LEFT JOIN (SELECT number, link FROM access_batches ORDER BY number DESC LIMIT 1) b ON true
      LEFT JOIN (SELECT number, link FROM access_checkpoints ORDER BY number DESC LIMIT 1) c ON true
"""  # primary keys; indexes erasures_subject, facts_subject
ADD = """
    WITH batch AS (
        INSERT INTO access_batches (number, at, ends_at, bodies, commitments, link) VALUES ($1, $2, $3, $4, $5, $6)
    )
    INSERT INTO access_bodies (number, body, subject_ref, item_id, sealed, held_by)
    SELECT $1, place, subject_ref, item_id, sealed, string_to_array(held_by, ' ')
      FROM unnest($7::text[], $8::text[], $9::bytea[], $10::text[])
           WITH ORDINALITY AS w (subject_ref, item_id, sealed, held_by, place)
"""
FIRST = f"SELECT {_BATCH} FROM access_batches ORDER BY number LIMIT $1"  # noqa: S608  a constant list of columns; primary key
PAGE = f"SELECT {_BATCH} FROM access_batches WHERE number > $1 ORDER BY number LIMIT $2"  # noqa: S608  as above
BODIES = """
    SELECT number, body, subject_ref, item_id, sealed FROM access_bodies
     WHERE number > $1 AND number <= $2 ORDER BY number, body
"""  # primary key
RECORDS_THROUGH = """
    SELECT DISTINCT subject_ref, item_id FROM access_bodies WHERE number <= $1 AND subject_ref IS NOT NULL
"""  # primary key
ADD_CHECKPOINT = "INSERT INTO access_checkpoints (number, link, document) VALUES ($1, $2, $3)"
END = "SELECT end_accesses($1)"

COUNT_OF_SUBJECT = "SELECT count(*) FROM access_bodies WHERE subject_ref = $1"
FORGET_SUBJECT = "SELECT forget_accesses($1)"
OF_SUBJECT = """
    SELECT number, body, subject_ref, item_id, sealed FROM access_bodies
     WHERE subject_ref = $1 AND (number, body) > ($2, $3) ORDER BY number, body LIMIT $4
"""  # index access_bodies_subject

Sealed = tuple[str, str, bytes, str]
"""Whose entries, the item under whose key they are, they themselves, sealed, and who has keys by them, by spaces."""


@dataclass(frozen=True, slots=True)
class End:
    """Where the chain ends, and those of the subjects asked about that are being forgotten, or were."""

    number: int
    link: bytes
    forgotten: frozenset[SubjectRef]


async def end_of_chain(tx: Transaction, subjects: Sequence[str]) -> End:
    """The end as whoever appends sees it; of a chain that has not begun, number 0."""
    (row,) = await tx.fetch(END_OF_CHAIN, subjects)
    return End(row["number"], row["link"] or NOTHING, frozenset(map(SubjectRef.trusted, row["forgotten"])))


async def add(tx: Transaction, batch: Batch, bodies: Sequence[Sealed]) -> None:
    """Write a batch with its bodies."""
    await tx.execute(
        ADD, batch.number, batch.at, batch.ends_at, batch.bodies, b"".join(batch.commitments), batch.link,
        *([body[place] for body in bodies] for place in range(4)),
    )  # fmt: skip


def batches(rows: Iterable[asyncpg.Record]) -> list[Batch]:
    """Rows as batches."""
    return [
        Batch(row["number"], row["at"], row["ends_at"], row["bodies"], split(row["commitments"]), row["link"])
        for row in rows
    ]
