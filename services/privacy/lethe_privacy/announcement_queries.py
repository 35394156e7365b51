"""The SQL of the record of announcements, named."""

NOTED = """
    SELECT version, policy_hash, announced_at FROM policy_announcements ORDER BY version DESC LIMIT $1
"""  # primary key
NOTE = """
    INSERT INTO policy_announcements (version, policy_hash, announced_at)
    SELECT * FROM unnest($1::integer[], $2::text[], $3::timestamptz[]) AS n (version, policy_hash, announced_at)
     ORDER BY version
        ON CONFLICT (version) DO UPDATE
       SET policy_hash = excluded.policy_hash, announced_at = excluded.announced_at
     WHERE policy_announcements.policy_hash <> excluded.policy_hash
"""
