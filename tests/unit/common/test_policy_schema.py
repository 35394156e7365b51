from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.policy import PolicyError, load_policy
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.durations import AtOnce, BusinessDays, at_least, span
from lethe_common.policy.source import read_file
from tests.unit.common.policy_files import line_with, written

CLAUSE = "clauses:\n  - id: aisora2-01\n"
WRONG = [
    ("rights: {access:", "rights: {acess:", "acess", "did you mean access"),
    ("enquiry: 3bd", "enquiry: soon", "soon", "working days such as 3bd"),
    ("backups: {keep: P14D", "backups: {keep: 14 days", "14 days", "ISO 8601"),
    ("effective: 2026-11-01", "effective: 1.11.2026", "1.11.2026", "write the date as 2026-12-01"),
    ("effective: 2026-11-01", "effective: 2026-11-01T10:00:00", "effective:", "with its offset"),
    ("  contact: privacy@example.org\n", "", "controller:", "missing: state contact"),
    ("{purpose: tax,", "{purpose: taxes,", "{purpose: taxes,", "no purpose taxes is declared under purposes; there are: "),
    ("languages: [en", "languages: [tlh", "languages:", "Input should be 'en' or 'ru'"),
    (CLAUSE, CLAUSE + "    about: [data.output.film]\n", "about: [data.output.film]", "refers to data.output.film"),
    ("    proof: [doc]", "    proof: [maybe]", "proof: [maybe]", "'clk', 'can'"),
    (CLAUSE, "keep_otherwise: as_needed\n\n" + CLAUSE, "keep_otherwise", "is no period"),
    ("acceptance: {terms: recorded", "acceptance: {terms: by_use", "acceptance:", "use is no agreement"),
    ("logged: [support]", "logged: []", "logged: []", ": data.support.ticket.staff_access.logged: "),
    (CLAUSE, "analytics: {recipient: nobody, parameters: [page]}\n\n" + CLAUSE, "analytics:", "no recipient nobody"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "told"), WRONG, ids=[case[3] for case in WRONG])
def test_each_mistake_is_told_at_its_line_with_what_to_write_instead(
    tmp_path: Path, old: str, new: str, at: str, told: str
) -> None:
    replaced = written(tmp_path).read_text()
    assert old in replaced
    file = tmp_path / "policy.yaml"
    file.write_text(replaced.replace(old, new, 1))

    with pytest.raises(PolicyError) as refusal:
        load_policy(tmp_path)

    told_lines = [line for line in str(refusal.value).splitlines() if told in line]
    assert told_lines, str(refusal.value)
    assert told_lines[0].startswith(f"policy.yaml:{line_with(file, at)}: ")


def test_what_the_pages_list_without_a_clause_behind_it_is_refused_at_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, (", all of them essential: {cookies}", ""), profile="soframe")

    with pytest.raises(PolicyError) as refusal:
        load_policy(tmp_path)

    for name in ("lethe_session", "lethe_language"):
        told = f"policy.yaml:{line_with(file, f'name: {name}')}: "
        assert any(
            line.startswith(told) and "no clause speaks of it" in line for line in str(refusal.value).splitlines()
        )


def test_a_clause_told_twice_is_refused(tmp_path: Path) -> None:
    text = written(tmp_path).read_text()
    (tmp_path / "policy.yaml").write_text(text.replace("- id: aisora2-02\n", "- id: aisora2-01\n"))

    with pytest.raises(PolicyError, match="clause aisora2-01 is there twice"):
        load_policy(tmp_path)


def test_an_exact_instant_is_kept_to_the_second(tmp_path: Path) -> None:
    written(tmp_path, ("effective: 2026-11-01", "effective: 2026-11-01T09:30:00+02:00"))

    assert load_policy(tmp_path).effective_at == datetime(2026, 11, 1, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", ["2026-12-01", '"2026-12-01"'])
def test_a_day_means_its_midnight_in_utc(tmp_path: Path, day: str) -> None:
    written(tmp_path, ("effective: 2026-11-01", f"effective: {day}"))

    assert load_policy(tmp_path).effective_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_draft_lets_through_what_is_missing_but_nothing_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "draft.yaml"
    file.write_text("profile: x\nversion: 1\nlanguages: [en]\neffective: 5.10.2024\ndata: {a.b: {}}\n")

    content = read_file(file, PolicyFile, as_draft=True).content
    assert (content.effective, content.controller.contact, content.data["a.b"].keep.is_stated) == (
        "5.10.2024",
        "",
        False,
    )

    file.write_text("profile: x\nversion: 1\nlanguages: [en]\nrigths: {}\n")
    with pytest.raises(PolicyError, match="did you mean rights"):
        read_file(file, PolicyFile, as_draft=True)


def test_a_period_remembers_how_it_was_written() -> None:
    assert (str(at_least("P7Y")), at_least("P7Y")) == ("P7Y", timedelta(days=7 * 366))


def test_an_answer_is_due_after_a_period_working_days_or_at_once() -> None:
    assert span("P30D") == timedelta(days=30)
    assert span("3bd") == BusinessDays(3)
    assert span("at_once") == AtOnce()
    assert [str(span(text)) for text in ("P30D", "3bd", "at_once")] == ["P30D", "3bd", "at_once"]
