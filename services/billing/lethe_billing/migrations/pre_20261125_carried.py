"""The end of the ledger's lines: what is older than the law asks goes, and its sums are carried forward."""

from lethe_common.database import script

revision = "billing_20261125_carried"
down_revision = "20261122_first"

# Nobody may change or remove a line; this one thing the working role may ask for, and no sum changes by it.
# Ids are in the order of time, so the oldest lines are the first ones of the primary key.
DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE carried (
    wallet_id uuid PRIMARY KEY,
    available bigint NOT NULL,
    held bigint NOT NULL,
    owed bigint NOT NULL,
    transfers bigint NOT NULL CHECK (transfers > 0),
    until timestamptz NOT NULL
);

CREATE FUNCTION forget_transfers(at_or_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = billing, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    forgotten integer;
BEGIN
    WITH oldest AS (
        SELECT transfer_id FROM transfers ORDER BY transfer_id LIMIT most
    ), gone AS (
        DELETE FROM transfers t USING oldest WHERE t.transfer_id = oldest.transfer_id AND t.created_at <= at_or_before
        RETURNING t.wallet_id, t.debit_account, t.credit_account, t.amount, t.created_at
    ), summed AS (
        SELECT wallet_id, count(*) AS transfers, max(created_at) AS until,
               sum(CASE 'available' WHEN credit_account THEN amount WHEN debit_account THEN -amount ELSE 0 END) AS available,
               sum(CASE 'held' WHEN credit_account THEN amount WHEN debit_account THEN -amount ELSE 0 END) AS held,
               sum(CASE 'owed' WHEN debit_account THEN amount WHEN credit_account THEN -amount ELSE 0 END) AS owed
          FROM gone GROUP BY wallet_id
    ), kept AS (
        INSERT INTO carried AS c (wallet_id, available, held, owed, transfers, until)
        SELECT wallet_id, available, held, owed, transfers, until FROM summed ORDER BY wallet_id
            ON CONFLICT (wallet_id) DO UPDATE SET
               available = c.available + excluded.available, held = c.held + excluded.held,
               owed = c.owed + excluded.owed, transfers = c.transfers + excluded.transfers,
               until = greatest(c.until, excluded.until)
    )
    SELECT count(*) INTO forgotten FROM gone;
    RETURN forgotten;
END
$$;
REVOKE EXECUTE ON FUNCTION forget_transfers(timestamptz, integer) FROM PUBLIC;

-- A wallet that belongs to nobody any more goes with its last line.
CREATE FUNCTION forget_wallets(most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = billing, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    forgotten integer;
BEGIN
    WITH over AS (
        SELECT c.wallet_id FROM carried c JOIN wallets w USING (wallet_id)
         WHERE w.is_closed AND (c.available, c.held, c.owed) = (0, 0, 0)
           AND NOT EXISTS (SELECT 1 FROM transfers t WHERE t.wallet_id = c.wallet_id)
           AND NOT EXISTS (SELECT 1 FROM subjects s WHERE s.wallet_id = c.wallet_id)
         LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM carried c USING over WHERE c.wallet_id = over.wallet_id
    ), wallets_gone AS (
        DELETE FROM wallets w USING over WHERE w.wallet_id = over.wallet_id RETURNING w.wallet_id
    )
    SELECT count(*) INTO forgotten FROM wallets_gone;
    RETURN forgotten;
END
$$;
REVOKE EXECUTE ON FUNCTION forget_wallets(integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION forget_transfers(timestamptz, integer), forget_wallets(integer) TO billing;
GRANT SELECT (transfer_id, created_at) ON transfers TO verifier;
"""


def upgrade() -> None:
    """Add them."""
    script(DDL)
