"""The last day on which somebody came, so that accounts of who is long gone end as the policy says."""

from lethe_common.database import script

revision = "20261208_seen"
down_revision = "20261207_order"

# Of who was there before nobody knows; their time begins now.
DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE gateway.accounts ADD COLUMN seen_on date NOT NULL DEFAULT CURRENT_DATE;
CREATE INDEX accounts_seen_on ON gateway.accounts (seen_on);
"""


def upgrade() -> None:
    """Add the day, and a way to find the oldest."""
    script(DDL)
