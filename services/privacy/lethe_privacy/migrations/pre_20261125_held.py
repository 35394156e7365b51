"""An erasure may wait for a legal hold: two more states."""

from lethe_common.database import script

revision = "20261125_held"
down_revision = "20261122_first"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE privacy.erasures DROP CONSTRAINT erasures_state_check;
ALTER TABLE privacy.erasures ADD CONSTRAINT erasures_state_check CHECK (state IN (
    'requested', 'fenced', 'held', 'erasing', 'destroying', 'verifying', 'verification_failed', 'completed'));
"""


def upgrade() -> None:
    """Widen the list of states."""
    script(DDL)
