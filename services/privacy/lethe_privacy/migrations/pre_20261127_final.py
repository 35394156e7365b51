"""A second certificate of an erasure, once the horizon has passed: when it is due, and what has to be gone by then.

Erasures that were completed before have no final certificate: nobody noted which generations held their keys.
"""

from lethe_common.database import script

revision = "20261127_final"
down_revision = "20261126_requests"

DDL = """
SET LOCAL lock_timeout = '5s';
ALTER TABLE privacy.erasures ADD COLUMN last_generation bigint CHECK (last_generation >= 0);
ALTER TABLE privacy.erasures ADD COLUMN horizon_at timestamptz;
ALTER TABLE privacy.erasures ADD COLUMN final_certificate_id text
    CHECK (final_certificate_id IS NULL OR state = 'completed');
CREATE INDEX erasures_final_due ON privacy.erasures (horizon_at)
    WHERE state = 'completed' AND final_certificate_id IS NULL;

ALTER TABLE privacy.certificates ADD COLUMN kind text NOT NULL DEFAULT 'interim' CHECK (kind IN ('interim', 'final'));
ALTER TABLE privacy.certificates DROP CONSTRAINT certificates_erasure_id_key;
ALTER TABLE privacy.certificates ADD CONSTRAINT certificates_erasure_kind UNIQUE (erasure_id, kind);
"""


def upgrade() -> None:
    """Add the columns, and room for the second certificate."""
    script(DDL)
