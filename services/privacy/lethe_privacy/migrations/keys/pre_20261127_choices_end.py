"""The end of the ledger of choices: whose account was closed when, and the lines that go a period later.

Whom a holder was is forgotten with its keys; from that instant on its lines' period counts.
Holders that were closed before count from their last line, or from now if that is later.
"""

from lethe_common.database import script

revision = "20261127_choices_end"
down_revision = "20261126_consents"

# Nobody may change or remove a line; this one thing the working role may ask for.
DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE keys.closed_holders (
    holder_ref text PRIMARY KEY CHECK (holder_ref ~ '^[0-9a-f]{32}$'),
    closed_at timestamptz NOT NULL
);
CREATE INDEX closed_holders_at ON keys.closed_holders (closed_at);

INSERT INTO keys.closed_holders (holder_ref, closed_at)
SELECT c.holder_ref, greatest(max(c.at), now()) FROM keys.consents c
 WHERE NOT EXISTS (SELECT 1 FROM keys.subjects s WHERE s.holder_ref = c.holder_ref)
 GROUP BY c.holder_ref;

CREATE FUNCTION keys.forget_choices(closed_at_or_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = keys, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    forgotten integer;
BEGIN
    WITH over AS (
        SELECT holder_ref FROM closed_holders WHERE closed_at <= closed_at_or_before ORDER BY closed_at LIMIT most
    ), lines AS (
        DELETE FROM consents c USING over WHERE c.holder_ref = over.holder_ref
    ), gone AS (
        DELETE FROM closed_holders h USING over WHERE h.holder_ref = over.holder_ref RETURNING h.holder_ref
    )
    SELECT count(*) INTO forgotten FROM gone;
    RETURN forgotten;
END
$$;
REVOKE EXECUTE ON FUNCTION keys.forget_choices(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keys.forget_choices(timestamptz, integer) TO privacy;
"""


def upgrade() -> None:
    """Add table and function."""
    script(DDL)
