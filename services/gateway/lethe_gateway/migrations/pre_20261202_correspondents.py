"""Accounts of those who write by a mailed link and have no other account: their state, when to look after them, their mail."""

from lethe_common.database import script

revision = "20261202_correspondents"
down_revision = "20261130_video_removed"

DDL = """
SET LOCAL lock_timeout = '5s';

ALTER TABLE gateway.accounts ADD COLUMN look_at timestamptz;
ALTER TABLE gateway.accounts DROP CONSTRAINT accounts_state_check;
ALTER TABLE gateway.accounts ADD CONSTRAINT accounts_state_check CHECK (
    state IN ('unverified', 'active', 'closing', 'correspondent'));
CREATE INDEX accounts_look_at ON gateway.accounts (look_at) WHERE state = 'correspondent';

ALTER TABLE gateway.proof_tokens DROP CONSTRAINT proof_tokens_use_check;
ALTER TABLE gateway.proof_tokens ADD CONSTRAINT proof_tokens_use_check CHECK (
    use IN ('password_reset', 'verify_email', 'request_link') OR use ~ '^unsubscribe:[a-z0-9_.-]{1,64}$');

ALTER TABLE gateway.mails DROP CONSTRAINT mails_template_check;
ALTER TABLE gateway.mails ADD CONSTRAINT mails_template_check CHECK (template IN (
    'password_reset', 'verify_email', 'deletion_notice', 'policy_change', 'request_news', 'address_change', 'address_changed',
    'video_removed', 'request_link'));
"""


def upgrade() -> None:
    """Widen the lists, and add the column."""
    script(DDL)
