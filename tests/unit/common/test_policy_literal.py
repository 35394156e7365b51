"""The five originals as they stand: the linter finds exactly their known holes, and a change moves exactly one."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.policy import PolicyError, load_policy
from lethe_common.policy.lint import Finding, lint_file
from lethe_common.policy.policy import load_version
from tests.unit.common.policy_files import NAMES

ON = date(2026, 11, 25)
POLICIES = Path(__file__).parent / "policies"
Hole = tuple[str, str]
"""A rule and the number of the clause it is found in; none where the statement is missing altogether."""

HOLES: dict[str, dict[str, str]] = {
    "soframe": {
        "empty-list": "14 20 21 28",
        "no-legal-entity": "04",
        "no-rights": "02",
        # The register names 18 and 22. 19 says of the same pictures "within a limited time": it lacks the number as well.
        "no-period": "18 19 22",
        "unnamed-recipient": "21",
        "no-authority": "none",
        "contradiction": "29",
        "absolute-negation": "15 17",
    },
    "soragpt": {
        "no-legal-entity": "none",
        "no-contact": "34",
        # The register names 07, 08, 09 and 12. Name, e-mail and payment details (03, 04, 05) have no period either:
        # that they can be deleted on request is a right, not a period.
        "no-period": "03 04 05 07 08 09 12",
        "consent-by-use": "02",
        "unnamed-recipient": "20",
        "ambiguous-date": "33",
        "no-authority": "none",
        "contradiction": "17",
        "absolute-negation": "19",
    },
    "aisora2": {
        "no-legal-entity": "none",
        # The register names 08 and 39. The section on generated content states periods of videos only, so prompts (07)
        # and reference addresses (09) are left out of it just as the pictures are.
        "no-period": "07 08 09 39",
        "start-unstated": "42 43 44 45",
        "consent-by-use": "03 81",
        "browser-control-only": "77",
        "dead-recipient": "22 29",
        "no-authority": "none",
        "absolute-negation": "19",
    },
    "videogen": {
        "no-legal-entity": "01",
        "no-period": "26",
        "consent-by-use": "02",
        "unnamed-recipient": "21",
        "looser-than-law": "37",
        # Not in the register: the Russian pack wants the data in Russia, and "protected databases" names no place.
        "residency": "20",
        "no-age": "none",
        "no-authority": "31",
        # Not in the register either: the pack wants an act of each destruction.
        "no-act": "none",
    },
    "imageshop": {
        "no-legal-entity": "none",
        "no-contact": "none",
        "no-rights": "none",
        "no-period": "18",
        "endless-storage": "19 21",
        "looser-than-law": "19 21",
        "no-date": "none",
        "no-age": "none",
        "no-authority": "none",
        # The register names 18 with 19; 21 keeps device data for ever, against 18 in the same way.
        "contradiction": "18 19 21",
        "absolute-negation": "05",
    },
}


def literal(name: str) -> Path:
    return POLICIES / f"{name}.literal.yaml"


def holes(findings: Iterable[Finding]) -> set[Hole]:
    return {(one.rule, clause.rpartition("-")[2]) for one in findings for clause in one.clauses or ("none",)}


def known(name: str) -> set[Hole]:
    return {(rule, clause) for rule, clauses in HOLES[name].items() for clause in clauses.split()}


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_finds_exactly_the_known_holes_of_an_original(name: str) -> None:
    assert holes(lint_file(literal(name), ON)) == known(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_original_as_it_stands_is_not_accepted_for_running(name: str) -> None:
    with pytest.raises(PolicyError, match=rf"{name}\.literal\.yaml:\d+: "):
        load_version(literal(name))


MOVES = [
    ("soframe", "permissions: []", "permissions: [{id: photos, purpose: x, text: {en: your photos}}]", "empty-list 14", ""),
    ("soframe", "purposes: {}", "purposes: {service: {text: {en: the service}}}", "empty-list 20", ""),
    ("soframe", "conditions: []", "conditions: [{en: they go}]", "empty-list 28", ""),
    ("soframe", "country: MD, contact", "country: MD, address: 2 Example Street, contact", "no-legal-entity 04", ""),
    ("soframe", "contact: privacy@example.org", "authority: the Centre, contact: privacy@example.org", "no-authority none", ""),
    ("soframe", "contact: privacy@example.org", "contact: ''", "", "no-contact 27"),
    ("soframe", "age: {min: 13}", "rights: {access: P30D}\nage: {min: 13}", "no-rights 02", ""),
    ("soframe", "keep: {from: processed}", "keep: {from: processed, at_most: PT1H}, grace: PT1H", "no-period 18, no-period 19", ""),
    ("soframe", "origin: [automatic, given]", "origin: [automatic]", "contradiction 29", ""),
    ("soframe", "mechanism: [CAT]\n    proof: [stmt]", "mechanism: [CAT]\n    proof: [sch]", "absolute-negation 15", ""),
    ("soframe", "mechanism: [EPH]\n    proof: [stmt]", "mechanism: [EPH]\n    proof: [can]", "absolute-negation 17", ""),
    ("soframe", "effective: 2025-11-21", "effective: 11.12.2025", "", "ambiguous-date 01"),
    ("soframe", "age: {min: 13}\n", "", "", "no-age 24"),
    ("soragpt", "effective: 5.10.2024", "effective: 2024-10-05", "ambiguous-date 33", ""),
    ("soragpt", "{name: SoraGPT}", "{name: SoraGPT, contact: privacy@example.org}", "no-contact 34", ""),
    ("soragpt", "consent: by_use", "consent: separate", "consent-by-use 02", ""),
    ("soragpt", "account: {purpose: service, opt_out: true}", "account: {purpose: service}", "contradiction 17", ""),
    ("soragpt", "proof: [stmt]\n  - id: soragpt-20", "proof: [neg]\n  - id: soragpt-20", "absolute-negation 19", ""),
    ("soragpt", "content.prompt: {", "content.prompt: {keep: {with: output.video}, ", "no-period 07", ""),
    ("aisora2", "keep: {exactly", "keep: {from: completed, exactly",
     "start-unstated 42, start-unstated 43, start-unstated 44, start-unstated 45", ""),
    ("aisora2", "terms: by_use", "terms: recorded", "consent-by-use 03", ""),
    ("aisora2", "changes: by_use", "changes: notice", "consent-by-use 81", ""),
    ("aisora2", "cookie_choice: browser", "cookie_choice: asked_first", "browser-control-only 77", ""),
    ("aisora2", "adapter_ends: 2026-09-24", "adapter_ends: 2027-09-24", "dead-recipient 22, dead-recipient 29", ""),
    ("aisora2", "name: Stripe, purposes", "name: '', purposes", "", "unnamed-recipient 18"),
    ("aisora2", "access: P30D", "access: P60D", "", "looser-than-law 48"),
    ("aisora2", "at_least: P7Y", "endless: true", "", "endless-storage 47, looser-than-law 47, contradiction 39, contradiction 47"),
    ("videogen", "access: P30D, correct: P30D, erase: P30D", "access: 10bd, correct: 7bd, erase: 10bd", "looser-than-law 37", ""),
    ("videogen", "jurisdictions: [RU]", "jurisdictions: [RU]\nresidency: RU", "residency 20", ""),
    ("videogen", "notice:", "recipients: [{id: pay, name: Pay, country: RU}]\nnotice:", "unnamed-recipient 21", ""),
    ("videogen", "notice:", "age: {min: 14}\nnotice:", "no-age none", ""),
    ("videogen", "country: RU}", "country: RU, authority: РКН}", "no-authority 31", ""),
    ("imageshop", "version: 1", "version: 1\neffective: 2026-01-01", "no-date none", ""),
    ("imageshop", "version: 1", "version: 1\ncontroller: {contact: privacy@example.org}", "no-contact none", ""),
    ("imageshop", "proof: [stmt]", "proof: [neg]", "absolute-negation 05", ""),
    ("imageshop", "keep: {endless: true}}\nkeep_otherwise", "keep: {at_most: P90D}}\nkeep_otherwise",
     "endless-storage 21, looser-than-law 21, contradiction 21", ""),
]  # fmt: skip


def parsed(told: str) -> set[Hole]:
    return {(rule, clause) for rule, _, clause in (one.partition(" ") for one in told.split(", ") if one)}


@pytest.mark.parametrize(("name", "old", "new", "filled", "opened"), MOVES)
def test_filling_or_opening_one_hole_moves_exactly_that_finding(
    tmp_path: Path, name: str, old: str, new: str, filled: str, opened: str
) -> None:
    text = literal(name).read_text()
    assert old in text
    file = tmp_path / "policy.yaml"
    file.write_text(text.replace(old, new))

    assert holes(lint_file(file, ON)) == (known(name) - parsed(filled)) | parsed(opened)


def test_a_limit_for_those_who_are_gone_and_a_reason_end_endless_storage(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    limited = "{endless: true, inactive: P2Y, reason: {en: so that help is possible}}"
    file.write_text(
        literal("imageshop").read_text().replace("{endless: true}", limited).replace("keep_otherwise: as_needed\n", "")
    )

    rules = {one.rule for one in lint_file(file, ON)}
    assert not rules & {"endless-storage", "looser-than-law", "contradiction"}


def test_naming_one_of_two_kinds_of_recipients_leaves_the_other(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        literal("soragpt").read_text().replace("{id: payment_processors, p", "{id: payment_processors, name: Pay, p")
    )

    unnamed = [one for one in lint_file(file, ON) if one.rule == "unnamed-recipient"]
    assert [one.sentence for one in unnamed] == ["cloud_storage: a kind of recipient is named, but nobody."]


def test_a_sixth_policy_needs_no_code() -> None:
    policy = load_policy(POLICIES / "tunereel")
    start = datetime(2027, 1, 1, tzinfo=UTC)
    held = [("creator", start - timedelta(days=1)), ("trial", start + timedelta(days=1))]

    assert lint_file(POLICIES / "tunereel" / "policy.yaml", ON) == []
    assert policy.effective_at == datetime(2026, 12, 15, 7, tzinfo=UTC)
    assert policy.deadline("output.video", held, start) == start + timedelta(hours=48)
    assert policy.content.forgetting.horizon == timedelta(days=9)
