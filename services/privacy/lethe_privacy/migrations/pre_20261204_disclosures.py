"""The register of disclosures to authorities."""

from lethe_common.database import script

revision = "20261204_disclosures"
down_revision = "20261203_breaches"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE privacy.disclosures (
    disclosure_id text PRIMARY KEY CHECK (disclosure_id ~ '^discl_[0-9a-f]{32}$'),
    subject_ref text CHECK (subject_ref ~ '^subj_[0-9a-f]{32}$'),
    state text NOT NULL CHECK (state IN ('requested', 'approved', 'disclosed', 'refused')),
    authority text NOT NULL CHECK (length(authority) BETWEEN 3 AND 500),
    legal_reference text NOT NULL CHECK (length(legal_reference) BETWEEN 3 AND 500),
    opened_at timestamptz NOT NULL,
    delay_until timestamptz,
    delay_ground text CHECK (length(delay_ground) BETWEEN 3 AND 500),
    asked_sealed bytea CHECK (octet_length(asked_sealed) <= 32768),
    key_id text CHECK (key_id ~ '^seal_[0-9a-f]{32}$'),
    digest text CHECK (digest ~ '^[0-9a-f]{64}$'),
    is_told boolean NOT NULL DEFAULT false,
    CHECK ((delay_until IS NULL) = (delay_ground IS NULL)),
    CHECK ((asked_sealed IS NULL) = (key_id IS NULL)),
    CHECK ((digest IS NOT NULL) = (state = 'disclosed'))
);
CREATE INDEX disclosures_subject ON privacy.disclosures (subject_ref, disclosure_id) WHERE subject_ref IS NOT NULL;
CREATE INDEX disclosures_untold ON privacy.disclosures (disclosure_id) WHERE state = 'disclosed' AND NOT is_told;
CREATE INDEX disclosures_opened ON privacy.disclosures (opened_at);

-- Lines of a history are never changed; they go with their demand.
CREATE TABLE privacy.disclosure_steps (
    disclosure_id text NOT NULL REFERENCES privacy.disclosures ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    step text NOT NULL CHECK (step IN ('requested', 'approved', 'refused', 'disclosed', 'told')),
    operator text NOT NULL CHECK (length(operator) BETWEEN 2 AND 64),
    at timestamptz NOT NULL,
    ground text CHECK (length(ground) BETWEEN 3 AND 500),
    PRIMARY KEY (disclosure_id, number),
    CHECK ((ground IS NOT NULL) = (step = 'refused'))
);

GRANT SELECT (disclosure_id, subject_ref) ON privacy.disclosures TO verifier;
"""


def upgrade() -> None:
    """Create both tables."""
    script(DDL)
