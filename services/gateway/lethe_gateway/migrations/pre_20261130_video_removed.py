"""A kind of mail more: somebody's video was removed because of whom it shows."""

from lethe_common.database import script

revision = "20261130_video_removed"
down_revision = "20261129_subjects"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE gateway.mails DROP CONSTRAINT mails_template_check;
ALTER TABLE gateway.mails ADD CONSTRAINT mails_template_check CHECK (template IN (
    'password_reset', 'verify_email', 'deletion_notice', 'policy_change', 'request_news', 'address_change', 'address_changed',
    'video_removed'));
"""


def upgrade() -> None:
    """Widen the list of kinds."""
    script(DDL)
