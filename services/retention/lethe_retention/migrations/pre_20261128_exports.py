"""Archives of exports have deadlines too; their ids are a letter longer."""

from lethe_common.database import script

revision = "retention_20261128_exports"
down_revision = "retention_20261127_hold_records"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE deadlines DROP CONSTRAINT deadlines_item_id_check;
ALTER TABLE deadlines ADD CONSTRAINT deadlines_item_id_check CHECK (item_id ~ '^(video|export)_[0-9a-f]{32}$');
"""


def upgrade() -> None:
    """Widen the form of ids."""
    script(DDL)
