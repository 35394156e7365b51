"""Erasures wait until the subject's keys have left the memory of those they were handed to: who they were, and how it ended."""

from lethe_common.database import script

revision = "20261202_quiescence"
down_revision = "20261201_access_log"

# A column with a default that is the same for all rows is added without rewriting the table.
DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE privacy.access_bodies
    ADD COLUMN held_by text[] NOT NULL DEFAULT '{}',
    ADD COLUMN entered_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE privacy.erasures
    ADD COLUMN called_in_at timestamptz,
    ADD COLUMN is_called_by_record boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT erasures_state_check,
    ADD CONSTRAINT erasures_state_check CHECK (state IN (
        'requested', 'fenced', 'quiet', 'held', 'erasing', 'destroying', 'verifying', 'verification_failed', 'completed'));

CREATE TABLE privacy.called_in (
    erasure_id text NOT NULL REFERENCES privacy.erasures ON DELETE CASCADE,
    service text NOT NULL CHECK (service IN ('gateway', 'jobs')),
    process text NOT NULL CHECK (process ~ '^[0-9a-f]{16}$'),
    is_let_go boolean NOT NULL DEFAULT false,
    PRIMARY KEY (erasure_id, service, process)
);
"""


def upgrade() -> None:
    """Add columns and table."""
    script(DDL)
