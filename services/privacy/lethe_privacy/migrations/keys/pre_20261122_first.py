"""The key store: subjects, class keys, item keys and the blind index of logins.

Not reversible: a first release has nothing to go back to.
"""

from lethe_common.database import script

revision = "20261122_first"
down_revision = None

SQL = r"""
CREATE TABLE keys.subjects (
    subject_ref text PRIMARY KEY CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'fenced', 'erased'))
);

CREATE TABLE keys.class_keys (
    subject_ref text NOT NULL,
    key_class text NOT NULL CHECK (key_class IN ('identity', 'content', 'technical', 'support')),
    key_id text NOT NULL,
    wrapped bytea NOT NULL CHECK (octet_length(wrapped) BETWEEN 48 AND 256),
    epoch_id text NOT NULL,
    PRIMARY KEY (subject_ref, key_class)
);

CREATE TABLE keys.item_keys (
    item_id text PRIMARY KEY CHECK (octet_length(item_id) BETWEEN 1 AND 64),
    subject_ref text NOT NULL,
    key_class text NOT NULL CHECK (key_class IN ('identity', 'content', 'technical', 'support')),
    key_id text NOT NULL,
    wrapped bytea NOT NULL CHECK (octet_length(wrapped) BETWEEN 48 AND 256),
    created_at timestamptz NOT NULL
);
CREATE INDEX item_keys_subject ON keys.item_keys (subject_ref);

CREATE TABLE keys.login_index (
    index_digest bytea PRIMARY KEY CHECK (octet_length(index_digest) = 32),
    subject_ref text NOT NULL
);
CREATE INDEX login_index_subject ON keys.login_index (subject_ref);

-- The verifier sees that something is there, never what: no key, no digest.
GRANT USAGE ON SCHEMA keys TO verifier;
GRANT SELECT (item_id, subject_ref) ON keys.item_keys TO verifier;
GRANT SELECT (subject_ref) ON keys.class_keys, keys.login_index TO verifier;
"""


def upgrade() -> None:
    """Create everything."""
    script(SQL)
