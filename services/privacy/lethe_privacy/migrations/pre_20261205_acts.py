"""The statutory acts of destruction."""

from lethe_common.database import script

revision = "20261205_acts"
down_revision = "20261204_disclosures"

DDL = """
SET LOCAL lock_timeout = '5s';

-- It outlives the erasure and its record, so it refers to neither.
CREATE TABLE privacy.acts (
    act_id text PRIMARY KEY CHECK (act_id ~ '^act_[0-9a-f]{32}$'),
    erasure_id text UNIQUE CHECK (erasure_id ~ '^erase_[0-9a-f]{32}$'),
    name_sealed bytea NOT NULL CHECK (octet_length(name_sealed) <= 4096),
    key_id text NOT NULL CHECK (key_id ~ '^seal_[0-9a-f]{32}$'),
    ground text NOT NULL CHECK (ground IN ('demanded', 'purpose_reached')),
    destroyed_at timestamptz,
    document text,
    -- Once it is written nothing leads from it to the erasure any more, and so to no reference.
    CHECK ((destroyed_at IS NULL) = (document IS NULL)),
    CHECK ((destroyed_at IS NULL) = (erasure_id IS NOT NULL))
);
CREATE INDEX acts_destroyed ON privacy.acts (destroyed_at) WHERE destroyed_at IS NOT NULL;
"""


def upgrade() -> None:
    """Create the table."""
    script(DDL)
