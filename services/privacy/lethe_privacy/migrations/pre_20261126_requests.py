"""Requests to the rights desk, and their dossiers. What an older version knows stays as it is."""

from lethe_common.database import script

revision = "20261126_requests"
down_revision = "20261125_log"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE privacy.requests (
    request_id text PRIMARY KEY CHECK (request_id ~ '^req_[0-9a-f]{32}$'),
    subject_ref text NOT NULL CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    kind text NOT NULL CHECK (kind IN ('access', 'portability', 'correct', 'erase', 'restrict', 'object', 'withdraw',
                                       'enquiry', 'child', 'depicted')),
    state text NOT NULL CHECK (state IN ('received', 'identity_checked', 'in_progress', 'extended', 'answered',
                                         'refused', 'closed')),
    generation_id text CHECK (generation_id ~ '^video_[0-9a-f]{32}$'),
    received_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL CHECK (due_at >= received_at),
    is_extended boolean NOT NULL DEFAULT false,
    is_paused boolean NOT NULL DEFAULT false,
    warn_at timestamptz NOT NULL CHECK (warn_at BETWEEN received_at AND due_at),
    is_warned boolean NOT NULL DEFAULT false
);
CREATE INDEX requests_subject ON privacy.requests (subject_ref, request_id);
CREATE INDEX requests_open ON privacy.requests (due_at, request_id)
    WHERE state IN ('received', 'identity_checked', 'in_progress', 'extended');
CREATE INDEX requests_warn ON privacy.requests (warn_at)
    WHERE state IN ('received', 'identity_checked', 'in_progress', 'extended') AND NOT is_warned;
CREATE INDEX requests_received ON privacy.requests (received_at) WHERE NOT is_paused;

-- Lines of a dossier are never changed; they go with their request.
CREATE TABLE privacy.request_steps (
    request_id text NOT NULL REFERENCES privacy.requests ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    step text NOT NULL CHECK (step IN ('received', 'identity_checked', 'in_progress', 'extended', 'answered', 'refused',
                                       'closed', 'lifted', 'read', 'warned')),
    actor text NOT NULL CHECK (length(actor) BETWEEN 2 AND 64),
    at timestamptz NOT NULL,
    ground text CHECK (ground IN ('identity_not_proved', 'manifestly_unfounded', 'excessive', 'kept_by_law',
                                  'rights_of_others', 'nothing_held')),
    text_sealed bytea CHECK (octet_length(text_sealed) <= 32768),
    key_id text CHECK (key_id ~ '^seal_[0-9a-f]{32}$'),
    PRIMARY KEY (request_id, number),
    CHECK ((text_sealed IS NULL) = (key_id IS NULL)),
    CHECK ((ground IS NOT NULL) = (step = 'refused'))
);

GRANT SELECT (request_id, subject_ref) ON privacy.requests TO verifier;
"""


def upgrade() -> None:
    """Add both tables."""
    script(DDL)
