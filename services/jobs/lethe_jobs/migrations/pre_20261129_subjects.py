"""What an erasure counts and removes is found by an index, whatever else waits in these tables."""

from lethe_common.database import script

revision = "jobs_20261129_subjects"
down_revision = "jobs_20261129_statistics"

DDL = """
SET LOCAL lock_timeout = '5s';
CREATE INDEX early_cancels_subject ON early_cancels (subject_ref);
CREATE INDEX erasures_subject ON erasures (subject_ref);
CREATE INDEX erasures_open ON erasures (next_attempt_at) WHERE reported_at IS NULL;
"""


def upgrade() -> None:
    """Add the indexes."""
    script(DDL)
