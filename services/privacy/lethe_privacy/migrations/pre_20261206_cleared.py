"""What retention said at the fence: an erasure that no legal hold keeps goes on as soon as all keys are let go."""

from lethe_common.database import script

revision = "20261206_cleared"
down_revision = "20261205_acts"

# A column with a default that is the same for all rows is added without rewriting the table.
DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE privacy.erasures ADD COLUMN is_clear boolean NOT NULL DEFAULT false;
"""


def upgrade() -> None:
    """Add the column."""
    script(DDL)
