"""The ledger, grants, holds, quotes and fences. First release: there is nothing to go back to."""

from lethe_common.database import script

revision = "20261122_first"
down_revision = None

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE wallets (
    wallet_id uuid PRIMARY KEY,
    available bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    owed bigint NOT NULL DEFAULT 0 CHECK (owed >= 0),
    is_closed boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);

CREATE TABLE subjects (
    subject_ref text PRIMARY KEY CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    wallet_id uuid NOT NULL UNIQUE REFERENCES wallets,
    plan text NOT NULL CHECK (length(plan) BETWEEN 1 AND 64),
    plan_since timestamptz NOT NULL,
    opened_at timestamptz NOT NULL
);

-- No foreign key to wallets on transfers and holds: it costs a third of the hot path, and the check of the books finds
-- what it would refuse.
CREATE TABLE transfers (
    transfer_id uuid PRIMARY KEY,
    kind text NOT NULL,
    debit_account text NOT NULL,
    credit_account text NOT NULL,
    wallet_id uuid NOT NULL,
    cause_ref uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    created_at timestamptz NOT NULL,
    CONSTRAINT transfers_sides CHECK (
        (kind, debit_account, credit_account) IN (
            ('issue', 'issued', 'available'),
            ('hold', 'available', 'held'),
            ('post', 'held', 'revenue'),
            ('release', 'held', 'available'),
            ('expire', 'available', 'expired'),
            ('late_post', 'available', 'revenue'),
            ('owe', 'owed', 'revenue'),
            ('repay', 'available', 'owed')
        )
    )
);
-- Every step of a hold and of a grant happens once; only a grant can run out in parts.
CREATE UNIQUE INDEX transfers_once ON transfers (cause_ref, kind) WHERE kind <> 'expire';
CREATE INDEX transfers_of_wallet ON transfers (wallet_id, transfer_id);

CREATE TABLE grants (
    grant_id text PRIMARY KEY CHECK (grant_id ~ '^grant_[0-9a-f]{32}$'),
    wallet_id uuid NOT NULL REFERENCES wallets,
    cause_ref uuid NOT NULL,
    source text NOT NULL CHECK (source IN ('plan', 'top_up', 'promo', 'goodwill', 'refund')),
    amount bigint NOT NULL CHECK (amount > 0),
    remaining bigint NOT NULL CHECK (remaining BETWEEN 0 AND amount),
    priority smallint NOT NULL,
    granted_at timestamptz NOT NULL,
    expires_at timestamptz,
    is_expired boolean NOT NULL DEFAULT false,
    CHECK (NOT is_expired OR remaining = 0)
) WITH (fillfactor = 70);
CREATE INDEX grants_of_wallet ON grants (wallet_id);
CREATE INDEX grants_expiring ON grants (expires_at) WHERE expires_at IS NOT NULL AND NOT is_expired;

CREATE TABLE holds (
    cause_ref uuid PRIMARY KEY,
    hold_id text NOT NULL CHECK (length(hold_id) = 37),
    generation_id text NOT NULL UNIQUE CHECK (length(generation_id) = 38),
    wallet_id uuid NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 32 AND 64),
    body_hash text NOT NULL CHECK (length(body_hash) BETWEEN 32 AND 64),
    model text NOT NULL,
    width_px integer NOT NULL CHECK (width_px > 0),
    height_px integer NOT NULL CHECK (height_px > 0),
    seconds integer NOT NULL CHECK (seconds > 0),
    price_version text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    line_grants text[] NOT NULL,
    line_amounts bigint[] NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'posted', 'voided', 'expired')),
    void_cause text CHECK (void_cause IN ('failed', 'cancelled', 'expired', 'erased')),
    charged bigint NOT NULL DEFAULT 0 CHECK (charged BETWEEN 0 AND amount),
    placed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    settled_at timestamptz,
    UNIQUE (wallet_id, key),
    CHECK (cardinality(line_grants) = cardinality(line_amounts)),
    CHECK ((state = 'held') = (settled_at IS NULL)),
    CHECK ((state IN ('voided', 'expired')) = (void_cause IS NOT NULL)),
    CHECK (charged = 0 OR state = 'posted')
) WITH (fillfactor = 70);
CREATE INDEX holds_of_body ON holds (wallet_id, body_hash, placed_at);
-- Not "WHERE state = 'held'": settling a hold would then have to touch every index. Sweeps read from where they were.
CREATE INDEX holds_expiring ON holds (expires_at);

CREATE TABLE quotes (
    quote_id text PRIMARY KEY CHECK (quote_id ~ '^quote_[0-9a-f]{32}$'),
    wallet_id uuid NOT NULL REFERENCES wallets,
    model text NOT NULL,
    width_px integer NOT NULL,
    height_px integer NOT NULL,
    seconds integer NOT NULL,
    price_version text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    expires_at timestamptz NOT NULL
);
CREATE INDEX quotes_expiring ON quotes (expires_at);
CREATE INDEX quotes_of_wallet ON quotes (wallet_id);

CREATE TABLE fences (
    mark bytea PRIMARY KEY CHECK (octet_length(mark) = 32),
    fenced_at timestamptz NOT NULL,
    done_at timestamptz
);
CREATE INDEX fences_done ON fences (done_at) WHERE done_at IS NOT NULL;

GRANT SELECT (subject_ref) ON subjects TO verifier;
"""


def upgrade() -> None:
    """Create everything."""
    script(DDL)
