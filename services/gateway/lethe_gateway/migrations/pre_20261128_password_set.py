"""When a password was set: so that one of before a change is known as such in restored data."""

from lethe_common.database import script

revision = "20261128_password_set"
down_revision = "20261128_corrections"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE gateway.accounts ADD COLUMN password_set_at timestamptz;
"""


def upgrade() -> None:
    """Add the column. Accounts of before count from their opening."""
    script(DDL)
