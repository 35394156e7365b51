"""Which of two words is the newer, of an account's plan and of an item's date: they may be heard in the wrong order."""

from lethe_common.database import script

revision = "20261207_order"
down_revision = "20261206_training"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE gateway.accounts ADD COLUMN plan_since timestamptz;
ALTER TABLE gateway.generations ADD COLUMN expires_moves integer NOT NULL DEFAULT 0;
ALTER TABLE gateway.exports ADD COLUMN due_moves integer NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    """Add the columns. What is heard of next is the newest of what was there before."""
    script(DDL)
