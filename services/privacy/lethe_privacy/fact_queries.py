"""The SQL of the ledger of facts, named."""

import secrets
from collections.abc import Sequence

from lethe_common.database import Transaction
from lethe_common.rpc.facts import Fact, NewFact
from lethe_privacy.ledger import once_only

# Facts get their numbers one after the other; whoever appends holds this until the commit.
LOCK = "SELECT pg_advisory_xact_lock(7310580034)"
LAST = "SELECT number, hash FROM facts ORDER BY number DESC LIMIT 1"
FIRST = "SELECT number FROM facts ORDER BY number LIMIT 1"
HASH_AT = "SELECT hash FROM facts WHERE number = $1"
PAGE = "SELECT number, kind, subject_ref, ref, at, hash FROM facts WHERE number > $1 ORDER BY number LIMIT $2"
SETTLED = "SELECT number, hash FROM facts WHERE recorded_at <= now() - $1::interval ORDER BY number DESC LIMIT 1"
OLDEST = "SELECT at FROM facts ORDER BY number LIMIT 1"
END = "SELECT end_facts($1)"
KNOWN = """
    SELECT f.kind, f.subject_ref, f.ref
      FROM unnest($1::text[], $2::text[], $3::text[]) AS w (kind, subject_ref, ref)
      JOIN facts f ON f.subject_ref = w.subject_ref AND f.kind = w.kind AND f.ref = w.ref
"""  # index facts_subject
ADD = """
    INSERT INTO facts (number, kind, subject_ref, ref, at, hash)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
"""
# Of these subjects, those that were erased: index facts_subject.
ERASED = "SELECT DISTINCT subject_ref FROM facts WHERE subject_ref = ANY ($1::text[]) AND kind = 'erased'"

REPLAYED = """
    INSERT INTO replays (service, through) VALUES ($1, $2)
        ON CONFLICT (service) DO UPDATE SET through = excluded.through
"""
WAITING = "SELECT service FROM replays WHERE service = ANY ($1::text[]) AND through IS NULL ORDER BY service"


def name() -> str:
    """A fresh ledger's own random name."""
    return secrets.token_hex(16)


async def unknown(tx: Transaction, news: Sequence[NewFact]) -> list[NewFact]:
    """Of these facts, those that are to be recorded."""
    names = [[new.kind for new in news], [new.subject_ref for new in news], [new.ref for new in news]]
    known = {(row["kind"], row["subject_ref"], row["ref"]) for row in await tx.fetch(KNOWN, *names)}
    return once_only(news, known)


async def add(tx: Transaction, lines: Sequence[tuple[Fact, bytes]]) -> None:
    """Write lines of the ledger."""
    facts = [fact for fact, _ in lines]
    await tx.execute(
        ADD,
        [fact.number for fact in facts],
        [fact.kind for fact in facts],
        [fact.subject_ref for fact in facts],
        [fact.ref for fact in facts],
        [fact.at for fact in facts],
        [hash_ for _, hash_ in lines],
    )
