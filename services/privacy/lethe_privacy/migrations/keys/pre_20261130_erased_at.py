"""Since when a subject is erased: its row, which only keeps it from beginning anew, goes with the record of its erasure.

Rows that are here already count from now.
"""

from lethe_common.database import script

revision = "20261130_erased_at"
down_revision = "20261129_lock_order"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE keys.subjects ADD COLUMN erased_at timestamptz;
UPDATE keys.subjects SET erased_at = now() WHERE state = 'erased';
CREATE INDEX subjects_erased ON keys.subjects (erased_at) WHERE erased_at IS NOT NULL;
"""


def upgrade() -> None:
    """Add the column."""
    script(DDL)
