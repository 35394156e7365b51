"""Statistics of groups, as the policy bounds them. An older version makes none."""

from lethe_common.database import script

revision = "jobs_20261129_statistics"
down_revision = "jobs_20261126_removals"

DDL = """
CREATE TABLE statistics_spans (
    began_at timestamptz PRIMARY KEY,
    ended_at timestamptz NOT NULL CHECK (ended_at > began_at),
    k integer NOT NULL CHECK (k >= 2),
    rounding integer NOT NULL CHECK (rounding >= 1)
);

CREATE TABLE statistics_groups (
    began_at timestamptz NOT NULL REFERENCES statistics_spans,
    model text NOT NULL,
    width_px integer NOT NULL,
    height_px integer NOT NULL,
    videos bigint NOT NULL CHECK (videos >= 0),
    PRIMARY KEY (began_at, model, width_px, height_px)
);
"""


def upgrade() -> None:
    """Make the tables."""
    script(DDL)
