"""Erasures, their steps and claims, certificates and the facts ledger.

Not reversible: a first release has nothing to go back to.
"""

from lethe_common.database import script

revision = "20261122_first"
down_revision = None

SQL = r"""
CREATE TABLE privacy.erasures (
    erasure_id text PRIMARY KEY CHECK (erasure_id ~ '^erase_[0-9a-f]{32}$'),
    subject_ref text CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    pseudonym text NOT NULL CHECK (pseudonym ~ '^[0-9a-f]{64}$'),
    state text NOT NULL CHECK (
        state IN ('requested', 'erasing', 'destroying', 'verifying', 'verification_failed', 'completed')),
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    residue jsonb NOT NULL DEFAULT '[]',
    not_before timestamptz NOT NULL DEFAULT now(),
    requested_at timestamptz NOT NULL,
    completed_at timestamptz,
    certificate_id text,
    CHECK ((state = 'completed') = (subject_ref IS NULL)),
    CHECK ((state = 'completed') = (completed_at IS NOT NULL)),
    CHECK ((state = 'completed') = (certificate_id IS NOT NULL))
);
CREATE UNIQUE INDEX erasures_subject ON privacy.erasures (subject_ref) WHERE subject_ref IS NOT NULL;
CREATE INDEX erasures_due ON privacy.erasures (not_before) WHERE state <> 'completed';

CREATE TABLE privacy.claims (
    claim_hash text PRIMARY KEY CHECK (claim_hash ~ '^[0-9a-f]{64}$'),
    erasure_id text NOT NULL REFERENCES privacy.erasures
);
CREATE INDEX claims_erasure ON privacy.claims (erasure_id);

CREATE TABLE privacy.steps (
    erasure_id text NOT NULL REFERENCES privacy.erasures,
    owner text NOT NULL CHECK (owner IN ('gateway', 'jobs', 'billing', 'retention', 'privacy')),
    is_reported boolean NOT NULL,
    counts jsonb NOT NULL,
    prefixes jsonb NOT NULL,
    PRIMARY KEY (erasure_id, owner)
);

CREATE TABLE privacy.certificates (
    certificate_id text PRIMARY KEY CHECK (certificate_id ~ '^cert_[0-9a-f]{32}$'),
    erasure_id text NOT NULL UNIQUE REFERENCES privacy.erasures,
    document text NOT NULL,
    issued_at timestamptz NOT NULL
);

CREATE TABLE privacy.facts (
    subject_ref text NOT NULL CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    fact text NOT NULL CHECK (fact IN ('erasure_requested', 'erased')),
    at timestamptz NOT NULL,
    PRIMARY KEY (subject_ref, fact)
);
"""


def upgrade() -> None:
    """Create everything."""
    script(SQL)
