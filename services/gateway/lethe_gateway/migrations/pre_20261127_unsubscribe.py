"""One more kind of mailed link: it ends mails of one purpose."""

from lethe_common.database import script

revision = "20261127_unsubscribe"
down_revision = "20261126_guests"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE proof_tokens DROP CONSTRAINT proof_tokens_use_check;
ALTER TABLE proof_tokens ADD CONSTRAINT proof_tokens_use_check CHECK (
    use IN ('password_reset', 'verify_email') OR use ~ '^unsubscribe:[a-z0-9_.-]{1,64}$');
"""


def upgrade() -> None:
    """Widen the list of kinds."""
    script(DDL)
