"""The end of legal holds' records, and whether an owner was told of a deadline already."""

from lethe_common.database import script

revision = "retention_20261127_hold_records"
down_revision = "retention_20261126_pauses"

# Nobody may change or remove a line of a hold's history; this one thing the working role may ask for.
# A hold's last step ends it, and no step comes after that.
DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE deadlines ADD COLUMN is_noticed boolean NOT NULL DEFAULT false;

CREATE INDEX legal_hold_steps_last ON legal_hold_steps (at) WHERE step IN ('withdrawn', 'lifted', 'ended');

CREATE FUNCTION forget_legal_holds(ended_at_or_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = retention, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    forgotten integer;
BEGIN
    WITH over AS (
        SELECT hold_id FROM legal_hold_steps
         WHERE step IN ('withdrawn', 'lifted', 'ended') AND at <= ended_at_or_before
         ORDER BY at LIMIT most
    ), steps_gone AS (
        DELETE FROM legal_hold_steps s USING over WHERE s.hold_id = over.hold_id
    ), gone AS (
        DELETE FROM legal_holds h USING over WHERE h.hold_id = over.hold_id RETURNING h.hold_id
    )
    SELECT count(*) INTO forgotten FROM gone;
    RETURN forgotten;
END
$$;
REVOKE EXECUTE ON FUNCTION forget_legal_holds(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_legal_holds(timestamptz, integer) TO retention;
"""


def upgrade() -> None:
    """Add column, index and function."""
    script(DDL)
