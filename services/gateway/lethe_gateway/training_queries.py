"""The SQL of what trainers are given, and of the records of it; named, with the index each one uses."""

# Whether their owners consented is asked of the privacy service, of each by itself.
OFFERED = """
    SELECT g.generation_id, g.subject_ref, r.handover_id, r.record_sealed
      FROM gateway.generations g
      LEFT JOIN gateway.training_records r ON r.generation_id = g.generation_id AND r.recipient_id = $1
     WHERE g.generation_id > $2 AND g.state = 'completed' AND g.hidden_at IS NULL
       AND (g.expires_at IS NULL OR g.expires_at > $3)
     ORDER BY g.generation_id LIMIT $4
"""  # the primary key of generations; the unique index of records
ITEM = """
    SELECT g.generation_id, g.account_id, g.subject_ref, g.model, g.width_px, g.height_px, g.seconds, g.seed,
           g.prompt_sealed, r.handover_id, r.record_sealed
      FROM gateway.generations g
      LEFT JOIN gateway.training_records r ON r.generation_id = g.generation_id AND r.recipient_id = $1
     WHERE g.generation_id = $2 AND g.state = 'completed' AND g.hidden_at IS NULL
       AND (g.expires_at IS NULL OR g.expires_at > $3)
"""  # as above
# An account that is closing has let go of its lock when it is gone, and then drops out here.
RECORD = """
    WITH held AS (
        SELECT account_id FROM gateway.accounts WHERE account_id = $2 AND state = 'active' FOR KEY SHARE
    )
    INSERT INTO gateway.training_records
           (handover_id, account_id, subject_ref, generation_id, recipient_id, record_sealed, key_id, given_at)
    SELECT $1, account_id, $3, $4, $5, $6, $7, $8 FROM held
    ON CONFLICT DO NOTHING
    RETURNING handover_id
"""
COUNT_ONE = """
    INSERT INTO gateway.training_days (recipient_id, operator, on_day, items) VALUES ($1, $2, $3, 1)
    ON CONFLICT (on_day, recipient_id, operator) DO UPDATE SET items = training_days.items + 1
"""
# What its owner deleted is not to be used any more, whatever they consented to; what expired may be.
STANDING = """
    SELECT r.handover_id, r.subject_ref, r.record_sealed FROM gateway.training_records r
     WHERE r.recipient_id = $1 AND r.handover_id > $2
       AND NOT EXISTS (SELECT FROM gateway.tombstones t
                        WHERE t.generation_id = r.generation_id AND t.rule <> 'expired')
       AND NOT EXISTS (SELECT FROM gateway.generations g
                        WHERE g.generation_id = r.generation_id AND g.rule <> 'expired')
     ORDER BY r.handover_id LIMIT $3
"""  # index training_records_recipient
DAYS = """
    SELECT recipient_id, operator, on_day, items FROM gateway.training_days
     ORDER BY on_day DESC, recipient_id, operator LIMIT $1
"""
OF_ACCOUNT = """
    SELECT generation_id, recipient_id, given_at, count(*) OVER () AS total, min(given_at) OVER () AS since
      FROM gateway.training_records WHERE account_id = $1 ORDER BY given_at DESC, generation_id LIMIT $2
"""  # index training_records_account
OF_SUBJECT = "SELECT handover_id, subject_ref FROM gateway.training_records WHERE subject_ref = $1 LIMIT $2"
DELETED = """
    SELECT r.handover_id, r.subject_ref
      FROM gateway.training_records r JOIN gateway.tombstones t USING (generation_id)
     WHERE t.rule <> 'expired' LIMIT $1
"""
SUBJECTS = """
    SELECT DISTINCT subject_ref FROM gateway.training_records WHERE subject_ref > $1 ORDER BY subject_ref LIMIT $2
"""  # index training_records_subject
END = "DELETE FROM gateway.training_records WHERE handover_id = ANY($1::text[])"
FORGET_DAYS = "DELETE FROM gateway.training_days WHERE on_day < $1"
EXPORT = """
    SELECT handover_id AS cursor, generation_id, recipient_id, given_at, record_sealed
      FROM gateway.training_records WHERE account_id = $1 AND handover_id > $2 ORDER BY handover_id LIMIT $3
"""
