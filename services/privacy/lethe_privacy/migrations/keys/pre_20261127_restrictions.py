"""Whether a subject's processing is restricted, beside its state; and choices that a request made.

Old code opens keys as before: a restriction counts once every replica is new.
"""

from lethe_common.database import script

revision = "20261127_restrictions"
down_revision = "20261127_choices_end"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE keys.subjects ADD COLUMN is_restricted boolean NOT NULL DEFAULT false;
ALTER TABLE keys.consents DROP CONSTRAINT consents_way_check;
ALTER TABLE keys.consents ADD CONSTRAINT consents_way_check CHECK (way IN ('sign_up', 'settings', 'link', 'request'));
"""


def upgrade() -> None:
    """Add the column, and the way."""
    script(DDL)
