"""Guests have neither an address nor a password. Old code reads and writes the others as before."""

from lethe_common.database import script

revision = "20261126_guests"
down_revision = "20261125_policy_announcements"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE accounts ALTER COLUMN email_sealed DROP NOT NULL, ALTER COLUMN password_sealed DROP NOT NULL;
"""


def upgrade() -> None:
    """Let both be missing."""
    script(DDL)
