"""Exports: archives being packed or waiting for their owner, and where they lie."""

from lethe_common.database import script

revision = "20261128_exports"
down_revision = "20261128_password_set"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE gateway.exports (
    export_id text PRIMARY KEY CHECK (export_id ~ '^export_[0-9a-f]{32}$'),
    account_id text NOT NULL REFERENCES gateway.accounts,
    subject_ref text NOT NULL,
    language text NOT NULL CHECK (language ~ '^[a-z]{2}$'),
    state text NOT NULL CHECK (state IN ('packing', 'packed', 'ready', 'removing')),
    rule text CHECK (rule IN ('expired', 'deleted_by_user', 'erased')),
    object_prefix text NOT NULL UNIQUE,
    object_key text UNIQUE,
    key_id text,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    leased_until timestamptz,
    not_before timestamptz NOT NULL DEFAULT now(),
    packed_bytes bigint NOT NULL DEFAULT 0 CHECK (packed_bytes >= 0),
    size_bytes bigint CHECK (size_bytes >= 0),
    sealed_size_bytes bigint CHECK (sealed_size_bytes >= 0),
    requested_at timestamptz NOT NULL,
    due_at timestamptz,
    CHECK (state IN ('packing', 'removing') OR object_key IS NOT NULL AND key_id IS NOT NULL
           AND size_bytes IS NOT NULL AND sealed_size_bytes IS NOT NULL),
    CHECK ((state = 'removing') = (rule IS NOT NULL))
);
CREATE INDEX exports_account ON gateway.exports (account_id);
CREATE INDEX exports_work ON gateway.exports (not_before) WHERE state IN ('packing', 'removing');

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'verifier') THEN
        GRANT SELECT (export_id, account_id, subject_ref, object_key, state) ON gateway.exports TO verifier;
    END IF;
END $$;
"""


def upgrade() -> None:
    """Create the table."""
    script(DDL)
