"""Which version of its object an output is, so that it can be removed without being looked for.

Without it a removal looks first. An older version leaves it out, and its outputs are found as before.
"""

from lethe_common.database import script

revision = "jobs_20261125_versions"
down_revision = "jobs_20261125_places"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE assets ADD COLUMN object_version text;
"""


def upgrade() -> None:
    """Add the column."""
    script(DDL)
