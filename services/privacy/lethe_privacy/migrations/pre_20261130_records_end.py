"""Records of erasures end: erasure, links, steps and certificates, all of one erasure together."""

from lethe_common.database import script

revision = "20261130_records_end"
down_revision = "20261129_announcements"

# Nobody may change or remove a certificate; this one thing the working role may ask for. What still waits for its
# final certificate stays. Entries of the log stay as hashes, so that the proofs of all others hold.
DDL = """
SET LOCAL lock_timeout = '5s';
CREATE INDEX erasures_completed ON privacy.erasures (completed_at) WHERE state = 'completed';

CREATE FUNCTION privacy.forget_erasures(completed_at_or_before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = privacy, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    ended text[];
BEGIN
    ended := ARRAY(
        SELECT erasure_id FROM erasures
         WHERE state = 'completed' AND completed_at <= completed_at_or_before
           AND (final_certificate_id IS NOT NULL OR last_generation IS NULL)
         ORDER BY completed_at LIMIT most FOR UPDATE SKIP LOCKED);
    DELETE FROM claims WHERE erasure_id = ANY (ended);
    DELETE FROM steps WHERE erasure_id = ANY (ended);
    DELETE FROM certificates WHERE erasure_id = ANY (ended);
    DELETE FROM erasures WHERE erasure_id = ANY (ended);
    RETURN coalesce(cardinality(ended), 0);
END
$$;
REVOKE EXECUTE ON FUNCTION privacy.forget_erasures(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.forget_erasures(timestamptz, integer) TO privacy;
"""


def upgrade() -> None:
    """Add index and function."""
    script(DDL)
