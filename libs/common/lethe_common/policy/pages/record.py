"""The record of processing activities as CSV, for whoever has to file it."""

import csv
import io

from lethe_common.policy.languages import Language
from lethe_common.policy.pages.tables import Tables
from lethe_common.policy.policy import Policy
from lethe_common.policy.words import words_in

# A cell that starts with one of these is a formula to a spreadsheet (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def record_csv(policy: Policy, language: Language) -> str:
    """The same rows as the page, with their clauses, as RFC 4180."""
    table = Tables(policy, language).processing()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*table.headings, words_in(language)("col.clauses")])
    for row in table.rows:
        writer.writerow([_plain(cell) for cell in (*row.cells, " ".join(row.clauses))])
    return out.getvalue()


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
