"""The first tables. Not reversible: there is no earlier release to go back to."""

from alembic import op

revision = "20261122_first"
down_revision = None

_TABLES = (
    """
    CREATE TABLE gateway.accounts (
        account_id text PRIMARY KEY CHECK (account_id ~ '^acct_[0-9a-f]{32}$'),
        subject_ref text NOT NULL UNIQUE CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
        email_sealed bytea NOT NULL CHECK (octet_length(email_sealed) <= 1024),
        password_sealed bytea NOT NULL CHECK (octet_length(password_sealed) <= 1024),
        key_id text NOT NULL,
        storage_ref text NOT NULL UNIQUE,
        plan text NOT NULL,
        state text NOT NULL CHECK (state IN ('unverified', 'active', 'closing')),
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE gateway.api_keys (
        key_id text PRIMARY KEY CHECK (key_id ~ '^key_[0-9a-f]{32}$'),
        account_id text NOT NULL REFERENCES gateway.accounts,
        key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
        created_at timestamptz NOT NULL,
        last_used_on date
    )
    """,
    "CREATE INDEX api_keys_account ON gateway.api_keys (account_id)",
    """
    CREATE TABLE gateway.sessions (
        token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
        account_id text NOT NULL REFERENCES gateway.accounts,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL CHECK (expires_at > created_at)
    )
    """,
    "CREATE INDEX sessions_account ON gateway.sessions (account_id)",
    "CREATE INDEX sessions_expiry ON gateway.sessions (expires_at)",
    """
    CREATE TABLE gateway.proof_tokens (
        token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
        account_id text NOT NULL REFERENCES gateway.accounts,
        use text NOT NULL CHECK (use IN ('password_reset', 'verify_email')),
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX proof_tokens_account ON gateway.proof_tokens (account_id)",
    """
    CREATE TABLE gateway.mails (
        mail_id text PRIMARY KEY CHECK (mail_id ~ '^mail_[0-9a-f]{32}$'),
        account_id text NOT NULL REFERENCES gateway.accounts,
        subject_ref text NOT NULL,
        template text NOT NULL CHECK (template IN ('password_reset', 'verify_email')),
        secret_sealed bytea NOT NULL,
        key_id text NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        is_asked boolean NOT NULL DEFAULT false,
        due_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX mails_account ON gateway.mails (account_id)",
    "CREATE INDEX mails_due ON gateway.mails (due_at) WHERE is_asked",
    """
    CREATE TABLE gateway.generations (
        generation_id text PRIMARY KEY CHECK (length(generation_id) = 38),
        account_id text NOT NULL REFERENCES gateway.accounts,
        subject_ref text NOT NULL,
        state text NOT NULL CHECK (state IN ('queued', 'in_progress', 'completed', 'failed', 'cancelled')),
        state_version bigint NOT NULL DEFAULT 1 CHECK (state_version > 0),
        model text NOT NULL,
        width_px integer NOT NULL CHECK (width_px > 0),
        height_px integer NOT NULL CHECK (height_px > 0),
        seconds integer NOT NULL CHECK (seconds > 0),
        seed bigint NOT NULL CHECK (seed >= 0),
        prompt_sealed bytea NOT NULL CHECK (octet_length(prompt_sealed) <= 140000),
        key_id text NOT NULL,
        upload_id text,
        hold_id text NOT NULL,
        credits_held bigint NOT NULL CHECK (credits_held >= 0),
        credits_charged bigint CHECK (credits_charged >= 0),
        error_code text,
        created_at timestamptz NOT NULL,
        completed_at timestamptz,
        expires_at timestamptz,
        hidden_at timestamptz,
        rule text CHECK (rule IN ('expired', 'deleted_by_user', 'erased')),
        CHECK ((hidden_at IS NULL) = (rule IS NULL)),
        CHECK ((state = 'completed') = (completed_at IS NOT NULL))
    ) WITH (fillfactor = 60)
    """,
    # A generation is updated four times within seconds: with room on its page no index is touched.
    # Ids are UUIDv7: their order is the order of creation, so one index pages both ways.
    "CREATE INDEX generations_account ON gateway.generations (account_id, generation_id)",
    """
    CREATE TABLE gateway.uploads (
        upload_id text PRIMARY KEY CHECK (upload_id ~ '^upload_[0-9a-f]{32}$'),
        account_id text NOT NULL REFERENCES gateway.accounts,
        subject_ref text NOT NULL,
        generation_id text NOT NULL,
        object_key text NOT NULL UNIQUE,
        key_id text NOT NULL,
        media_type text NOT NULL,
        size_bytes bigint NOT NULL CHECK (size_bytes > 0),
        is_attached boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL,
        due_at timestamptz,
        CHECK (is_attached OR due_at IS NOT NULL)
    )
    """,
    "CREATE INDEX uploads_account ON gateway.uploads (account_id)",
    "CREATE INDEX uploads_generation ON gateway.uploads (generation_id)",
    "CREATE INDEX uploads_due ON gateway.uploads (due_at)",
    """
    CREATE TABLE gateway.idempotency (
        account_id text NOT NULL REFERENCES gateway.accounts,
        key_hmac text NOT NULL CHECK (length(key_hmac) = 64),
        body_hmac text NOT NULL CHECK (length(body_hmac) = 64),
        generation_id text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (account_id, key_hmac)
    )
    """,
    "CREATE INDEX idempotency_generation ON gateway.idempotency (generation_id)",
    "CREATE INDEX idempotency_age ON gateway.idempotency (created_at)",
    """
    CREATE TABLE gateway.tombstones (
        generation_id text PRIMARY KEY,
        account_id text NOT NULL REFERENCES gateway.accounts,
        removed_at timestamptz NOT NULL,
        rule text NOT NULL CHECK (rule IN ('expired', 'deleted_by_user', 'erased'))
    )
    """,
    "CREATE INDEX tombstones_account ON gateway.tombstones (account_id)",
)

_VERIFIER = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'verifier') THEN
            GRANT USAGE ON SCHEMA gateway TO verifier;
            GRANT SELECT (account_id, subject_ref) ON gateway.accounts TO verifier;
            GRANT SELECT (generation_id, account_id, subject_ref) ON gateway.generations TO verifier;
            GRANT SELECT (upload_id, generation_id, account_id, subject_ref) ON gateway.uploads TO verifier;
            GRANT SELECT (mail_id, account_id, subject_ref) ON gateway.mails TO verifier;
            GRANT SELECT (key_id, account_id) ON gateway.api_keys TO verifier;
            GRANT SELECT (account_id) ON gateway.sessions, gateway.proof_tokens, gateway.idempotency TO verifier;
            GRANT SELECT (generation_id, account_id) ON gateway.tombstones TO verifier;
        END IF;
    END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _TABLES:
        op.execute(statement)
    # Key columns only: enough to see that somebody is absent, nothing of what is held.
    op.execute(_VERIFIER)
