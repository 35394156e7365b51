"""The key store's SQL, named. It runs in the database of the keys, schema `keys`.

Whoever makes or deletes keys holds the shared lock, whoever fences or swaps generations
holds the exclusive one: so when that is committed, nothing of before is still on its way.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from lethe_common.database import Transaction
from lethe_common.rpc.privacy import KeyWish, LeaseWish

SHARE = "SELECT pg_advisory_xact_lock_shared(7310580016)"
EXCLUDE = "SELECT pg_advisory_xact_lock(7310580016)"

# The registers' own keys are nobody's.
HAS_SUBJECTS = "SELECT EXISTS (SELECT FROM subjects WHERE state <> 'erased' AND subject_ref <> $1 LIMIT 1)"
SUBJECT_STATE = "SELECT state FROM subjects WHERE subject_ref = $1"

TAKE_INDEX = "INSERT INTO login_index (index_digest, subject_ref) VALUES ($1, $2) ON CONFLICT DO NOTHING"
INDEX_OWNER = "SELECT subject_ref FROM login_index WHERE index_digest = $1"
OPEN_SUBJECT = "INSERT INTO subjects (subject_ref) VALUES ($1) ON CONFLICT DO NOTHING"
DROP_OTHER_LOGINS = "DELETE FROM login_index WHERE subject_ref = $1 AND index_digest <> $2"
FIND_SUBJECT = """
    SELECT s.subject_ref
      FROM login_index JOIN subjects s USING (subject_ref)
     WHERE index_digest = $1 AND s.state = 'active'
"""

# A row per wish, in their order: the subject's state, its class key, and the item's key where there is one.
LOAD_FOR_ISSUE = """
    SELECT s.state, s.is_restricted, (SELECT epoch_id FROM generation) AS current_epoch,
           c.key_id AS class_key_id, c.wrapped AS class_wrapped, c.epoch_id,
           i.subject_ref AS item_owner, i.key_class AS item_class, i.key_id, i.wrapped
      FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (subject_ref, item_id, key_class, place)
      LEFT JOIN subjects s ON s.subject_ref = w.subject_ref
      LEFT JOIN class_keys c ON c.subject_ref = w.subject_ref AND c.key_class = w.key_class
      LEFT JOIN item_keys i ON i.item_id = w.item_id
     ORDER BY w.place
"""

# The standing comes along with the subject: a choice counts for every lease after its commit.
LOAD_FOR_LEASE = """
    SELECT s.state, s.is_restricted, s.consents, s.objections, c.key_id AS class_key_id, c.wrapped AS class_wrapped, c.epoch_id,
           i.key_class, i.key_id, i.wrapped
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (subject_ref, item_id, place)
      LEFT JOIN subjects s ON s.subject_ref = w.subject_ref
      LEFT JOIN item_keys i ON i.item_id = w.item_id AND i.subject_ref = w.subject_ref
      LEFT JOIN class_keys c ON c.subject_ref = i.subject_ref AND c.key_class = i.key_class
     ORDER BY w.place
"""

# Rows come sorted, so that two replicas that make keys for the same subjects lock in one order.
ADD_CLASS_KEYS = """
    INSERT INTO class_keys (subject_ref, key_class, key_id, wrapped, epoch_id)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[])
        ON CONFLICT DO NOTHING
    RETURNING subject_ref, key_class
"""

CLASS_KEYS = """
    SELECT c.subject_ref, c.key_class, c.key_id, c.wrapped, c.epoch_id
      FROM unnest($1::text[], $2::text[]) AS w (subject_ref, key_class)
      JOIN class_keys c ON c.subject_ref = w.subject_ref AND c.key_class = w.key_class
"""

ADD_ITEM_KEYS = """
    INSERT INTO item_keys (item_id, subject_ref, key_class, key_id, wrapped, created_at)
    SELECT i.*, $6 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[]) AS i
        ON CONFLICT DO NOTHING
    RETURNING item_id
"""

ITEM_KEYS = "SELECT item_id, subject_ref, key_class, key_id, wrapped FROM item_keys WHERE item_id = ANY ($1::text[])"

DESTROY_ITEMS = """
    DELETE FROM item_keys i
     USING unnest($1::text[], $2::text[]) AS w (subject_ref, item_id)
     WHERE i.item_id = w.item_id AND i.subject_ref = w.subject_ref
    RETURNING i.item_id
"""

LIVING_ITEMS = """
    SELECT DISTINCT subject_ref, item_id
      FROM unnest($1::text[], $2::text[]) AS w (subject_ref, item_id) JOIN item_keys i USING (subject_ref, item_id)
