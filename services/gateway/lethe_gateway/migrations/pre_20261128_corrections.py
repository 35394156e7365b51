"""Addresses that wait to be confirmed; and three more kinds of mail: about them, and about requests."""

from lethe_common.database import script

revision = "20261128_corrections"
down_revision = "20261127_unsubscribe"

DDL = """
SET LOCAL lock_timeout = '5s';

CREATE TABLE gateway.address_changes (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    account_id text NOT NULL UNIQUE REFERENCES gateway.accounts,
    request_id text NOT NULL CHECK (request_id ~ '^req_[0-9a-f]{32}$'),
    email_sealed bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX address_changes_over ON gateway.address_changes (expires_at);

GRANT SELECT (account_id) ON gateway.address_changes TO verifier;

ALTER TABLE gateway.mails DROP CONSTRAINT mails_template_check;
ALTER TABLE gateway.mails ADD CONSTRAINT mails_template_check CHECK (template IN (
    'password_reset', 'verify_email', 'deletion_notice', 'policy_change', 'request_news', 'address_change', 'address_changed'));
"""


def upgrade() -> None:
    """Add the table, and widen the list of kinds."""
    script(DDL)
