from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.policy import Policy, load_book
from lethe_common.policy.diff import Change, changes, due, told, told_notice
from tests.unit.common.policy_files import written

NEXT = [("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", "effective: 2027-01-01")]
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def both(tmp_path: Path, *replacements: tuple[str, str]) -> tuple[Policy, Policy]:
    written(tmp_path)
    written(tmp_path, *NEXT, *replacements, name="policy-2.yaml")
    old, new = load_book(tmp_path).versions
    return old, new


def compared(tmp_path: Path, *replacements: tuple[str, str]) -> tuple[Policy, Policy, list[Change]]:
    old, new = both(tmp_path, *replacements)
    return old, new, changes(old, new)


CASES = [
    (("exactly: {free: P7D", "exactly: {free: P8D"), "periods_longer",
     "On plan free: generated videos — kept longer, 8 days instead of 7 days.",
     "На тарифе free: сгенерированные видео — хранится дольше, 8 дней вместо 7 дней."),
    (("exactly: {free: P7D", "exactly: {free: P2D"), "periods_shorter",
     "On plan free: generated videos — kept for a shorter time, 2 days instead of 7 days.",
     "На тарифе free: сгенерированные видео — хранится меньше, 2 дня вместо 7 дней."),
    (("enquiry: 3bd", "enquiry: 5bd"), "rights",
     "For everybody: an answer to an enquiry — answered later, 5 working days instead of 3 working days.",
     "Для всех: ответ на вопрос — ответ позже, 5 рабочих дней вместо 3 рабочих дней."),
    (("enquiry: 3bd", "enquiry: at_once"), "rights",
     "For everybody: an answer to an enquiry — answered sooner, at once instead of 3 working days.",
     "Для всех: ответ на вопрос — ответ раньше, сразу вместо 3 рабочих дней."),
    (("age: {min: 13", "age: {min: 14"), "age",
     "For everybody: age.min — 14 instead of 13.", "Для всех: age.min — было 13, стало 14."),
    (("country: EE", "country: US"), "transfers",
     "For everybody: recipients.creem.country — US instead of EE.",
     "Для всех: recipients.creem.country — было EE, стало US."),
    (("backups: {keep: P14D", "backups: {keep: P15D"), "periods_longer",
     "For everybody: backups.keep — kept longer, 15 days instead of 14 days.",
     "Для всех: backups.keep — хранится дольше, 15 дней вместо 14 дней."),
    (("Write to {controller.contact} about", "Please write to {controller.contact} about"), "texts",
     "For everybody: aisora2-02 says: Please write to privacy@example.org about anything in this policy.",
     "Для всех: пункт aisora2-02 гласит: По любым вопросам об этой политике пишите на privacy@example.org."),
]  # fmt: skip


@pytest.mark.parametrize(("replacement", "kind", "english", "russian"), CASES, ids=[case[0][1] for case in CASES])
def test_a_difference_says_what_changes_for_whom(
    tmp_path: Path, replacement: tuple[str, str], kind: str, english: str, russian: str
) -> None:
    old, new, found = compared(tmp_path, replacement)

    assert (found[0].kind, told(found[0], old, new, "en"), told(found[0], old, new, "ru")) == (kind, english, russian)
    assert all(change.clauses for change in found)


def test_what_comes_and_what_goes_is_told_as_a_whole(tmp_path: Path) -> None:
    old, new, found = compared(
        tmp_path, ("{name: lethe_language, purpose: service", "{name: lethe_theme, purpose: service"),
        ("  - {what: training,", "  - {what: schooling,"), ("{attestations.training.text}", "{attestations.schooling.text}"),
    )  # fmt: skip

    assert [told(change, old, new, "en") for change in found if change.way != "text"] == [
        "For everybody: a new cookie, lethe_theme (remembers your language).",
        "For everybody: it is attested that everybody with access is trained in data protection.",
        "For everybody: a cookie less, lethe_language (remembers your language).",
        "For everybody: it is no longer attested that everybody with access is trained in data protection.",
    ]


def test_a_new_version_that_says_the_same_has_no_difference(tmp_path: Path) -> None:
    old, new, found = compared(tmp_path)

    assert found == []
    assert due(old, new, found) is None
    assert told_notice(None, NOW, "en") == "No notice is due before it takes effect."


def test_notice_of_a_significant_change_is_due_by_mail_so_long_before_as_the_old_version_promised(
    tmp_path: Path,
) -> None:
    old, new, found = compared(
        tmp_path, ("exactly: {free: P7D", "exactly: {free: P8D"), ("before: P14D", "before: P1D")
    )

    notice = due(old, new, found)
    assert notice is not None
    assert notice.by == new.effective_at - timedelta(days=14)
    assert notice.channels == ("page", "app", "email")
    assert told_notice(notice, NOW, "en") == (
        "Notice is due by 18 December 2026, 14 days before it takes effect, through: "
        "the page, the app and e-mail to every account holder."
    )
    assert told_notice(notice, NOW, "ru").startswith(
        "Уведомить нужно до 18 декабря 2026 года, за 14 дней до вступления"
    )
    assert "that has passed" in told_notice(notice, notice.by + timedelta(days=1), "en")


def test_a_change_that_is_only_material_is_not_mailed(tmp_path: Path) -> None:
    old, new, found = compared(tmp_path, ("age: {min: 13", "age: {min: 14"))

    notice = due(old, new, found)
    assert notice is not None
    assert (notice.channels, notice.is_significant) == (("page", "app"), False)


def test_another_wording_alone_needs_no_notice(tmp_path: Path) -> None:
    old, new, found = compared(
        tmp_path, ("Write to {controller.contact} about", "Please write to {controller.contact} about")
    )

    assert due(old, new, found) is None


def test_a_new_controller_is_announced_as_long_before_as_promised_for_that(tmp_path: Path) -> None:
    old, new, found = compared(tmp_path, ("name: Example Video Ltd", "name: Example Video Two Ltd"))

    notice = due(old, new, found)
    assert notice is not None
    assert notice.before == timedelta(days=30)
