"""Holds that expired give their keys back: whoever repeats such a request is held for anew, if they can pay."""

from lethe_common.database import script

revision = "billing_20261127_keys_given_back"
down_revision = "billing_20261126_plans_counted"

DDL = """
SET LOCAL lock_timeout = '5s';
UPDATE billing.holds SET key = hold_id, body_hash = hold_id WHERE state = 'expired';
"""


def upgrade() -> None:
    """Give back the keys of those that have expired until now."""
    script(DDL)
