"""The log of certificates: the nodes of its Merkle tree, and its signed heads."""

from lethe_common.database import script

revision = "20261125_log"
down_revision = "20261125_held"

DDL = """
CREATE TABLE privacy.log_nodes (
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 62),
    position bigint NOT NULL CHECK (position >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)
);

CREATE TABLE privacy.log_heads (
    size bigint PRIMARY KEY CHECK (size > 0),
    document text NOT NULL
);
"""


def upgrade() -> None:
    """Create both."""
    script(DDL)
