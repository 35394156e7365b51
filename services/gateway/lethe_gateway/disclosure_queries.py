"""The SQL of what may be disclosed of an account: facts that are no content, named."""

ACCOUNT = "SELECT account_id, state, created_at FROM gateway.accounts WHERE subject_ref = $1"
GENERATIONS = """
    SELECT generation_id, model, state, width_px, height_px, seconds, created_at, completed_at FROM gateway.generations
     WHERE account_id = $1 AND hidden_at IS NULL ORDER BY generation_id LIMIT $2
"""  # index generations_account
