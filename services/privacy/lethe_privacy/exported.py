"""What privacy itself has of a subject, as an archive tells it: what it chose, line by line, and where it stands."""

from lethe_common.database import Database
from lethe_common.exports.pages import Query, answer_page
from lethe_common.identifiers import SubjectRef
from lethe_common.rpc.exports import PAGE_RECORDS, ExportPageAnswer, ExportPageQuestion
from lethe_common.services import Service
from lethe_privacy import access_queries
from lethe_privacy.access_log import TOGETHER_MOST
from lethe_privacy.accesses import Accesses

SECTIONS = {
    "choices": Query(
        ("consents",),
        """
        SELECT lpad(line::text, 20, '0') AS cursor, purpose, choice, policy_version, policy_hash, text_hash, language, way, at
          FROM consents JOIN subjects USING (holder_ref)
         WHERE subject_ref = $1 AND line > coalesce(nullif($2, ''), '0')::bigint ORDER BY line LIMIT $3
        """,  # index consents_holder
    ),
    "standing": Query(
        ("subjects",),
        """
        SELECT subject_ref AS cursor, state, consents, objections, is_restricted
          FROM subjects WHERE subject_ref = $1 AND subject_ref > $2 LIMIT $3
        """,
    ),
}


REQUESTS = {
    "requests": Query(
        ("requests",),
        """
        SELECT request_id AS cursor, request_id, kind, state, generation_id, received_at, due_at, is_extended, is_paused
          FROM requests WHERE subject_ref = $1 AND request_id > $2 ORDER BY request_id LIMIT $3
        """,
    ),
    "request_steps": Query(
        ("request_steps",),
        """
        SELECT s.request_id || '/' || s.number AS cursor, s.request_id, s.number, s.step, s.actor, s.at, s.ground,
               encode(s.text_sealed, 'base64') AS text_sealed
          FROM request_steps s JOIN requests r USING (request_id)
         WHERE r.subject_ref = $1
           AND (s.request_id, s.number)
               > (split_part($2, '/', 1), coalesce(nullif(split_part($2, '/', 2), ''), '0')::integer)
         ORDER BY s.request_id, s.number LIMIT $3
        """,
    ),
}
"""The rights desk's, in the service's own database. What was written stays sealed on the way; the gateway opens it."""

DISCLOSURES = {
    "disclosures": Query(
        ("disclosures",),
        """
        SELECT d.disclosure_id AS cursor, d.disclosure_id, d.authority, d.legal_reference, s.at AS disclosed_at, d.digest
          FROM disclosures d JOIN disclosure_steps s ON s.disclosure_id = d.disclosure_id AND s.step = 'disclosed'
         WHERE d.subject_ref = $1 AND d.is_told AND d.disclosure_id > $2 ORDER BY d.disclosure_id LIMIT $3
        """,  # index disclosures_subject
    ),
}
"""The register's, in the same database: of which the person was told, so nothing that a law keeps back."""

ACCESSES = {"accesses": Query(("access_bodies",), access_queries.OF_SUBJECT)}
"""The access log's, in the same database; opened here, since only this service has its keys."""
_OWN = {**REQUESTS, **DISCLOSURES}
_BODIES = PAGE_RECORDS // TOGETHER_MOST
_TOLD = ("at", "service", "purpose", "use", "items")


class Exported:
    """Answers pages of the sections above, each from its database."""

    def __init__(self, database: Database, keys_database: Database, accesses: Accesses) -> None:
        self._database, self._keys_database, self._accesses = database, keys_database, accesses

    async def page(self, question: ExportPageQuestion, _caller: Service) -> ExportPageAnswer:
        """One page of a section."""
        if question.section in _OWN:
            return await answer_page(self._database, _OWN, question)
        if question.section in ACCESSES:
            return await self._accesses_page(question.subject_ref, question.after)
        return await answer_page(self._keys_database, SECTIONS, question)

    async def _accesses_page(self, subject_ref: SubjectRef, after: str) -> ExportPageAnswer:
        number, _, body = after.partition("/")
        found = await self._accesses.of_subject(subject_ref, (int(number or 0), int(body or 0)), _BODIES)
        records = tuple({name: entry[name] for name in _TOLD} for one in found for entry in one.entries)
        last = f"{found[-1].number}/{found[-1].body}" if len(found) == _BODIES else None
        return ExportPageAnswer(records=records, after=last)
