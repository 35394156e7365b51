"""The ledger of facts gets numbers, more kinds and a chain; and who has gone through it since a restore.

The table of before held erasures only and was nowhere released: it is made anew.
"""

from lethe_common.database import script

revision = "20261128_ledger"
down_revision = "20261127_final"

DDL = """
SET LOCAL lock_timeout = '5s';
DROP TABLE privacy.facts;

CREATE TABLE privacy.facts (
    number bigint PRIMARY KEY CHECK (number > 0),
    kind text NOT NULL CHECK (kind IN (
        'ledger_begun', 'erasure_requested', 'erased', 'item_deleted', 'withdrawn', 'objected', 'key_revoked',
        'session_ended', 'password_changed', 'restricted', 'restriction_ended', 'pause_began', 'pause_ended')),
    subject_ref text CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    ref text NOT NULL CHECK (octet_length(ref) <= 64),
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    CHECK ((kind = 'ledger_begun') = (subject_ref IS NULL))
);
CREATE INDEX facts_subject ON privacy.facts (subject_ref, kind, ref);
CREATE INDEX facts_at ON privacy.facts (at);

CREATE TABLE privacy.replays (
    service text PRIMARY KEY CHECK (service IN ('gateway', 'jobs', 'billing', 'retention')),
    through bigint CHECK (through >= 0)
);

-- The working role may not remove a fact; this one thing it may ask for: that all before some line are over.
-- The last line stays, so that the chain goes on and a mark can be compared; and what is young by the machine's time,
-- since marks follow by that, however far a virtual clock was moved.
CREATE FUNCTION privacy.end_facts(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = privacy, pg_temp AS $$
DECLARE
    first_kept bigint;
    gone bigint;
BEGIN
    SELECT least(coalesce((SELECT min(number) FROM facts WHERE at >= before OR recorded_at >= now() - interval '7 days'), max(number)), max(number))
      INTO first_kept FROM facts;
    DELETE FROM facts WHERE number < first_kept;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
REVOKE EXECUTE ON FUNCTION privacy.end_facts(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.end_facts(timestamptz) TO privacy;
"""


def upgrade() -> None:
    """Make the ledger."""
    script(DDL)
