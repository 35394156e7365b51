"""One more kind of mail: that something is deleted soon."""

from alembic import op

revision = "20261125_notices"
down_revision = "20261125_orphans"


def upgrade() -> None:
    """Widen the list of kinds."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE gateway.mails DROP CONSTRAINT mails_template_check")
    op.execute(
        "ALTER TABLE gateway.mails ADD CONSTRAINT mails_template_check"
        " CHECK (template IN ('password_reset', 'verify_email', 'deletion_notice'))"
    )
