"""What the verifier needs to find orphans: where uploads lie, and which generations have ended."""

from alembic import op

revision = "20261125_orphans"
down_revision = "20261122_first"

_VERIFIER = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'verifier') THEN
            GRANT SELECT (object_key) ON gateway.uploads TO verifier;
            GRANT SELECT (state) ON gateway.generations TO verifier;
        END IF;
    END $$
"""


def upgrade() -> None:
    """Give the rights."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_VERIFIER)
