"""How often a deadline was moved: who hears of two of its dates in the wrong order knows which is the newer."""

from lethe_common.database import script

revision = "retention_20261207_moves"
down_revision = "retention_20261129_subjects"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE deadlines ADD COLUMN moves integer NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    """Add the column. An older version moves deadlines without counting, as it did before."""
    script(DDL)
