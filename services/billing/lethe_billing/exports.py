"""Exports: what billing has of a subject, as its archive tells it. Each line of the ledger, not only sums."""

from lethe_common.database import Database
from lethe_common.exports.pages import Query, answer_page
from lethe_common.rpc.exports import ExportPageAnswer, ExportPageQuestion
from lethe_common.services import Service

_NO_UUID = "'00000000-0000-0000-0000-000000000000'"
_SINCE_UUID = f"coalesce(nullif($2, ''), {_NO_UUID})::uuid"

SECTIONS = {
    "carried": Query(
        ("carried",),
        """
        SELECT c.wallet_id::text AS cursor, c.available, c.held, c.owed, c.transfers, c.until
          FROM carried c JOIN subjects s USING (wallet_id)
         WHERE s.subject_ref = $1 AND c.wallet_id::text > $2 LIMIT $3
        """,
    ),
    "grants": Query(
        ("grants",),
        """
        SELECT g.grant_id AS cursor, g.grant_id, g.source, g.amount, g.remaining, g.granted_at, g.expires_at, g.is_expired
          FROM grants g JOIN subjects s USING (wallet_id)
         WHERE s.subject_ref = $1 AND g.grant_id > $2 ORDER BY g.grant_id LIMIT $3
        """,
    ),
    "holds": Query(
        ("holds",),
        f"""
        SELECT h.cause_ref AS cursor, h.hold_id, h.generation_id, h.model, h.width_px, h.height_px, h.seconds, h.amount,
               h.line_grants, h.line_amounts, h.price_version, h.state, h.void_cause, h.charged, h.placed_at, h.expires_at, h.settled_at
          FROM holds h JOIN subjects s USING (wallet_id)
         WHERE s.subject_ref = $1 AND h.cause_ref > {_SINCE_UUID} ORDER BY h.cause_ref LIMIT $3
        """,  # noqa: S608  our own condition
    ),
    "plan": Query(
        ("subjects",),
        """
        SELECT subject_ref AS cursor, plan, plan_since, plans_count, opened_at
          FROM subjects WHERE subject_ref = $1 AND subject_ref > $2 LIMIT $3
        """,
    ),
    "quotes": Query(
        ("quotes",),
        """
        SELECT q.quote_id AS cursor, q.quote_id, q.model, q.width_px, q.height_px, q.seconds, q.amount, q.price_version,
               q.expires_at
          FROM quotes q JOIN subjects s USING (wallet_id)
         WHERE s.subject_ref = $1 AND q.quote_id > $2 ORDER BY q.quote_id LIMIT $3
        """,
    ),
    "transfers": Query(
        ("transfers",),
        f"""
        SELECT t.transfer_id AS cursor, 'xfer_' || replace(t.transfer_id::text, '-', '') AS transfer_id, t.kind,
               t.debit_account, t.credit_account, t.amount, h.generation_id, t.created_at
          FROM transfers t JOIN subjects s USING (wallet_id) LEFT JOIN holds h ON h.cause_ref = t.cause_ref
         WHERE s.subject_ref = $1 AND t.transfer_id > {_SINCE_UUID} ORDER BY t.transfer_id LIMIT $3
        """,  # noqa: S608  our own condition; index transfers_of_wallet
    ),
    "wallet": Query(
        ("wallets",),
        """
        SELECT w.wallet_id::text AS cursor, w.available, w.held, w.owed, w.is_closed
          FROM wallets w JOIN subjects s USING (wallet_id)
         WHERE s.subject_ref = $1 AND w.wallet_id::text > $2 LIMIT $3
        """,
    ),
}


class Exports:
    """Answers pages of the sections above."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, question: ExportPageQuestion, _caller: Service) -> ExportPageAnswer:
        """One page of a section."""
        return await answer_page(self._database, SECTIONS, question)
