"""An owner's answer: a section's records, page by page.

What travels are references, parameters and amounts, as in all answers on the bus;
what is sealed is opened by the gateway alone, which writes the archive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from pydantic import JsonValue

from lethe_common.database import Database
from lethe_common.errors import LetheError
from lethe_common.rpc.exports import PAGE_RECORDS, ExportPageAnswer, ExportPageQuestion

_SAFE_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Query:
    """The statement of one section: $1 the subject's reference, $2 the cursor (empty at first), $3 the most rows.

    Its first column is `cursor`, a text by which the rows are ordered. `tables` are those it reads for the export.
    """

    tables: tuple[str, ...]
    sql: str


class SectionUnknown(LetheError):
    """An archive's section that this owner does not have: a service is older than the other."""

    code, status = "section_unknown", 400

    def __init__(self) -> None:
        super().__init__("There is no such section here. Run the same version of all services.")


async def answer_page(
    database: Database, queries: Mapping[str, Query], question: ExportPageQuestion
) -> ExportPageAnswer:
    """One page of a section of a subject.

    Raises:
        SectionUnknown: this owner has no such section.
    """
    query = queries.get(question.section)
    if query is None:
        raise SectionUnknown
    async with database.transaction() as tx:
        rows = await tx.fetch(query.sql, question.subject_ref, question.after, PAGE_RECORDS)
    after = str(rows[-1]["cursor"]) if len(rows) == PAGE_RECORDS else None
    return ExportPageAnswer(records=tuple(record(row) for row in rows), after=after)


def record(row: Mapping[str, object]) -> dict[str, JsonValue]:
    """A row as a record of an archive, without its cursor."""
    return {name: told(value) for name, value in row.items() if name != "cursor"}


def told(value: object) -> JsonValue:
    """A column's value as an archive has it.

    Raises:
        TypeError: bytes, say, which no archive holds outside of its files.
    """
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            # RFC 8785 has no numbers that a double cannot hold.
            return value if abs(value) <= _SAFE_INTEGER else str(value)
        case datetime():
            return value.isoformat()
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case list() | tuple():
            return [told(one) for one in value]
        case _:
            raise TypeError(f"an archive holds no {type(value).__name__}")
