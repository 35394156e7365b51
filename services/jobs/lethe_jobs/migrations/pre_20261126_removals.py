"""Leases of removals touch no index: what is taken is found by its place in the store alone.

An older version takes in the same order; it needs no index by time either.
"""

from lethe_common.database import script

revision = "jobs_20261126_removals"
down_revision = "jobs_20261125_versions"

DDL = """
SET LOCAL lock_timeout = '5s';
DROP INDEX removals_open;
ALTER TABLE removals SET (fillfactor = 70);
"""


def upgrade() -> None:
    """Drop the index, and leave room on each page for the lease."""
    script(DDL)
