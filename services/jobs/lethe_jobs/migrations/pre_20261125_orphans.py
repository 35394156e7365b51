"""What the verifier needs to find orphans: where objects lie, which runs have ended, in the store's order."""

from lethe_common.database import script

revision = "jobs_20261125_orphans"
down_revision = "jobs_20261122_first"

DDL = """
SET LOCAL lock_timeout = '5s';
CREATE INDEX assets_object ON assets (object_key COLLATE "C") WHERE object_key IS NOT NULL;
GRANT SELECT (object_key) ON assets TO verifier;
GRANT SELECT (state) ON runs TO verifier;
"""


def upgrade() -> None:
    """Add the index and the rights."""
    script(DDL)
