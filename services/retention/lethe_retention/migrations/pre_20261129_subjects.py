"""An erasure counts pauses that have ended, too: their index has all of them."""

from lethe_common.database import script

revision = "retention_20261129_subjects"
down_revision = "retention_20261128_exports"

DDL = """
SET LOCAL lock_timeout = '5s';
DROP INDEX pauses_subject;
CREATE INDEX pauses_subject ON pauses (subject_ref);
"""


def upgrade() -> None:
    """Replace the index. An older version finds open pauses by it as well."""
    script(DDL)
