"""Objects to which nothing seems to lead: what their owner knows of them."""

from collections.abc import Sequence

from lethe_common.database import Transaction
from lethe_common.identifiers import GenerationId, SubjectRef

KNOWN = """
    SELECT object_key FROM assets WHERE object_key COLLATE "C" = ANY($1::text[]) AND object_key IS NOT NULL
"""  # index assets_object

# The subject's folder leads to the subject, and its runs to theirs.
RUNS = """
    SELECT r.object_prefix, r.generation_id, r.subject_ref, r.state IN ('completed', 'failed', 'cancelled') AS has_ended
      FROM subjects s JOIN runs r USING (subject_ref)
     WHERE s.object_random = ANY($1::text[]) AND r.object_prefix = ANY($2::text[])
"""  # unique index subjects (object_random), index runs_slot


async def known(tx: Transaction, keys: Sequence[str]) -> set[str]:
    """Those that an asset's row leads to."""
    return {row[0] for row in await tx.fetch(KNOWN, keys)}


async def runs(
    tx: Transaction, randoms: Sequence[str], prefixes: Sequence[str]
) -> dict[str, tuple[GenerationId, SubjectRef, bool]]:
    """Whose folders these are, by prefix: the generation, its subject, and whether its run has ended."""
    return {
        row[0]: (GenerationId.trusted(row[1]), SubjectRef.trusted(row[2]), row[3])
        for row in await tx.fetch(RUNS, randoms, prefixes)
    }
