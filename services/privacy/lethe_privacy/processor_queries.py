"""The SQL of the register of processors, named."""

NEWEST = """
    SELECT DISTINCT ON (recipient_id) recipient_id, reference, starts_on, ends_on, subprocessors, contact, operator, entered_at
      FROM processors ORDER BY recipient_id, number DESC LIMIT $1
"""  # index processors_newest
ENTER = """
    INSERT INTO processors (recipient_id, reference, starts_on, ends_on, subprocessors, contact, operator, entered_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
# Only its owner role may remove lines.
FORGET_REPLACED = "SELECT forget_processors($1)"