"""

FENCE = "UPDATE subjects SET state = 'fenced' WHERE subject_ref = $1 AND state = 'active'"
COUNT_KEYS = """
    SELECT (SELECT count(*) FROM item_keys WHERE subject_ref = $1) AS item_keys,
           (SELECT count(*) FROM class_keys WHERE subject_ref = $1) AS class_keys,
           (SELECT count(*) FROM login_index WHERE subject_ref = $1) AS login_index,
           (SELECT count(*) FROM consents JOIN subjects USING (holder_ref) WHERE subject_ref = $1) AS consents
"""
FENCE_AND_COUNT = f"WITH fenced AS ({FENCE}) {COUNT_KEYS}, ({SUBJECT_STATE}) AS state"
DESTROY_SUBJECT = """
    WITH items AS (DELETE FROM item_keys WHERE subject_ref = $1),
         classes AS (DELETE FROM class_keys WHERE subject_ref = $1),
         logins AS (DELETE FROM login_index WHERE subject_ref = $1),
         closed AS (INSERT INTO closed_holders (holder_ref, closed_at)
                    SELECT holder_ref, $2 FROM subjects WHERE subject_ref = $1 AND holder_ref IS NOT NULL)
    UPDATE subjects
       SET state = 'erased', consents = '{}', objections = '{}', holder_ref = NULL, is_restricted = false,
           erased_at = coalesce(erased_at, $2)
     WHERE subject_ref = $1
"""
FORGET_LOSS = "DELETE FROM losses WHERE subject_ref = $1"

RESTRICT = "UPDATE subjects SET is_restricted = $2 WHERE subject_ref = $1 AND state = 'active' RETURNING subject_ref"

LOCK_CHOSEN = "SELECT state, consents, objections, holder_ref FROM subjects WHERE subject_ref = $1 FOR UPDATE"
SET_CHOSEN = "UPDATE subjects SET consents = $2, objections = $3, holder_ref = $4 WHERE subject_ref = $1"
LAST_CHOICES = """
    SELECT DISTINCT ON (purpose) purpose, choice, policy_version, policy_hash, at
      FROM consents WHERE holder_ref = $1 ORDER BY purpose, line DESC
"""  # index consents_holder
ADD_CHOICE = """
    INSERT INTO consents (holder_ref, purpose, choice, policy_version, policy_hash, text_hash, language, way, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# Only its owner role may remove lines of the ledger; index closed_holders_at.
FORGET_CHOICES = "SELECT keys.forget_choices($1, $2)"
FORGET_ERASED = """
    DELETE FROM subjects
     WHERE subject_ref IN (
        SELECT subject_ref FROM subjects WHERE erased_at <= $1 ORDER BY erased_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING subject_ref
"""  # index subjects_erased
COUNT_CHOICES = "SELECT count(*) FROM consents WHERE holder_ref = $1"


async def load_for_issue(tx: Transaction, wishes: Sequence[KeyWish]) -> list[asyncpg.Record]:
    """What there is for each wish for a new key, in their order."""
    return await tx.fetch(
        LOAD_FOR_ISSUE,
        [wish.subject_ref for wish in wishes],
        [wish.item_id for wish in wishes],
        [wish.key_class for wish in wishes],
    )


async def load_for_lease(tx: Transaction, wishes: Sequence[LeaseWish]) -> list[asyncpg.Record]:
    """What there is for each wish to open an item, in their order."""
    subjects, items = [wish.subject_ref for wish in wishes], [wish.item_id for wish in wishes]
    return await tx.fetch(LOAD_FOR_LEASE, subjects, items)


async def destroy_items(tx: Transaction, wishes: Sequence[LeaseWish]) -> int:
    """Delete items' keys where item and owner belong together; how many there were."""
    in_order = sorted(wishes, key=lambda wish: wish.item_id)
    subjects, items = [wish.subject_ref for wish in in_order], [wish.item_id for wish in in_order]
    return len(await tx.fetch(DESTROY_ITEMS, subjects, items))


async def add_item_keys(
    tx: Transaction, rows: Sequence[tuple[str, str, str, str, bytes]], created_at: datetime
) -> set[str]:
    """Write (item, subject, class, key id, wrapped key) rows; the items that had none before."""
    columns = [list(column) for column in zip(*sorted(rows), strict=True)]
    return {row["item_id"] for row in await tx.fetch(ADD_ITEM_KEYS, *columns, created_at)}
