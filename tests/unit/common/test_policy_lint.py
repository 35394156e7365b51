"""The linter's rules that no published original breaks, each by one change to a clean profile."""

import copy
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.lint import RULES, Examined, Finding, lint, lint_file
from lethe_common.policy.source import read_file
from tests.unit.common.policy_files import PROFILES, line_with, written

ON = date(2026, 11, 25)
Replacements = list[tuple[str, str]]


def findings(tmp_path: Path, *replacements: tuple[str, str], on: date = ON) -> list[Finding]:
    return lint_file(written(tmp_path, *replacements), on)


CASES: list[tuple[str, Replacements, str, tuple[str, ...]]] = [
    ("no-place", [('    stores: ["pg:gateway"]\n    uses:\n      - {purpose: service, basis: {EU: A6-1-b, MD: contract}}\n    keep: {from: created, at_most: P3D', "    stores: []\n    uses:\n      - {purpose: service, basis: {EU: A6-1-b, MD: contract}}\n    keep: {from: created, at_most: P3D")], "mail.queue:", ("aisora2-24",)),
    ("untold-category", [("    about: [data.disclosure.record, disclosure]\n", ""), ("    about: [disclosure, data.disclosure.record]\n", "    about: [disclosure]\n")], "disclosure.record:", ()),
    ("unasked-cookies", [("name: lethe_language, purpose: service, essential: true", "name: lethe_language, purpose: service, essential: false")], "cookie_choice", ("aisora2-77",)),
    ("expired-contract", [("hosts: [mail.example.org]\n    contract_expires: 2027-12-31", "hosts: [mail.example.org]\n    contract_expires: 2026-11-25")], "- id: mail", ("aisora2-31",)),
    ("expired-attestation", [("what: training, by: Example Video Ltd, on: 2026-10-01, expires: 2027-10-01", "what: training, by: Example Video Ltd, on: 2025-10-01, expires: 2026-10-01")], "what: training", ("aisora2-65",)),
    ("residency", [("country: IE", "country: MD"), ("country: EE", "country: MD"), ("residency: null", "residency: MD")], "- id: storage", ("aisora2-33", "aisora2-34", "aisora2-31")),
    ("no-transfer-ground", [('    transfer: "standard contractual clauses (2021/914)"\n', "")], "- id: storage", ("aisora2-84",)),
    ("looser-than-law", [("default: opt_out", "default: opt_in"), ("consent: 16", "consent: 15")], "age: {min", ()),
    ("looser-than-law", [("age: {min: 13", "age: {min: 12")], "age: {min", ()),
    ("unknown-pack", [("[EU, MD, COPPA, AI-ACT]", "[EU, MD, COPPA, AI-ACT, MARS]")], "jurisdictions", ()),
    ("no-ground", [("{purpose: support, basis: {EU: A6-1-b, MD: contract}}", "{purpose: support, basis: {EU: A6-1-b, MD: friendship}}")], "{purpose: support, basis", ()),
    ("no-mechanism", [("    mechanism: [AUT]\n    proof: [can, cfg]\n", "    mechanism: []\n    proof: [can, cfg]\n")], "- id: aisora2-05", ("aisora2-05",)),
    ("no-proof", [("    mechanism: [AUT]\n    proof: [cfg]\n", "    mechanism: [AUT]\n    proof: []\n")], "- id: aisora2-62", ("aisora2-62",)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "replacements", "at", "clauses"), CASES)
def test_one_change_makes_one_finding(
    tmp_path: Path, rule: str, replacements: Replacements, at: str, clauses: tuple[str, ...]
) -> None:
    file = written(tmp_path)
    applied = [(old, new) for old, new in replacements if old in file.read_text()]
    assert applied
    file = written(tmp_path, *applied)

    found = lint_file(file, ON)

    assert [(one.rule, one.line) for one in found] == [(rule, line_with(file, at))], found
    assert set(clauses) <= set(found[0].clauses)
    assert found[0].sentence.endswith(".")
    assert found[0].advice


def test_a_clause_silent_in_one_language_is_found(tmp_path: Path) -> None:
    lines = written(tmp_path).read_text().splitlines(keepends=True)
    (tmp_path / "policy.yaml").write_text("".join(line for line in lines if "Сервис предназначен" not in line))

    found = lint_file(tmp_path / "policy.yaml", ON)
    assert [(one.rule, one.clauses) for one in found] == [("no-translation", ("aisora2-72",))]


def test_the_arithmetic_of_a_promise_that_cannot_be_kept_is_shown(tmp_path: Path) -> None:
    found = findings(tmp_path, ("backups: {keep: P14D", "backups: {keep: P30D"))

    assert {one.rule for one in found} == {"cannot-be-kept"}
    account = next(one for one in found if one.place == "data.identity.account.keep.at_most")
    assert (
        account.sentence
        == "identity.account is promised to be gone after P30D, but grace PT24H + backups P30D is longer."
    )


def test_a_record_of_an_erasure_that_a_backup_can_outlive_is_found_with_the_arithmetic(tmp_path: Path) -> None:
    record = "keep: {from: created, at_least: %s}\n    erase: pseudonymise\n    ground: proof that an erasure"
    found = findings(tmp_path, (record % "P3Y", record % "P43D"))

    assert [(one.rule, one.place) for one in found] == [("record-too-short", "data.erasure.record.keep")]
    assert found[0].sentence == "erasure.record is kept for P43D, but backups P14D + a restore P30D is longer."
    assert not findings(tmp_path, (record % "P3Y", record % "P44D"))


