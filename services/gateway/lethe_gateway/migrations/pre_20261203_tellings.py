"""Words about a breach that are on their way to people; and two more kinds of mail."""

from lethe_common.database import script

revision = "20261203_tellings"
down_revision = "20261202_correspondents"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE gateway.breach_tellings (
    telling_id text PRIMARY KEY CHECK (telling_id ~ '^tell_[0-9a-f]{32}$'),
    breach_id text NOT NULL CHECK (breach_id ~ '^breach_[0-9a-f]{32}$'),
    operator text NOT NULL,
    text_sealed bytea NOT NULL CHECK (octet_length(text_sealed) <= 32768),
    key_id text NOT NULL CHECK (key_id ~ '^seal_[0-9a-f]{32}$'),
    account_ids text[] CHECK (cardinality(account_ids) <= 1000),
    last_account_id text NOT NULL DEFAULT '',
    reached integer NOT NULL DEFAULT 0 CHECK (reached >= 0)
);

ALTER TABLE gateway.mails DROP CONSTRAINT mails_template_check;
ALTER TABLE gateway.mails ADD CONSTRAINT mails_template_check CHECK (template IN (
    'password_reset', 'verify_email', 'deletion_notice', 'policy_change', 'request_news', 'address_change', 'address_changed',
    'video_removed', 'request_link', 'breach_notice', 'disclosure_notice'));
"""


def upgrade() -> None:
    """Add the table, and widen the list of kinds."""
    script(DDL)
