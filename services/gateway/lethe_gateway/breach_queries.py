"""The SQL of words about breaches on their way to people, named."""

ADD = """
    INSERT INTO gateway.breach_tellings (telling_id, breach_id, operator, text_sealed, key_id, account_ids)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
# One replica writes at a time; where it stopped, by a crash too, the next one goes on.
TAKE = """
    SELECT telling_id, breach_id, operator, text_sealed, key_id, account_ids, last_account_id, reached
      FROM gateway.breach_tellings ORDER BY telling_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
AUDIENCE = """
    SELECT account_id, subject_ref, state = 'active' AND email_sealed IS NOT NULL AS is_reached FROM gateway.accounts
     WHERE account_id > $1 AND ($2::text[] IS NULL OR account_id = ANY($2)) ORDER BY account_id LIMIT $3
"""  # primary key
GO_ON = "UPDATE gateway.breach_tellings SET last_account_id = $2, reached = $3 WHERE telling_id = $1"
DONE = "DELETE FROM gateway.breach_tellings WHERE telling_id = $1"
