"""The register of processors: what operators know of the policy's recipients, their contracts above all."""

from lethe_common.database import script

revision = "20261202_registers"
down_revision = "20261202_quiescence"

# No line is changed. One goes when another took its place long enough ago: what counts stays however old it is.
DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE privacy.processors (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient_id text NOT NULL CHECK (recipient_id ~ '^[a-z][a-z0-9_-]{0,31}$'),
    reference text NOT NULL CHECK (length(reference) BETWEEN 1 AND 200),
    starts_on date NOT NULL,
    ends_on date CHECK (ends_on >= starts_on),
    subprocessors text NOT NULL CHECK (length(subprocessors) <= 1000),
    contact text NOT NULL CHECK (length(contact) <= 1000),
    operator text NOT NULL CHECK (length(operator) BETWEEN 2 AND 64),
    entered_at timestamptz NOT NULL
);
CREATE INDEX processors_newest ON privacy.processors (recipient_id, number DESC);

CREATE FUNCTION privacy.forget_processors(replaced_at_or_before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = privacy, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM processors old
     WHERE EXISTS (SELECT 1 FROM processors newer
                    WHERE newer.recipient_id = old.recipient_id AND newer.number > old.number
                      AND newer.entered_at <= replaced_at_or_before);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
REVOKE EXECUTE ON FUNCTION privacy.forget_processors(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.forget_processors(timestamptz) TO privacy;
"""


def upgrade() -> None:
    """Create table and function."""
    script(DDL)
