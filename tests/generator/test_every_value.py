"""Every value of every profile, changed one at a time: what tells it changes, everything else stays as it was."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from lethe_common.policy import PolicyError
from lethe_common.policy.lint import lint_file
from lethe_common.policy.policy import load_version
from tests.generator.comparing import Scale, differing
from tests.generator.mutations import ON, Mutation, Refusal, examined, mutations
from tests.generator.silent import PURPOSE_OF, general
from tests.generator.trees import Path_, Tree, changed, leaves, there, tree_of, written
from tests.tree import ROOT
from tests.unit.common.policy_files import NAMES, PROFILES, shipped

# Much to work through on a machine that others use as well.
pytestmark = pytest.mark.timeout(1200)

_BY_LAW = {"no-ground", "looser-than-law", "residency", "consistency"}
_OF_EACH_VERSION = 2
"""`version` and `effective`, which differ in every version there is."""


@dataclass
class Weighed:
    """What became of each change of one profile's values."""

    paths: set[Path_] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    refused: list[Mutation] = field(default_factory=list)


@cache
def weighed(name: str) -> Weighed:
    """Every mutation of a profile, weighed once for all tests that ask."""
    tree = tree_of(PROFILES / name / "policy.yaml")
    content, _ = examined(tree)
    assert content is not None
    scale, found = Scale(tree, content, shipped(name).catalogue), Weighed()
    for mutation in mutations(tree):
        found.paths.add(mutation.path)
        if mutation.content is None:
            found.tally["refused"] += 1
            found.refused.append(mutation)
            found.unexplained += [f"{mutation}: {one}" for one in mutation.refusals if not _is_about(mutation, one)]
        elif scale.changed(mutation, mutation.content):
            found.tally["changed"] += 1
        else:
            found.tally["silent"] += 1
            found.unexplained += [] if general(mutation.path) in PURPOSE_OF else [f"{mutation} changes nothing"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_value_changes_what_tells_it_and_nothing_else(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = weighed(name)
    ways = ", ".join(f"{number} {way}" for way, number in found.tally.items())
    with capsys.disabled():
        print(f"\n{name}: {len(found.paths)} values and lists; {ways}", end=" ")

    assert found.unexplained == [], "\n".join(["", *found.unexplained])
    values = list(leaves(tree_of(PROFILES / name / "policy.yaml")))
    assert len(found.paths) == len(values) - _OF_EACH_VERSION


def test_the_docs_show_all_that_seven_days_to_eight_changes() -> None:
    tree = tree_of(PROFILES / "aisora2" / "policy.yaml")
    content, _ = examined(tree)
    longer = tree
    for category in ("output.video", "output.thumbnail"):
        longer = changed(longer, ("data", category, "keep", "exactly", "free"), "P8D")
    eight, _ = examined(longer)
    assert content is not None
    assert eight is not None
    scale = Scale(tree, content, shipped("aisora2").catalogue)
    old, new = scale.base.shown, scale.side(longer, eight).shown
    page = (ROOT / "docs/policy.md").read_text()

    shown = [_text(side[key]) for key in differing(old, new) for side in (old, new) if key[0] != "studio"]
    assert len(shown) == 2 * 2 * (1 + 3 * 2)
    assert [text for text in shown if text not in page] == []


def _text(shown: object) -> str:
    return str(shown[-1]) if isinstance(shown, tuple) else str(shown)


def test_each_kind_of_refusal_names_the_line_and_the_reason(tmp_path: Path) -> None:
    kinds: dict[tuple[str, str], Mutation] = {}
    for name in ("videogen", "imageshop"):
        for mutation in weighed(name).refused:
            if mutation.new is not mutation.old:
                kinds.setdefault((mutation.refusals[0].by, mutation.way), mutation)

    for mutation in kinds.values():
        text, lines = written(mutation.tree)
        file = tmp_path / "policy.yaml"
        file.write_text(text)
        told = _told_of(file)

        for refusal in mutation.refusals[:10]:
            found = [line for line, sentence in told if refusal.reason in sentence]
            assert set(found) & _lines_for(mutation.tree, refusal, lines), f"{mutation}: {refusal} at {found}"
    assert len(kinds) > 12


def _told_of(file: Path) -> list[tuple[int, str]]:
    """What an operator reads of a file that is refused: lines and sentences."""
    try:
        load_version(file)
    except PolicyError as error:
        told = [line.split(":", 2) for line in str(error).splitlines() if not line.startswith("…")]
        return [(int(number), sentence) for _, number, sentence in told]
    return [(finding.line, finding.sentence) for finding in lint_file(file, ON)]


def _lines_for(tree: Tree, refusal: Refusal, lines: Mapping[Path_, int]) -> set[int]:
    """Where a refusal may point: at its place, in it, at the entry around it, or at the clause that it speaks of."""
    place = there(tree, refusal.place)
    nearest = min(2, max(1, len(place) - 1))
    around = {lines[place[:length]] for length in range(nearest, len(place) + 1)}
    inside = {line for path, line in lines.items() if path[: len(place)] == place}
    said = (at for at, clause in enumerate(tree["clauses"]) if clause["id"] in refusal.reason)
    return around | inside | {lines["clauses", clause] for clause in said}


def _is_about(mutation: Mutation, refusal: Refusal) -> bool:
    """Whether a refusal stands at the value, around it, or speaks of what came, went or is called so."""
    place = there(mutation.tree, refusal.place)
    if place[: len(mutation.path)] == mutation.path[: len(place)]:
        return True
    if mutation.path == ("jurisdictions",):
        # Without a law of its own a policy is held to the strictest one, wherever that looks.
        return refusal.by in _BY_LAW
    old, new = set(_strings(mutation.old)), set(_strings(mutation.new))
    steps = {step for step in mutation.path[1:] if isinstance(step, str)}
    names = {name.removeprefix("data.") for name in (old ^ new) | steps}
    return any(name in refusal.reason for name in names)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, list):
        yield from (inner for one in value for inner in _strings(one))
    elif value is not None:
        yield str(value)
