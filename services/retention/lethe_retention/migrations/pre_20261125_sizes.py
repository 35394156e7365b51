"""What an item takes in the store, for the forecast; and an index by which late ones are found."""

from lethe_common.database import script

revision = "retention_20261125_sizes"
down_revision = "retention_20261125_legal_holds"

# The default is no lie: an older version schedules without a size, and the forecast then counts less.
DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE deadlines ADD COLUMN stored_bytes bigint NOT NULL DEFAULT 0 CHECK (stored_bytes >= 0);
CREATE INDEX deadlines_late ON deadlines (due_at) WHERE state IN ('due', 'removed');
"""


def upgrade() -> None:
    """Add both."""
    script(DDL)
