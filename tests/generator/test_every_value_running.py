"""Every change of every value of every profile takes effect on a running suite: make test-generator, half an hour.

In parts, each with a suite of its own: `make test-generator ARGS="-k 'aisora2-3'"` plays one again.
"""

from functools import lru_cache
from pathlib import Path

import pytest

from tests.generator.chain import on_policy_change, running
from tests.generator.mutations import Mutation, mutations
from tests.generator.playing import play
from tests.generator.trees import Tree, tree_of
from tests.unit.common.policy_files import NAMES, PROFILES

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
    pytest.mark.timeout(6 * 3600),
]

PARTS = 8
"""One or two hundred changes in a suite: each process keeps all of its versions, and each suite takes its time to start."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", NAMES)
def test_every_value_takes_effect_at_its_second_on_both_replicas(
    name: str, part: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, every = _changes(name)
    chosen = [*(on_policy_change(tree) if part == 0 else ()), *every[part::PARTS]]

    steps = play(tmp_path, name, tree, chosen)

    with capsys.disabled():
        print(
            f"\n{name}: {len(chosen)} of {len(every)} changes took effect, with {steps} versions", end=" ", flush=True
        )


@lru_cache(maxsize=1)
def _changes(name: str) -> tuple[Tree, list[Mutation]]:
    """A profile, and its lawful changes; its parts follow one another and share them."""
    tree = tree_of(PROFILES / name / "policy.yaml")
    return tree, list(running(mutations(tree)))
