"""Legal holds and their history. What an older version knows stays as it is."""

from lethe_common.database import script

revision = "retention_20261125_legal_holds"
down_revision = "retention_20261122_first"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE legal_holds (
    hold_id text PRIMARY KEY CHECK (hold_id ~ '^legal_[0-9a-f]{32}$'),
    subject_ref text CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    item_id text CHECK (item_id ~ '^video_[0-9a-f]{32}$'),
    state text NOT NULL CHECK (state IN ('proposed', 'in_force', 'withdrawn', 'lifted', 'ended')),
    reason text CHECK (length(reason) BETWEEN 3 AND 500),
    ends_at timestamptz,
    CHECK (subject_ref IS NOT NULL OR (item_id IS NULL AND reason IS NULL)),
    CHECK (subject_ref IS NULL OR reason IS NOT NULL),
    CHECK (subject_ref IS NOT NULL OR state NOT IN ('proposed', 'in_force'))
);
CREATE UNIQUE INDEX legal_holds_scope ON legal_holds (subject_ref, coalesce(item_id, ''))
    WHERE state IN ('proposed', 'in_force');
CREATE INDEX legal_holds_in_force ON legal_holds (subject_ref, item_id) WHERE state = 'in_force';
CREATE INDEX legal_holds_open ON legal_holds (hold_id) WHERE state IN ('proposed', 'in_force');
CREATE INDEX legal_holds_ends ON legal_holds (ends_at) WHERE state = 'in_force';
CREATE INDEX legal_holds_subject ON legal_holds (subject_ref) WHERE subject_ref IS NOT NULL;

CREATE TABLE legal_hold_steps (
    hold_id text NOT NULL REFERENCES legal_holds,
    step text NOT NULL CHECK (step IN ('proposed', 'approved', 'withdrawn', 'lifted', 'ended')),
    operator text NOT NULL CHECK (length(operator) BETWEEN 2 AND 64),
    at timestamptz NOT NULL,
    PRIMARY KEY (hold_id, step)
);

GRANT SELECT (hold_id, subject_ref, item_id) ON legal_holds TO verifier;
"""


def upgrade() -> None:
    """Add both tables."""
    script(DDL)
