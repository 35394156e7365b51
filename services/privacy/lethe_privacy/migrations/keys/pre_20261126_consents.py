"""The ledger of choices, and what of it counts beside each subject's state.

Rows of before have chosen nothing. Old code reads and writes them as before.
"""

from lethe_common.database import script

revision = "20261126_consents"
down_revision = "20261122_first"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE keys.subjects ADD COLUMN consents text[] NOT NULL DEFAULT '{}';
ALTER TABLE keys.subjects ADD COLUMN objections text[] NOT NULL DEFAULT '{}';
ALTER TABLE keys.subjects ADD COLUMN holder_ref text UNIQUE CHECK (holder_ref ~ '^[0-9a-f]{32}$');

CREATE TABLE keys.consents (
    line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    holder_ref text NOT NULL CHECK (holder_ref ~ '^[0-9a-f]{32}$'),
    purpose text NOT NULL CHECK (octet_length(purpose) BETWEEN 1 AND 64),
    choice text NOT NULL CHECK (
        choice IN ('consented', 'refused', 'withdrawn', 'objected', 'objection_ended', 'accepted')),
    policy_version integer NOT NULL CHECK (policy_version > 0),
    policy_hash text NOT NULL CHECK (policy_hash ~ '^[0-9a-f]{64}$'),
    text_hash text NOT NULL CHECK (text_hash ~ '^[0-9a-f]{64}$'),
    language text NOT NULL CHECK (language IN ('en', 'ru')),
    way text NOT NULL CHECK (way IN ('sign_up', 'settings', 'link')),
    at timestamptz NOT NULL
);
CREATE INDEX consents_holder ON keys.consents (holder_ref, purpose, line);
"""


def upgrade() -> None:
    """Add the table and the columns."""
    script(DDL)
