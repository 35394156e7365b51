"""Billing's SQL on subjects, fences, what runs out, balances and the check of the books, named."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from lethe_common.database import Transaction

FENCED = """
    SELECT subject_ref
      FROM unnest($1::text[]) asked(subject_ref)
      JOIN fences ON mark = sha256(convert_to(subject_ref, 'UTF8'))
"""

KNOWN_SUBJECTS = "SELECT subject_ref FROM subjects WHERE subject_ref = ANY($1::text[])"

INSERT_SUBJECTS = """
    INSERT INTO subjects (subject_ref, wallet_id, plan, plan_since, opened_at)
    SELECT subject_ref, wallet_id, plan, opened_at, opened_at
      FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[]) s(subject_ref, wallet_id, plan, opened_at)
"""

SUBJECT = """
    SELECT s.wallet_id, s.plan, s.plan_since, w.available, w.held, w.owed
      FROM subjects s JOIN wallets w USING (wallet_id)
     WHERE s.subject_ref = $1 AND NOT w.is_closed
"""

SUBJECTS_OF_GENERATIONS = """
    SELECT h.generation_id, s.subject_ref
      FROM holds h JOIN subjects s USING (wallet_id)
     WHERE h.generation_id = ANY($1::text[])
"""

PLANS_COUNT = "SELECT subject_ref, plans_count FROM subjects WHERE subject_ref = ANY($1::text[])"

LOCK_SUBJECT = "SELECT wallet_id, plan, plan_since FROM subjects WHERE subject_ref = $1 FOR UPDATE"

CHANGE_PLAN = """
    UPDATE subjects SET plan = $2, plan_since = $3, plans_count = plans_count + 1 WHERE subject_ref = $1
"""

FENCE = "INSERT INTO fences (mark, fenced_at) VALUES (sha256(convert_to($1, 'UTF8')), $2) ON CONFLICT (mark) DO NOTHING"

FENCE_DONE = "UPDATE fences SET done_at = $2 WHERE mark = sha256(convert_to($1, 'UTF8')) AND done_at IS NULL"

FENCES_OVER = """
    DELETE FROM fences WHERE mark IN (SELECT mark FROM fences WHERE done_at <= $1 ORDER BY done_at LIMIT $2)
