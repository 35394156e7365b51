"""The SQL that brings facts about once more, named. Each names the owner beside the thing."""

HIDE = """
    UPDATE gateway.generations
       SET hidden_at = coalesce(hidden_at, $3), rule = coalesce(rule, 'deleted_by_user'), state_version = state_version + 1
     WHERE generation_id = $1 AND subject_ref = $2
    RETURNING subject_ref
"""  # the primary key
# Whoever consented again later has records of later.
END_TRAINING = """
    DELETE FROM gateway.training_records WHERE subject_ref = $1 AND given_at <= $2
"""  # index training_records_subject
REVOKE_KEY = """
    DELETE FROM gateway.api_keys k USING gateway.accounts a
     WHERE k.key_id = $1 AND a.account_id = k.account_id AND a.subject_ref = $2
"""  # the primary key
END_SESSION = """
    DELETE FROM gateway.sessions s USING gateway.accounts a
     WHERE s.token_hash = $1 AND a.account_id = s.account_id AND a.subject_ref = $2
"""  # the primary key
VOID_LOGIN = """
    UPDATE gateway.accounts SET password_sealed = NULL
     WHERE subject_ref = $1 AND coalesce(password_set_at, created_at) < $2
"""
END_SESSIONS = """
    DELETE FROM gateway.sessions s USING gateway.accounts a
     WHERE a.account_id = s.account_id AND a.subject_ref = $1 AND s.created_at <= $2
"""  # index on sessions.account_id
# By its period a link that was used then is over soon; which one it was is not known any more.
VOID_RESETS = """
    DELETE FROM gateway.proof_tokens t USING gateway.accounts a
     WHERE a.account_id = t.account_id AND a.subject_ref = $1 AND t.use = 'password_reset'
       AND coalesce(a.password_set_at, a.created_at) < $2
"""  # index on proof_tokens.account_id
