"""Which version of the policy a deadline was computed by, and items without a clock. Old code reads both as before.

Rows of before count as computed by no version, so that the first start of the new code computes them once.
"""

from lethe_common.database import script

revision = "retention_20261125_versions"
down_revision = "retention_20261125_notices"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE deadlines ADD COLUMN policy_version integer NOT NULL DEFAULT 0 CHECK (policy_version >= 0);
ALTER TABLE deadlines ALTER COLUMN due_at DROP NOT NULL;
CREATE INDEX deadlines_behind ON deadlines (policy_version, item_id) WHERE state = 'open';
"""


def upgrade() -> None:
    """Add the column and its index."""
    script(DDL)
