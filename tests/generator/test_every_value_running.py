"""Every change of every value of every profile takes effect on a running suite. Takes hours: make test-generator."""

from pathlib import Path

import pytest

from tests.generator.chain import on_policy_change, running
from tests.generator.mutations import mutations
from tests.generator.playing import AT_ONCE, play
from tests.generator.trees import tree_of
from tests.unit.common.policy_files import NAMES, PROFILES

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
    pytest.mark.timeout(6 * 3600),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_value_takes_effect_at_its_second_on_both_replicas(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tree_of(PROFILES / name / "policy.yaml")
    everything = [*on_policy_change(tree), *running(mutations(tree))]

    for first in range(0, len(everything), AT_ONCE):
        steps = play(tmp_path / str(first), name, tree, everything[first : first + AT_ONCE])
        with capsys.disabled():
            done = min(first + AT_ONCE, len(everything))
            print(f"\n{name}: {done} of {len(everything)} changes, {steps} versions in this suite", end="", flush=True)
