"""The SQL of a rotation, named. It runs in the database of the keys, schema `keys`.

The tables `…_next` and `…_old` are there during a rotation only; see the migration of generations.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.identifiers import SealKeyId
from lethe_privacy.generations import Generation, Phase

# Held by a session for as long as it rotates.
ROTATOR = "SELECT pg_try_advisory_lock(7310580072)"
ROTATOR_DONE = "SELECT pg_advisory_unlock(7310580072)"
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"

GENERATION = """
    SELECT number, epoch_id, began_at, phase, next_epoch_id, next_began_at, copied_subject, copied_item
      FROM generation
"""
FIRST = "UPDATE generation SET epoch_id = $1, began_at = $2 WHERE epoch_id IS NULL"
BEGIN = "SELECT begin_generation()"
BEGUN = "UPDATE generation SET phase = 'copying_classes', next_epoch_id = $1, next_began_at = $2"
MOVE = "UPDATE generation SET phase = $1, copied_subject = '', copied_item = ''"
COPIED = "UPDATE generation SET copied_subject = $1, copied_item = $2"
INDEX = "SELECT index_generation()"
SWAP = "SELECT swap_generation()"
SWAPPED = """
    UPDATE generation
       SET number = number + 1, epoch_id = next_epoch_id, began_at = next_began_at, phase = 'swapped',
           next_epoch_id = NULL, next_began_at = NULL
"""
ABANDON = "SELECT abandon_generation()"
ABANDONED = """
    UPDATE generation
       SET phase = 'resting', next_epoch_id = NULL, next_began_at = NULL, copied_subject = '', copied_item = ''
"""
NEEDED_EPOCHS = "SELECT DISTINCT epoch_id FROM class_keys WHERE epoch_id = ANY ($1::text[])"
# In the order in which a swap takes them, and before the snapshot: what is read is of one generation.
KEEP_NAMES = "LOCK TABLE item_keys, class_keys IN ACCESS SHARE MODE"
DROP_OLD = "SELECT drop_old_generation()"

CLASS_BATCH = """
    SELECT c.*, l.subject_ref IS NOT NULL AS is_renewed
      FROM class_keys c LEFT JOIN losses l USING (subject_ref)
     WHERE (c.subject_ref, c.key_class) > ($1, $2) ORDER BY c.subject_ref, c.key_class LIMIT $3
"""  # primary key
CLASSES_OF = """
    SELECT c.*, l.subject_ref IS NOT NULL AS is_renewed
      FROM class_keys c LEFT JOIN losses l USING (subject_ref) WHERE c.subject_ref = ANY ($1::text[])
"""
ADD_CLASSES = """
    INSERT INTO class_keys_next (subject_ref, key_class, key_id, wrapped, epoch_id)
    SELECT *, $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
"""

_ITEM = "i.item_id, i.subject_ref, i.key_class, i.key_id, i.wrapped, i.created_at"
_BATCH = """
    WITH i AS MATERIALIZED (
        SELECT * FROM item_keys
         WHERE (subject_ref, item_id) > ($1, $2) ORDER BY subject_ref, item_id LIMIT $3)
"""  # index on (subject_ref, item_id)
_OF = "WITH i AS MATERIALIZED (SELECT * FROM item_keys WHERE subject_ref = ANY ($1::text[]))"
_CLASSES = """
      FROM i LEFT JOIN class_keys c USING (subject_ref, key_class) LEFT JOIN class_keys_next n USING (subject_ref, key_class)
"""
# Where the class key is the same, the wrapped item key stays as it is; where there is none, it opens for nobody.
_SAME = f"""
    , same AS (
        INSERT INTO item_keys_next (item_id, subject_ref, key_class, key_id, wrapped, created_at)
        SELECT {_ITEM} {_CLASSES} WHERE c.key_id IS NOT DISTINCT FROM n.key_id)
    SELECT subject_ref, item_id FROM i ORDER BY subject_ref DESC, item_id DESC LIMIT 1
