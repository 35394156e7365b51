"""The first tables. No downgrade: nothing was released before."""

from lethe_common.database import script

revision = "jobs_20261122_first"
down_revision = None

# Foreign keys are left out on purpose: runs and assets are written in batches on the hot path,
# always by statements that hold their subject's row, and go together in one statement.
TABLES = """
CREATE TABLE subjects (
    subject_ref text PRIMARY KEY CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    object_random text NOT NULL UNIQUE CHECK (object_random ~ '^[0-9a-f]{32}$'),
    plan text NOT NULL,
    plan_since timestamptz,
    fenced_at timestamptz
);

CREATE TABLE runs (
    generation_id text PRIMARY KEY,
    run_id text NOT NULL,
    subject_ref text NOT NULL,
    hold_id text NOT NULL,
    model text NOT NULL CHECK (length(model) <= 128),
    provider text NOT NULL,
    width_px integer NOT NULL CHECK (width_px > 0),
    height_px integer NOT NULL CHECK (height_px > 0),
    seconds integer NOT NULL CHECK (seconds > 0),
    upload_id text,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'leased', 'submitting', 'submitted',
        'submit_unknown', 'rendering', 'storing', 'completed', 'failed', 'cancelled')),
    cause text,
    priority smallint NOT NULL,
    slot smallint CHECK (slot >= 0),
    lease_token bigint NOT NULL DEFAULT 0,
    leased_by text,
    leased_until timestamptz,
    attempts_count integer NOT NULL DEFAULT 0,
    postponed_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    progress smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    cancel_requested_at timestamptz,
    object_prefix text,
    queued_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT runs_lease_is_whole CHECK ((leased_until IS NULL) = (leased_by IS NULL)),
    CONSTRAINT runs_lease_fits_state CHECK
        ((leased_until IS NULL) = (state IN ('queued', 'completed', 'failed', 'cancelled'))),
    CONSTRAINT runs_final_has_no_slot CHECK (slot IS NULL OR state NOT IN ('completed', 'failed', 'cancelled')),
    CONSTRAINT runs_active_has_slot CHECK
        (slot IS NOT NULL OR state IN ('queued', 'completed', 'failed', 'cancelled'))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
-- A slot is one run's: per-plan concurrency holds even when two workers err. Not partial, though only rows with
-- a slot need it: a small partial index would tempt the planner, whose statistics lag behind any queue, to claim
-- by sorting the whole queue instead of reading runs_claimable in order. So it also finds a subject's runs.
CREATE UNIQUE INDEX runs_slot ON runs (subject_ref, slot);
CREATE INDEX runs_claimable ON runs (provider, priority DESC, slot, queued_at, generation_id)
    WHERE state = 'queued' AND slot IS NOT NULL;
CREATE INDEX runs_waiting ON runs (subject_ref, queued_at, generation_id) WHERE state = 'queued' AND slot IS NULL;
CREATE INDEX runs_leased ON runs (provider, leased_until) WHERE leased_until IS NOT NULL;

CREATE TABLE attempts (
    generation_id text NOT NULL,
    attempt_id bigint GENERATED ALWAYS AS IDENTITY (CACHE 64),
    from_state text NOT NULL,
    to_state text NOT NULL,
    cause text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (generation_id, attempt_id),
    CONSTRAINT attempts_arrow CHECK (
        (from_state = 'queued' AND to_state IN ('leased', 'failed', 'cancelled'))
        OR (from_state = 'leased' AND to_state IN
            ('submitting', 'rendering', 'completed', 'queued', 'failed', 'cancelled'))
        OR (from_state = 'submitting' AND to_state IN ('submitted', 'submit_unknown', 'failed', 'cancelled'))
        OR (from_state = 'submit_unknown' AND to_state IN ('submitted', 'failed', 'cancelled'))
        OR (from_state = 'submitted' AND to_state IN ('rendering', 'failed', 'cancelled'))
        OR (from_state = 'rendering' AND to_state IN ('storing', 'queued', 'failed', 'cancelled'))
        OR (from_state = 'storing' AND to_state IN ('completed', 'queued', 'failed', 'cancelled')))
);

CREATE TABLE assets (
    generation_id text NOT NULL,
    variant text NOT NULL CHECK (variant IN ('video', 'thumbnail')),
    asset_id text NOT NULL,
    subject_ref text NOT NULL,
    object_key text,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sealed_size_bytes bigint NOT NULL CHECK (sealed_size_bytes >= 0),
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    key_id text NOT NULL,
    width_px integer NOT NULL CHECK (width_px > 0),
    height_px integer NOT NULL CHECK (height_px > 0),
    frames integer NOT NULL CHECK (frames >= 0),
    duration_seconds double precision NOT NULL CHECK (duration_seconds >= 0),
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (generation_id, variant)
);
CREATE INDEX assets_subject ON assets (subject_ref);
"""

REMOVALS = """
CREATE TABLE removals (
    generation_id text PRIMARY KEY,
    subject_ref text NOT NULL,
    rule text NOT NULL CHECK (rule IN ('expired', 'deleted_by_user', 'erased')),
    object_versions integer NOT NULL DEFAULT 0,
    failures_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    requested_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz
);
CREATE INDEX removals_open ON removals (next_attempt_at) WHERE removed_at IS NULL;
CREATE INDEX removals_done ON removals (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX removals_subject ON removals (subject_ref);

CREATE TABLE early_cancels (
    generation_id text PRIMARY KEY,
    subject_ref text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE erasures (
    erasure_id text PRIMARY KEY,
    subject_ref text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    runs_before integer,
    assets_before integer,
    versions_before integer,
    failures_count integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    reported_at timestamptz
);

CREATE TABLE fences (
    mark bytea PRIMARY KEY CHECK (octet_length(mark) = 32),
    done_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fences_done ON fences (done_at);

CREATE FUNCTION attempts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'attempts are never changed';
END
$$;
CREATE TRIGGER attempts_stay BEFORE UPDATE ON attempts FOR EACH STATEMENT EXECUTE FUNCTION attempts_stay();

GRANT SELECT (generation_id, subject_ref) ON runs, assets TO verifier;
"""


def upgrade() -> None:
    script("SET LOCAL lock_timeout = '5s';")
    script(TABLES)
    script(REMOVALS)
