"""Exports: who asked for a copy of their data, and how far it is."""

from lethe_common.database import script

revision = "20261128_exports"
down_revision = "20261128_ledger"

DDL = """
CREATE TABLE privacy.exports (
    export_id text PRIMARY KEY CHECK (export_id ~ '^export_[0-9a-f]{32}$'),
    subject_ref text NOT NULL CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    language text NOT NULL CHECK (language ~ '^[a-z]{2}$'),
    state text NOT NULL CHECK (state IN ('packing', 'ready', 'removing')),
    asked integer NOT NULL DEFAULT 1 CHECK (asked > 0),
    not_before timestamptz NOT NULL,
    requested_at timestamptz NOT NULL,
    ready_at timestamptz,
    size_bytes bigint CHECK (size_bytes >= 0),
    CHECK (state <> 'ready' OR ready_at IS NOT NULL AND size_bytes IS NOT NULL)
);
CREATE UNIQUE INDEX exports_packing ON privacy.exports (subject_ref) WHERE state = 'packing';
CREATE INDEX exports_subject ON privacy.exports (subject_ref, export_id);
CREATE INDEX exports_due ON privacy.exports (not_before) WHERE state <> 'ready';

GRANT USAGE ON SCHEMA privacy TO verifier;
GRANT SELECT (export_id, subject_ref) ON privacy.exports TO verifier;
"""


def upgrade() -> None:
    """Create the table."""
    script(DDL)
