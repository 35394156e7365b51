"""Records of what trainers were given, and how much operators gave on which day."""

from lethe_common.database import script

revision = "20261206_training"
down_revision = "20261203_tellings"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE gateway.training_records (
    handover_id text PRIMARY KEY CHECK (handover_id ~ '^train_[0-9a-f]{32}$'),
    account_id text NOT NULL REFERENCES gateway.accounts,
    subject_ref text NOT NULL,
    generation_id text NOT NULL,
    recipient_id text NOT NULL CHECK (recipient_id ~ '^[a-z][a-z0-9_-]{0,31}$'),
    record_sealed bytea NOT NULL CHECK (octet_length(record_sealed) <= 1024),
    key_id text NOT NULL CHECK (key_id ~ '^seal_[0-9a-f]{32}$'),
    given_at timestamptz NOT NULL,
    UNIQUE (generation_id, recipient_id)
);
CREATE INDEX training_records_account ON gateway.training_records (account_id);
CREATE INDEX training_records_subject ON gateway.training_records (subject_ref);
CREATE INDEX training_records_recipient ON gateway.training_records (recipient_id, handover_id);

CREATE TABLE gateway.training_days (
    recipient_id text NOT NULL CHECK (recipient_id ~ '^[a-z][a-z0-9_-]{0,31}$'),
    operator text NOT NULL,
    on_day date NOT NULL,
    items bigint NOT NULL CHECK (items > 0),
    PRIMARY KEY (on_day, recipient_id, operator)
);

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'verifier') THEN
        GRANT SELECT (handover_id, account_id, subject_ref) ON gateway.training_records TO verifier;
    END IF;
END $$;
"""


def upgrade() -> None:
    """Create the tables."""
    script(DDL)
