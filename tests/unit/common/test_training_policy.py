from datetime import date
from pathlib import Path

import pytest

from lethe_common.consents import asked
from lethe_common.handovers import new_key
from lethe_common.policy import PolicyError, load_book, load_policy
from lethe_common.policy.diff import changes, due, told
from lethe_common.policy.lint import lint_file
from lethe_common.policy.training import TRAIN, Obstacle, obstacle, trainers
from lethe_common.purposes import Reason, Standing, uses_of
from tests.unit.common.policy_files import NAMES, line_with, shipped_policy, trained_by, trainer, written

ON = date(2026, 11, 25)
KEY, OTHER_KEY = new_key()[1], new_key()[1]
CONSENTING = Standing(consents={TRAIN})
OPT_IN = 'text: {en: "improving AI models with what you create"}\n    default: opt_in'
KEPT = "keep: {until: consent_withdrawn, at_most: P7D}"
RECORD = "    uses:\n      - {purpose: train_models, basis: {EU: A6-1-a}}\n    " + KEPT
SEALED_TO = f'    sealed_to: "{KEY}"\n'
TRAINER = trainer(KEY)
OBSTACLES: list[tuple[Obstacle, list[tuple[str, str]]]] = [
    (Obstacle.PROHIBITED, [TRAINER, ("[advertising, sale]", "[advertising, sale, training]")]),
    (Obstacle.WITHOUT_CONSENT, [TRAINER, (OPT_IN, OPT_IN.replace("opt_in", "always"))]),
    (Obstacle.WITHOUT_CONSENT, [TRAINER, (OPT_IN, OPT_IN.replace("opt_in", "opt_out"))]),
    (Obstacle.WITHOUT_CONSENT, [TRAINER, (OPT_IN, OPT_IN.replace("opt_in", "off"))]),
    (Obstacle.UNRECORDED, [TRAINER, (KEPT, KEPT.replace("consent_withdrawn", "account_closed"))]),
    (Obstacle.UNRECORDED, [TRAINER, (RECORD, RECORD.replace("train_models", "improve"))]),
    (Obstacle.NO_TRAINER, []),
    (Obstacle.NO_TRAINER, [(TRAINER[0], TRAINER[1].replace("trains: true", "trains: false"))]),
    (Obstacle.NO_TRAINER, [(TRAINER[0], TRAINER[1].replace("purposes: [train_models]", "purposes: [improve]"))]),
    (Obstacle.NO_TRAINER, [(TRAINER[0], TRAINER[1].replace("[content.prompt, output.video]", "[output.video]"))]),
    (Obstacle.NO_KEY, [(TRAINER[0], TRAINER[1].replace(SEALED_TO, ""))]),
]


@pytest.mark.parametrize(("found", "changes"), OBSTACLES, ids=lambda one: one if isinstance(one, str) else "")
def test_each_thing_that_stands_against_a_trainer_is_told(
    tmp_path: Path, found: Obstacle, changes: list[tuple[str, str]]
) -> None:
    policy = load_policy(written(tmp_path, *changes, profile="soragpt").parent)

    assert obstacle(policy.content, "trainer") is found


def test_with_consent_a_record_and_a_key_nothing_stands_against_a_trainer_and_anybody_else_is_none(
    tmp_path: Path,
) -> None:
    policy = load_policy(written(tmp_path, TRAINER, profile="soragpt").parent)

    assert obstacle(policy.content, "trainer") is None
    assert obstacle(policy.content, "storage") is Obstacle.NO_TRAINER
    assert [one.id for one in trainers(policy.content)] == ["trainer"]
    assert lint_file(tmp_path / "policy.yaml", ON) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_shipped_policy_names_a_trainer_and_all_but_one_prohibit_it(name: str) -> None:
    found = obstacle(shipped_policy(name).content, "trainer")

    assert found is (Obstacle.NO_TRAINER if name == "soragpt" else Obstacle.PROHIBITED)


def test_what_is_prohibited_is_off_and_nobody_is_asked_whatever_the_purpose_says(tmp_path: Path) -> None:
    file = written(tmp_path, *trained_by(KEY))
    allowing = load_policy(tmp_path)
    file.write_text(file.read_text().replace("sale, profiling]", "sale, profiling, training]"))
    prohibiting = load_policy(tmp_path)

    found = [uses_of(one).allowed("content.prompt", TRAIN, CONSENTING).reason for one in (allowing, prohibiting)]
    assert found == [Reason.ALLOWED, Reason.OFF]
    assert [TRAIN in asked(one, "en") for one in (allowing, prohibiting)] == [True, False]


def test_people_hear_of_another_key_before_anything_is_sealed_to_it(tmp_path: Path) -> None:
    later = [("version: 1\n", "version: 2\n"), ("effective: 2026-11-01", "effective: 2027-01-01")]
    written(tmp_path, TRAINER, profile="soragpt")
    written(tmp_path, trainer(OTHER_KEY), *later, profile="soragpt", name="policy-2.yaml")
    old, new = load_book(tmp_path).versions

    (change,) = changes(old, new)
    assert (change.kind, change.old, change.new) == ("recipients", KEY, OTHER_KEY)
    assert OTHER_KEY in told(change, old, new, "en")
    assert due(old, new, [change]) is not None


@pytest.mark.parametrize(
    ("rule", "places", "changes"),
    [
        (
            "prohibited-training",
            {"purposes.train_models.default", "recipients.trainer.trains"},
            [TRAINER, ("[advertising, sale]", "[advertising, sale, training]")],
        ),
        (
            "prohibited-training",
            {"purposes.train_models.default"},
            [("[advertising, sale]", "[advertising, sale, training]")],
        ),
        (
            "unrecorded-training",
            {"data.training.record"},
            [TRAINER, (KEPT, KEPT.replace("consent_withdrawn", "created"))],
        ),
        ("keyless-trainer", {"recipients.trainer.sealed_to"}, [(TRAINER[0], TRAINER[1].replace(SEALED_TO, ""))]),
    ],
)
def test_the_linter_finds_what_would_be_refused(
    tmp_path: Path, rule: str, places: set[str], changes: list[tuple[str, str]]
) -> None:
    found = lint_file(written(tmp_path, *changes, profile="soragpt"), ON)

    assert {(one.rule, one.place) for one in found} == {(rule, place) for place in places}
    assert len(found) == len(places)


def test_a_key_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, (TRAINER[0], TRAINER[1].replace(KEY, "abc")), profile="soragpt")

    with pytest.raises(PolicyError, match=rf"policy.yaml:{line_with(file, 'sealed_to')}: recipients.0.sealed_to"):
        load_policy(tmp_path)
