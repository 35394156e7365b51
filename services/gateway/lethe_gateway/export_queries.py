"""The SQL of exports, named. Leases are database time; an attempt's number is the fence between two workers."""

BEGIN = """
    INSERT INTO gateway.exports (export_id, account_id, subject_ref, language, state, object_prefix, requested_at)
    VALUES ($1, $2, $3, $4, 'packing', $5, $6)
    ON CONFLICT (export_id) DO UPDATE SET state = 'packing', not_before = now() WHERE exports.state = 'packed'
"""  # asked again for what was packed: its report was lost or refused
_WORK = "export_id, account_id, subject_ref, language, state, rule, object_prefix, attempts, requested_at"
CLAIM = f"""
    UPDATE gateway.exports SET attempts = attempts + 1, leased_until = now() + $1, packed_bytes = 0
     WHERE export_id = (SELECT export_id FROM gateway.exports
                         WHERE state IN ('packing', 'removing') AND not_before <= now()
                           AND (leased_until IS NULL OR leased_until <= now())
                         ORDER BY not_before LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_WORK}
"""  # noqa: S608  a constant list of columns; index exports_work
RENEW = """
    UPDATE gateway.exports SET leased_until = now() + $3, packed_bytes = $4
     WHERE export_id = $1 AND attempts = $2 AND state = 'packing'
    RETURNING export_id
"""
PACKED = """
    UPDATE gateway.exports
       SET state = 'packed', object_key = $3, key_id = $4, size_bytes = $5, sealed_size_bytes = $6, packed_bytes = $5,
           leased_until = NULL
     WHERE export_id = $1 AND attempts = $2 AND state = 'packing'
    RETURNING export_id
"""
GIVE_BACK = """
    UPDATE gateway.exports SET leased_until = NULL, not_before = greatest(not_before, now() + $3)
     WHERE export_id = $1 AND attempts = $2
"""
READY = "UPDATE gateway.exports SET state = 'ready' WHERE export_id = $1 AND state = 'packed'"
SCHEDULE = """
    UPDATE gateway.exports e SET due_at = t.due_at, due_moves = t.moves
      FROM unnest($1::text[], $2::timestamptz[], $3::int[]) AS t(export_id, due_at, moves)
     WHERE e.export_id = t.export_id AND t.moves >= e.due_moves
"""
REMOVE = """
    UPDATE gateway.exports SET state = 'removing', rule = $2, not_before = now()
     WHERE export_id = ANY($1::text[]) AND state <> 'removing'
"""
KNOWN = "SELECT export_id FROM gateway.exports WHERE export_id = ANY($1::text[])"
# The erasure's own step removes them, and counts: until it comes they are only closed.
CLOSE_ALL = """
    UPDATE gateway.exports SET state = 'removing', rule = 'erased', not_before = now() + interval '1 day'
     WHERE subject_ref = $1
"""
IS_WORKED_ON = "SELECT EXISTS (SELECT FROM gateway.exports WHERE account_id = $1 AND leased_until > now())"
DELETE = "DELETE FROM gateway.exports WHERE export_id = $1 AND attempts = $2 RETURNING export_id"
OF_ACCOUNT = """
    SELECT export_id, subject_ref, state, object_key, key_id, attempts, packed_bytes, size_bytes, sealed_size_bytes, due_at
      FROM gateway.exports WHERE account_id = $1 AND export_id = ANY($2::text[])
"""
KNOWN_OBJECTS = (
    "SELECT object_key FROM gateway.exports WHERE object_key = ANY($1::text[])"  # unique index on object_key
)

ACCOUNT = """
    SELECT account_id AS cursor, account_id, email_sealed, plan, plan_since, state, created_at, seen_on, password_set_at
      FROM gateway.accounts WHERE account_id = $1 AND account_id > $2 LIMIT $3
"""
API_KEYS = """
    SELECT key_id AS cursor, key_id, created_at, last_used_on
      FROM gateway.api_keys WHERE account_id = $1 AND key_id > $2 ORDER BY key_id LIMIT $3
"""
SESSIONS = """
    SELECT encode(token_hash, 'hex') AS cursor, created_at, expires_at
      FROM gateway.sessions WHERE account_id = $1 AND encode(token_hash, 'hex') > $2 ORDER BY 1 LIMIT $3
"""
LINKS = """
    SELECT encode(token_hash, 'hex') AS cursor, use, expires_at
      FROM gateway.proof_tokens WHERE account_id = $1 AND encode(token_hash, 'hex') > $2 ORDER BY 1 LIMIT $3
"""
MAILS = """
    SELECT mail_id AS cursor, mail_id, template, secret_sealed, attempts, due_at, expires_at
      FROM gateway.mails WHERE account_id = $1 AND mail_id > $2 ORDER BY mail_id LIMIT $3
"""
GENERATIONS = """
    SELECT generation_id AS cursor, generation_id, state, model, width_px, height_px, seconds, seed, prompt_sealed, upload_id,
           hold_id, credits_held, credits_charged, error_code, created_at, completed_at, expires_at, hidden_at, rule
      FROM gateway.generations WHERE account_id = $1 AND generation_id > $2 ORDER BY generation_id LIMIT $3
"""  # index generations_account
REMOVED = """
    SELECT generation_id AS cursor, generation_id, removed_at, rule
      FROM gateway.tombstones WHERE account_id = $1 AND generation_id > $2 ORDER BY generation_id LIMIT $3
"""
UPLOADS = """
    SELECT upload_id AS cursor, upload_id, generation_id, media_type, size_bytes, created_at, due_at
      FROM gateway.uploads WHERE account_id = $1 AND upload_id > $2 ORDER BY upload_id LIMIT $3
"""
COMPLETED = """
    SELECT generation_id FROM gateway.generations
     WHERE account_id = $1 AND generation_id > $2 AND state = 'completed' AND hidden_at IS NULL
     ORDER BY generation_id LIMIT $3
"""
UPLOADED = """
    SELECT upload_id, object_key, key_id, media_type, size_bytes
      FROM gateway.uploads WHERE account_id = $1 AND upload_id > $2 ORDER BY upload_id LIMIT $3
"""
ADDRESS_CHANGES = """
    SELECT account_id AS cursor, request_id, email_sealed, expires_at
      FROM gateway.address_changes WHERE account_id = $1 AND account_id > $2 LIMIT $3
"""
