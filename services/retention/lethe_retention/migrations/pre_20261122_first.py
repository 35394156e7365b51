"""Deadlines, plan histories and fences. First release: there is nothing to go back to."""

from lethe_common.database import script

revision = "retention_20261122_first"
down_revision = None

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE deadlines (
    item_id text PRIMARY KEY CHECK (length(item_id) = 38),
    subject_ref text NOT NULL CHECK (length(subject_ref) = 37),
    category text NOT NULL,
    started_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'due', 'removed', 'closed')),
    told_at timestamptz,
    rule text CHECK (rule IN ('expired', 'deleted_by_user', 'erased')),
    prefixes text[] NOT NULL DEFAULT '{}',
    removed_at timestamptz,
    look_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CHECK (due_at >= started_at),
    CHECK ((state IN ('removed', 'closed')) = (removed_at IS NOT NULL)),
    CHECK ((removed_at IS NULL) = (rule IS NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX deadlines_open ON deadlines (due_at) WHERE state = 'open';
CREATE INDEX deadlines_due ON deadlines (told_at) WHERE state = 'due';
CREATE INDEX deadlines_removed ON deadlines (look_at) WHERE state = 'removed';
CREATE INDEX deadlines_closed ON deadlines (closed_at) WHERE state = 'closed';
CREATE INDEX deadlines_subject ON deadlines (subject_ref, item_id);

CREATE TABLE plans_held (
    subject_ref text NOT NULL CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    since timestamptz NOT NULL,
    plan text NOT NULL CHECK (length(plan) BETWEEN 1 AND 64),
    PRIMARY KEY (subject_ref, since)
);

CREATE TABLE fences (
    mark bytea PRIMARY KEY CHECK (octet_length(mark) = 32),
    fenced_at timestamptz NOT NULL,
    done_at timestamptz
);
CREATE INDEX fences_done ON fences (done_at) WHERE done_at IS NOT NULL;

GRANT SELECT (item_id, subject_ref) ON deadlines TO verifier;
GRANT SELECT (subject_ref) ON plans_held TO verifier;
"""


def upgrade() -> None:
    """Create everything."""
    script(DDL)
