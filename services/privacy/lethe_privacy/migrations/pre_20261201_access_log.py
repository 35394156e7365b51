"""The access log: batches of commitments in a chain, the sealed bodies of their entries, checkpoints of what ended."""

from lethe_common.database import script

revision = "20261201_access_log"
down_revision = "20261130_records_end"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE privacy.access_batches (
    number bigint PRIMARY KEY CHECK (number > 0),
    at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    bodies integer NOT NULL CHECK (bodies > 0),
    commitments bytea NOT NULL CHECK (octet_length(commitments) > 0 AND octet_length(commitments) % 32 = 0),
    link bytea NOT NULL CHECK (octet_length(link) = 32)
);

-- Of somebody erased the row stays, empty: that something was taken out is seen, and whose it was is not.
CREATE TABLE privacy.access_bodies (
    number bigint NOT NULL,
    body integer NOT NULL CHECK (body > 0),
    subject_ref text CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    item_id text,
    sealed bytea,
    PRIMARY KEY (number, body),
    CHECK ((subject_ref IS NULL) = (item_id IS NULL) AND (subject_ref IS NULL) = (sealed IS NULL))
);
CREATE INDEX access_bodies_subject ON privacy.access_bodies (subject_ref, number, body) WHERE subject_ref IS NOT NULL;

CREATE TABLE privacy.access_checkpoints (
    number bigint PRIMARY KEY CHECK (number > 0),
    link bytea NOT NULL CHECK (octet_length(link) = 32),
    document text NOT NULL
);

-- The working role can neither change nor remove a line. These two things it may ask for: that all up to a checkpoint
-- end, and that the bodies of one subject go.
CREATE FUNCTION privacy.end_accesses(through bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = privacy, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM access_checkpoints WHERE number = through) THEN
        RAISE EXCEPTION 'no checkpoint stands for what is to end';
    END IF;
    DELETE FROM access_bodies WHERE number <= through;
    DELETE FROM access_batches WHERE number <= through;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM access_checkpoints WHERE number < through;
    RETURN gone;
END
$$;

CREATE FUNCTION privacy.forget_accesses(whose text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = privacy, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    UPDATE access_bodies SET subject_ref = NULL, item_id = NULL, sealed = NULL WHERE subject_ref = whose;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

REVOKE EXECUTE ON FUNCTION privacy.end_accesses(bigint), privacy.forget_accesses(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.end_accesses(bigint), privacy.forget_accesses(text) TO privacy;
GRANT SELECT (number, subject_ref) ON privacy.access_bodies TO verifier;
"""


def upgrade() -> None:
    """Create tables and functions."""
    script(DDL)
