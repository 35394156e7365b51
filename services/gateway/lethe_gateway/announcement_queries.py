"""The SQL of announcements, named."""

# Two replicas start at once; the later one finds what the first one wrote.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('policy_announcements', 0))"
KNOWN = "SELECT version, policy_hash, announced_at FROM gateway.policy_announcements ORDER BY version DESC LIMIT 1000"
HAS_ACCOUNTS = "SELECT EXISTS (SELECT FROM gateway.accounts LIMIT 1)"
ANNOUNCE = """
    INSERT INTO gateway.policy_announcements (version, policy_hash, announced_at, is_told) VALUES ($1, $2, $3, $4)
    ON CONFLICT (version) DO UPDATE
       SET policy_hash = excluded.policy_hash, announced_at = excluded.announced_at, is_told = excluded.is_told
"""
# One replica writes at a time; where it stopped, by a crash too, the next one goes on.
TAKE = """
    SELECT version, announced_at, last_account_id FROM gateway.policy_announcements
     WHERE NOT is_told AND version = ANY($1::integer[]) ORDER BY version LIMIT 1 FOR UPDATE SKIP LOCKED
"""
AUDIENCE = """
    SELECT account_id, subject_ref, state = 'active' AND email_sealed IS NOT NULL AS is_reached FROM gateway.accounts
     WHERE account_id > $1 AND created_at <= $2 ORDER BY account_id LIMIT $3
"""  # primary key
GO_ON = "UPDATE gateway.policy_announcements SET last_account_id = $2, is_told = $3 WHERE version = $1"