def test_what_is_sealed_is_gone_when_its_key_is_even_if_backups_stay(tmp_path: Path) -> None:
    found = findings(tmp_path, ("backups: {keep: P14D", "backups: {keep: P30D"))

    assert "data.identity.email.keep.at_most" not in {one.place for one in found}


def test_the_forgetting_horizon_has_to_fit_inside_too(tmp_path: Path) -> None:
    found = findings(
        tmp_path, ("forgetting: {rotation: P1D, key_backups: 2}", "forgetting: {rotation: P10D, key_backups: 2}")
    )

    email = next(one for one in found if one.place == "data.identity.email.keep.at_most")
    assert "grace PT24H + forgetting horizon P30D" in email.sentence


def test_the_width_of_a_partition_has_to_fit_inside_too(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        (
            "keep: {from: created, at_most: P90D}\n    partition: P1D",
            "keep: {from: created, at_most: P90D}\n    partition: P90D",
        ),
    )

    assert [one.place for one in found] == ["data.technical.log.keep.at_most", "data.technical.usage.keep.at_most"]
    assert "grace PT24H + partition P90D" in found[0].sentence


def test_a_promise_that_leaves_out_backups_has_to_say_when_they_end(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        ("{forgetting.horizon}", "a while"),
        ("{backups.keep}", "some time"),
        ("about: [backups]", "about: [data]"),
    )

    assert [one.rule for one in found] == ["remains-untold"]
    assert "upload.image, mail.queue" in found[0].sentence


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (
            'inactive: P2Y, reason: {en: "so that a later',
            'inactive: P3Y, reason: {en: "so that a later',
            "support.ticket",
        ),
        ("inactive: P2Y", "inactive: PT6H", "output.video"),
    ],
)
def test_an_account_ends_as_a_whole_so_nothing_of_it_is_promised_longer(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    file = written(tmp_path, (old, new), profile="imageshop")

    found = [one for one in lint_file(file, ON) if one.rule == "unkept-inactive"]

    assert found
    assert {one.place.split(".keep")[0].removeprefix("data.") for one in found} >= {place}
    assert all(one.clauses for one in found)


def test_books_that_the_law_wants_longer_are_found(tmp_path: Path) -> None:
    found = lint_file(written(tmp_path, ("at_least: P5Y", "at_least: P4Y"), profile="videogen"), ON)

    assert [(one.rule, one.clauses) for one in found] == [("shorter-than-law", ("videogen-26",))]
    assert "wants P5Y" in found[0].sentence


ACT = "    keep: {from: created, at_least: P3Y}\n    erase: delete\n"
USE = (
    "      - {purpose: accountability, basis: {RU: legal_obligation}}\n    keep: {until: account_closed, at_most: P30D"
)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("  destruction.act:\n", "  destruction.note:\n", "no-act"),
        (ACT, ACT.replace("P3Y", "P2Y"), "shorter-than-law"),
        (ACT, ACT.replace("at_least: P3Y", "at_most: P3Y"), "shorter-than-law"),
        (USE, USE.partition("\n")[2], "unnamed-act"),
    ],
)
def test_an_act_of_destruction_that_the_law_wants_is_missed(tmp_path: Path, old: str, new: str, rule: str) -> None:
    renamed = [("data.destruction.act", "data.destruction.note")] if rule == "no-act" else []
    found = lint_file(written(tmp_path, (old, new), *renamed, profile="videogen"), ON)

    assert rule in {one.rule for one in found}
    assert "order" in " ".join(one.sentence for one in found).lower() or rule == "unnamed-act"


def test_packs_that_exclude_one_another_are_found(tmp_path: Path) -> None:
    found = findings(tmp_path, ("[EU, MD, COPPA, AI-ACT]", "[EU, RU]"))

    assert "excluded-packs" in {one.rule for one in found}


def test_a_recipient_whose_adapter_is_not_in_the_code_is_dead(tmp_path: Path) -> None:
    reading = read_file(written(tmp_path), PolicyFile, as_draft=True)

    found = lint(reading, ON, adapters=frozenset({"stripe", "creem", "s3"}))
    assert [(one.rule, one.place) for one in found] == [("dead-recipient", "recipients.mail")]


def test_a_category_that_nothing_holds_is_found(tmp_path: Path) -> None:
    reading = read_file(written(tmp_path), PolicyFile, as_draft=True)
    held = {category: frozenset({"pg:x"}) for category in reading.content.data if category != "support.ticket"}

    found = lint(reading, ON, held=held)
    assert [(one.rule, one.place) for one in found] == [("never-collected", "data.support.ticket")]


def test_every_rule_says_what_it_finds(tmp_path: Path) -> None:
    examined = Examined(read_file(written(tmp_path), PolicyFile).content, ON, lambda _: 1)

    assert len(set(RULES)) == len(RULES)
    assert all(rule.__doc__ for rule in RULES)
    assert [finding for rule in RULES for finding in rule(examined)] == []


CLEAN = YAML(typ="safe").load((PROFILES / "imageshop" / "policy.yaml").read_text())


def places(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


@given(st.sampled_from(sorted(places(CLEAN), key=str)))
def test_whatever_is_taken_out_the_linter_answers(path: tuple[str | int, ...]) -> None:
    draft = copy.deepcopy(CLEAN)
    owner = draft
    for step in path[:-1]:
        owner = owner[step]
    del owner[path[-1]]
    try:
        content = PolicyFile.model_validate(draft, context={"draft": True})
    except ValidationError:
        return

    examined = Examined(content, ON, lambda _: 1)
    assert all(finding.sentence and finding.advice for rule in RULES for finding in rule(examined))
