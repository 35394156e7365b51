"""How many plans somebody has had, so that whoever hears of them by events can tell whether one is missing."""

from lethe_common.database import script

revision = "billing_20261126_plans_counted"
down_revision = "billing_20261125_carried"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE billing.subjects ADD COLUMN plans_count integer NOT NULL DEFAULT 1 CHECK (plans_count > 0);
"""


def upgrade() -> None:
    """Add the count."""
    script(DDL)
