"""Whoever looks for what is left of a subject finds it by an index, and need not read the whole table for it."""

from lethe_common.database import script

revision = "20261129_subjects"
down_revision = "20261128_exports"

DDL = """
SET LOCAL lock_timeout = '5s';
CREATE INDEX generations_subject ON gateway.generations (subject_ref);
CREATE INDEX uploads_subject ON gateway.uploads (subject_ref);
CREATE INDEX mails_subject ON gateway.mails (subject_ref);
CREATE INDEX exports_subject ON gateway.exports (subject_ref);
"""


def upgrade() -> None:
    """Add the indexes."""
    script(DDL)
