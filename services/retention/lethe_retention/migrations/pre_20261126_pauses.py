"""Pauses: what is over is kept while somebody waits for a copy, or has restricted the processing."""

from lethe_common.database import script

revision = "retention_20261126_pauses"
down_revision = "retention_20261125_versions"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE pauses (
    request_id text PRIMARY KEY CHECK (request_id ~ '^req_[0-9a-f]{32}$'),
    subject_ref text NOT NULL CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    began_at timestamptz,
    ended_at timestamptz,
    CHECK (began_at IS NOT NULL OR ended_at IS NOT NULL)
);
CREATE INDEX pauses_subject ON pauses (subject_ref) WHERE ended_at IS NULL;
CREATE INDEX pauses_ended ON pauses (ended_at) WHERE ended_at IS NOT NULL;

GRANT SELECT (request_id, subject_ref) ON pauses TO verifier;
"""


def upgrade() -> None:
    """Add the table."""
    script(DDL)
