"""The record of announcements: which versions of the policy people were told of, and when."""

from lethe_common.database import script

revision = "20261129_announcements"
down_revision = "20261128_exports"

DDL = """
CREATE TABLE privacy.policy_announcements (
    version integer PRIMARY KEY CHECK (version > 0),
    policy_hash text NOT NULL CHECK (policy_hash ~ '^[0-9a-f]{64}$'),
    announced_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Create the table."""
    script(DDL)