"""  # noqa: S608  constants of this module
_RENEWED = f"""
    SELECT {_ITEM}, c.key_id AS class_id, c.wrapped AS class_wrapped, c.epoch_id AS class_epoch,
           n.key_id AS next_id, n.wrapped AS next_wrapped, n.epoch_id AS next_epoch
      {_CLASSES} WHERE c.key_id <> n.key_id
"""
COPY_BATCH, RENEWED_BATCH = _BATCH + _SAME, _BATCH + _RENEWED
COPY_OF, RENEWED_OF = _OF + _SAME, _OF + _RENEWED
ADD_ITEMS = """
    INSERT INTO item_keys_next (item_id, subject_ref, key_class, key_id, wrapped, created_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])
"""

TAKE_TOUCHED = """
    WITH taken AS (
        DELETE FROM touched
         WHERE line IN (
            SELECT line FROM touched WHERE $2::bigint IS NULL OR line <= $2 ORDER BY line LIMIT $1)
        RETURNING subject_ref)
    SELECT subject_ref FROM taken
"""
LAST_TOUCHED = "SELECT coalesce(max(line), 0) FROM touched"
DROP_COPIES = """
    WITH items AS (DELETE FROM item_keys_next WHERE subject_ref = ANY ($1::text[]))
    DELETE FROM class_keys_next WHERE subject_ref = ANY ($1::text[])
"""
COUNTS_OF = """
    SELECT (SELECT count(*) FROM class_keys WHERE subject_ref = ANY ($1::text[])),
           (SELECT count(*) FROM class_keys_next WHERE subject_ref = ANY ($1::text[])),
           (SELECT count(*) FROM item_keys WHERE subject_ref = ANY ($1::text[])),
           (SELECT count(*) FROM item_keys_next WHERE subject_ref = ANY ($1::text[]))
"""
COUNT_OF_OTHER_EPOCHS = "SELECT count(*) FROM class_keys WHERE epoch_id <> $1"
# What is to be copied again anyway is left out on both sides.
COUNTS_OF_OTHERS = """
    WITH again AS (SELECT DISTINCT subject_ref FROM touched)
    SELECT (SELECT count(*) FROM class_keys) - (SELECT count(*) FROM class_keys JOIN again USING (subject_ref)),
           (SELECT count(*) FROM class_keys_next) - (SELECT count(*) FROM class_keys_next JOIN again USING (subject_ref)),
           (SELECT count(*) FROM item_keys) - (SELECT count(*) FROM item_keys JOIN again USING (subject_ref)),
           (SELECT count(*) FROM item_keys_next) - (SELECT count(*) FROM item_keys_next JOIN again USING (subject_ref))
"""


async def load(tx: Transaction) -> Generation | None:
    """The generation in use; None before the first epoch was made."""
    row = await tx.fetchrow(GENERATION)
    if row is None or row["epoch_id"] is None:
        return None
    return Generation(
        row["number"],
        SealKeyId(row["epoch_id"]),
        row["began_at"],
        Phase(row["phase"]),
        None if row["next_epoch_id"] is None else SealKeyId(row["next_epoch_id"]),
        row["next_began_at"],
        (row["copied_subject"], row["copied_item"]),
    )


async def begin(tx: Transaction, epoch_id: SealKeyId, began_at: datetime) -> None:
    """Make the tables of the next generation, and follow what changes from now on."""
    await tx.execute(BEGIN)
    await tx.execute(BEGUN, epoch_id, began_at)


async def add_items(tx: Transaction, rows: Sequence[asyncpg.Record], wrapped: Sequence[bytes]) -> None:
    """Write items' keys, wrapped anew, into the next generation."""
    names = ("item_id", "subject_ref", "key_class", "key_id")
    columns = [[row[name] for row in rows] for name in names]
    await tx.execute(ADD_ITEMS, *columns, list(wrapped), [row["created_at"] for row in rows])