"""  # index fences_done

QUOTES_OVER = """
    DELETE FROM quotes
     WHERE quote_id IN (SELECT quote_id FROM quotes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
"""  # index quotes_expiring

WALLETS_WITH_GRANTS_OVER = """
    SELECT DISTINCT wallet_id
      FROM (SELECT wallet_id FROM grants
             WHERE expires_at <= $1 AND NOT is_expired ORDER BY expires_at LIMIT $2) over
"""  # index grants_expiring

MARK_GRANTS_EXPIRED = """
    UPDATE grants SET is_expired = true
     WHERE wallet_id = ANY($1::uuid[]) AND expires_at <= $2 AND NOT is_expired
"""

# What is there of a wallet and its owner.
COUNT_OF_WALLET = """
    SELECT (SELECT count(*) FROM subjects WHERE wallet_id = $1) AS subjects,
           (SELECT count(*) FROM grants WHERE wallet_id = $1) AS grants,
           (SELECT count(*) FROM holds WHERE wallet_id = $1) AS holds,
           (SELECT count(*) FROM quotes WHERE wallet_id = $1) AS quotes,
           (SELECT count(*) FROM transfers WHERE wallet_id = $1) AS transfers
"""

FORGET_WALLET = """
    WITH s AS (DELETE FROM subjects WHERE wallet_id = $1 RETURNING 1),
         g AS (DELETE FROM grants WHERE wallet_id = $1 RETURNING 1),
         h AS (DELETE FROM holds WHERE wallet_id = $1 RETURNING 1),
         q AS (DELETE FROM quotes WHERE wallet_id = $1 RETURNING 1)
    SELECT (SELECT count(*) FROM s) AS subjects, (SELECT count(*) FROM g) AS grants,
           (SELECT count(*) FROM h) AS holds, (SELECT count(*) FROM q) AS quotes
"""

GRANT_LINES = """
    SELECT source, amount, remaining, granted_at, expires_at
      FROM grants
     WHERE wallet_id = $1 AND NOT is_expired
     ORDER BY granted_at DESC
     LIMIT 200
"""

HISTORY = """
    SELECT t.transfer_id, t.kind, t.debit_account, t.credit_account, t.amount, h.generation_id, t.created_at
      FROM transfers t LEFT JOIN holds h ON h.cause_ref = t.cause_ref
     WHERE t.wallet_id = $1 AND ($2::uuid IS NULL OR t.transfer_id < $2)
     ORDER BY t.transfer_id DESC
     LIMIT $3
"""  # index transfers_of_wallet

FORGET_TRANSFERS = "SELECT forget_transfers($1, $2)"
FORGET_WALLETS = "SELECT forget_wallets($1)"

# One statement, so that all sums are of one moment. What was carried forward counts as the lines it stands for; steps
# of holds are compared where none of them can have gone. Each line is a difference that must not be.
VERIFY = """
    WITH moves AS (
        SELECT wallet_id, credit_account AS account, sum(amount) AS amount FROM transfers GROUP BY 1, 2
        UNION ALL
        SELECT wallet_id, debit_account, -sum(amount) FROM transfers GROUP BY 1, 2
        UNION ALL
        SELECT c.wallet_id, s.account, s.amount
          FROM carried c,
               LATERAL (VALUES ('available', c.available), ('held', c.held), ('owed', -c.owed)) s(account, amount)
    ), sums AS (
        SELECT wallet_id,
               coalesce(sum(amount) FILTER (WHERE account = 'available'), 0) AS available,
               coalesce(sum(amount) FILTER (WHERE account = 'held'), 0) AS held,
               -coalesce(sum(amount) FILTER (WHERE account = 'owed'), 0) AS owed
          FROM moves GROUP BY 1
    ), granted AS (
        SELECT wallet_id, sum(remaining) AS remaining FROM grants GROUP BY 1
    ), open_holds AS (
        SELECT wallet_id, sum(amount) AS amount FROM holds WHERE state = 'held' GROUP BY 1
    ), steps AS (
        SELECT cause_ref,
               coalesce(sum(amount) FILTER (WHERE kind = 'hold'), 0) AS held,
               coalesce(sum(amount) FILTER (WHERE kind IN ('post', 'release')), 0) AS settled,
               coalesce(sum(amount) FILTER (WHERE kind IN ('post', 'late_post', 'owe')), 0) AS charged
          FROM transfers GROUP BY 1
    ), differences AS (
        SELECT 'balance of wallet ' || w.wallet_id AS told
          FROM wallets w LEFT JOIN sums s USING (wallet_id)
         WHERE (w.available, w.held, w.owed) IS DISTINCT FROM
               (coalesce(s.available, 0), coalesce(s.held, 0), coalesce(s.owed, 0))
        UNION ALL
        SELECT 'transfers without wallet ' || s.wallet_id
          FROM sums s LEFT JOIN wallets w USING (wallet_id) WHERE w.wallet_id IS NULL
        UNION ALL
        SELECT 'grants of wallet ' || w.wallet_id
          FROM wallets w LEFT JOIN granted g USING (wallet_id) WHERE w.available <> coalesce(g.remaining, 0)
        UNION ALL
        SELECT 'open holds of wallet ' || w.wallet_id
          FROM wallets w LEFT JOIN open_holds o USING (wallet_id) WHERE w.held <> coalesce(o.amount, 0)
        UNION ALL
        SELECT 'hold without wallet ' || h.cause_ref
          FROM holds h LEFT JOIN wallets w USING (wallet_id) WHERE w.wallet_id IS NULL
        UNION ALL
        SELECT 'steps of hold ' || h.cause_ref
          FROM holds h LEFT JOIN steps p USING (cause_ref)
         WHERE h.placed_at > coalesce((SELECT max(until) FROM carried), '-infinity')
           AND (h.amount <> coalesce(p.held, 0)
                OR h.charged <> coalesce(p.charged, 0)
                OR coalesce(p.settled, 0) <> CASE WHEN h.state = 'held' THEN 0 ELSE h.amount END)
    )
    SELECT (SELECT count(*) FROM transfers) AS transfers,
           (SELECT count(*) FROM wallets) AS wallets,
           (SELECT count(*) FROM holds WHERE state = 'held') AS open_holds,
           (SELECT array_agg(told) FROM (SELECT told FROM differences LIMIT 50) few) AS differences
"""


async def fenced(tx: Transaction, subject_refs: Sequence[str]) -> set[str]:
    """Which of these subjects are being or were erased."""
    return {row[0] for row in await tx.fetch(FENCED, subject_refs)}


async def known_subjects(tx: Transaction, subject_refs: Sequence[str]) -> set[str]:
    """Which of these subjects have a wallet."""
    return {row[0] for row in await tx.fetch(KNOWN_SUBJECTS, subject_refs)}


async def insert_subjects(
    tx: Transaction,
    subject_refs: Sequence[str],
    wallet_ids: Sequence[UUID],
    plans: Sequence[str],
    at: Sequence[datetime],
) -> None:
    """Say whose wallets they are."""
    await tx.execute(INSERT_SUBJECTS, subject_refs, wallet_ids, plans, at)
