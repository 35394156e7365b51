"""Up to which fact all of them hold in the key store, should an older one be brought back."""

from lethe_common.database import script

revision = "20261128_facts_mark"
down_revision = "20261127_generations"

DDL = """
CREATE TABLE keys.facts_mark (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number bigint NOT NULL CHECK (number > 0)
);
"""


def upgrade() -> None:
    """Make the table."""
    script(DDL)
