"""What one store has and another does not, since when it is seen."""

from lethe_common.database import script

revision = "retention_20261125_orphans"
down_revision = "retention_20261125_sizes"

DDL = """
SET LOCAL lock_timeout = '5s';
CREATE TABLE orphans (
    kind text NOT NULL CHECK (kind IN (
        'object_without_row', 'row_without_object', 'item_without_deadline', 'deadline_without_item')),
    place text NOT NULL,
    name text NOT NULL CHECK (length(name) <= 256),
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    asked_at timestamptz,
    PRIMARY KEY (kind, place, name)
);
CREATE INDEX orphans_age ON orphans (first_seen_at);
CREATE INDEX orphans_seen ON orphans (kind, place, last_seen_at);
"""


def upgrade() -> None:
    """Add the table."""
    script(DDL)
