"""The register of breaches."""

from lethe_common.database import script

revision = "20261203_breaches"
down_revision = "20261202_registers"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE privacy.breaches (
    breach_id text PRIMARY KEY CHECK (breach_id ~ '^breach_[0-9a-f]{32}$'),
    is_open boolean NOT NULL,
    known_at timestamptz NOT NULL,
    categories text[] NOT NULL CHECK (cardinality(categories) BETWEEN 1 AND 100),
    places text[] NOT NULL CHECK (cardinality(places) <= 100),
    people integer CHECK (people >= 0),
    is_high_risk boolean NOT NULL,
    closed_at timestamptz,
    CHECK (is_open = (closed_at IS NULL))
);
CREATE INDEX breaches_open ON privacy.breaches (breach_id) WHERE is_open;
CREATE INDEX breaches_closed ON privacy.breaches (closed_at) WHERE NOT is_open;

-- Lines of a history are never changed; they go with their breach.
CREATE TABLE privacy.breach_steps (
    breach_id text NOT NULL REFERENCES privacy.breaches ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    step text NOT NULL CHECK (step IN ('opened', 'noted', 'notified', 'told', 'warned', 'closed')),
    operator text NOT NULL CHECK (length(operator) BETWEEN 2 AND 64),
    at timestamptz NOT NULL,
    duty text,
    reference text CHECK (length(reference) <= 200),
    count integer CHECK (count >= 0),
    text_sealed bytea CHECK (octet_length(text_sealed) <= 32768),
    key_id text CHECK (key_id ~ '^seal_[0-9a-f]{32}$'),
    PRIMARY KEY (breach_id, number),
    CHECK ((text_sealed IS NULL) = (key_id IS NULL)),
    CHECK (step <> 'notified' OR (duty IS NOT NULL AND reference IS NOT NULL))
);
"""


def upgrade() -> None:
    """Create both tables."""
    script(DDL)
