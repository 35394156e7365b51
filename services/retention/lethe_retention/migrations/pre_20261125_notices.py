"""When the owner of an item is to be told that it goes soon."""

from lethe_common.database import script

revision = "retention_20261125_notices"
down_revision = "retention_20261125_orphans"

# Without notices the column is empty, and so is the index.
DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE deadlines ADD COLUMN notice_at timestamptz CHECK (notice_at < due_at);
CREATE INDEX deadlines_notice ON deadlines (notice_at) WHERE state = 'open' AND notice_at IS NOT NULL;
"""


def upgrade() -> None:
    """Add column and index."""
    script(DDL)
