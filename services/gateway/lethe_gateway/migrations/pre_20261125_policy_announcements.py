"""Which versions of the policy people were told of, and how far the mails are; one more kind of mail."""

from alembic import op

revision = "20261125_policy_announcements"
down_revision = "20261125_notices"


def upgrade() -> None:
    """Add the table, and widen the list of kinds."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        CREATE TABLE gateway.policy_announcements (
            version integer PRIMARY KEY CHECK (version > 0),
            policy_hash text NOT NULL CHECK (policy_hash ~ '^[0-9a-f]{64}$'),
            announced_at timestamptz NOT NULL,
            is_told boolean NOT NULL,
            last_account_id text NOT NULL DEFAULT '' CHECK (NOT is_told OR last_account_id = '')
        )
    """)
    op.execute("ALTER TABLE gateway.mails DROP CONSTRAINT mails_template_check")
    op.execute(
        "ALTER TABLE gateway.mails ADD CONSTRAINT mails_template_check"
        " CHECK (template IN ('password_reset', 'verify_email', 'deletion_notice', 'policy_change'))"
    )
