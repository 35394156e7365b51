import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lethe_cli.__main__ import build
from tests.unit.common.policy_files import written

LITERAL = Path(__file__).parents[1] / "common" / "policies" / "soragpt.literal.yaml"
LATER = [("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", "effective: 2027-01-01")]


def lethe(*words: str | Path) -> Result:
    return CliRunner().invoke(build(), ["policy", *map(str, words)])


def test_lint_of_a_clean_profile_says_so_and_ends_with_nothing() -> None:
    said = lethe("lint", "aisora2", "--on", "2026-11-25")

    assert said.exit_code == 0
    assert said.output == "0 findings in policy.yaml, as of 2026-11-25.\n"


def test_lint_names_line_rule_clause_and_what_to_do(tmp_path: Path) -> None:
    written(tmp_path, ("    mechanism: [AUT]\n    proof: [cfg]\n", "    mechanism: [AUT]\n    proof: []\n"))
    said = lethe("lint", tmp_path, "--on", "2026-11-25")

    assert said.exit_code == 1
    first, advice, count = said.output.splitlines()
    assert first.startswith("policy.yaml:")
    assert first.endswith(": no-proof aisora2-62: Nothing proves aisora2-62.")
    assert advice == "    -> State its proofs; stmt if it only states."
    assert count.startswith("1 finding in policy.yaml")


def test_lint_looks_at_a_draft_that_could_not_run_and_says_why_it_could_not() -> None:
    said = lethe("lint", LITERAL, "--on", "2026-11-25")

    assert said.exit_code == 1
    assert "ambiguous-date soragpt-33" in said.output
    assert "Nothing would run on this yet:\nsoragpt.literal.yaml:" in said.output


def test_lint_for_programs_is_one_object_a_line() -> None:
    said = lethe("lint", LITERAL, "--on", "2026-11-25", "--json")
    found = [json.loads(line) for line in said.output.splitlines()]

    assert said.exit_code == 1
    assert {"rule": "no-contact", "clauses": ["soragpt-34"], "file": "soragpt.literal.yaml"}.items() <= next(
        one for one in found if one["rule"] == "no-contact"
    ).items()


def test_lint_of_what_is_wrong_rather_than_missing_is_refused(tmp_path: Path) -> None:
    written(tmp_path, ("rights: {access:", "rights: {acess:"))

    assert "did you mean access" in str(lethe("lint", tmp_path).exception)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("page", "Политика конфиденциальности"),
        ("cookies", "lethe_session"),
        ("notice", "Сведения при сборе данных"),
        ("processors", "Получатели и обработчики"),
        ("ropa", "Реестр обработки"),
        ("versions", "Первая версия"),
    ],
)
def test_show_prints_what_people_will_read(form: str, told: str) -> None:
    said = lethe("show", "aisora2", "--as", form, "--language", "ru")

    assert said.exit_code == 0
    assert said.output.startswith("<!doctype html>")
    assert told in said.output


def test_show_prints_the_record_for_a_spreadsheet_and_every_value_for_programs() -> None:
    rows = list(csv.reader(io.StringIO(lethe("show", "videogen", "--as", "csv").output)))
    values = json.loads(lethe("show", "videogen", "--as", "json").output)

    assert rows[0][0] == "Данные"
    assert values["data"]["technical.log"]["keep"]["at_most"] == "P90D"


def test_show_in_a_language_there_is_not_is_refused() -> None:
    assert "there are: en, ru" in str(lethe("show", "aisora2", "--language", "tlh").exception)


def test_diff_tells_what_changes_for_whom_and_when_notice_is_due(tmp_path: Path) -> None:
    new = written(tmp_path, *LATER, ("exactly: {free: P7D", "exactly: {free: P8D"))
    said = lethe("diff", "aisora2", new)

    assert said.exit_code == 0
    assert said.output.splitlines()[0] == (
        "On plan free: generated videos — kept longer, 8 days instead of 7 days.  [periods_longer; aisora2-42]"
    )
    assert "18 December 2026, 14 days before it takes effect" in said.output


def test_diff_for_programs_is_one_object_a_line(tmp_path: Path) -> None:
    new = written(tmp_path, *LATER, ("enquiry: 3bd", "enquiry: 2bd"))
    (change,) = [json.loads(line) for line in lethe("diff", "aisora2", new, "--json", "-l", "ru").output.splitlines()]

    assert (change["kind"], change["way"], change["clauses"]) == ("rights", "faster", ["aisora2-82"])
    assert change["told"].startswith("Для всех: ответ на вопрос")


def test_diff_of_the_same_says_so() -> None:
    assert lethe("diff", "aisora2", "aisora2").output == "The two say the same.\n"


@pytest.mark.parametrize("command", ["lint", "show", "diff", "simulate"])
def test_help_teaches_by_example(command: str) -> None:
    assert f"lethe policy {command}" in lethe(command, "--help").output
