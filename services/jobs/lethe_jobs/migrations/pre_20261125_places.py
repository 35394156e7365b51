"""Removals in the order of the store's keys. An older version leaves the place empty, which only costs time."""

from lethe_common.database import script

revision = "jobs_20261125_places"
down_revision = "jobs_20261125_orphans"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE removals ADD COLUMN place text NOT NULL DEFAULT '';
CREATE INDEX removals_place ON removals (place COLLATE "C") WHERE removed_at IS NULL;
"""


def upgrade() -> None:
    """Add column and index."""
    script(DDL)
