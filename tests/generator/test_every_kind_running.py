"""A value of each kind changes on a running suite, other ones every day; make test-generator changes all."""

from pathlib import Path

import pytest

from lethe_common.clock import wall
from tests.generator import expected_pages as pages
from tests.generator.chain import of_each_kind, on_policy_change
from tests.generator.mutations import Mutation, mutations
from tests.generator.playing import play
from tests.generator.reading import Document
from tests.generator.trees import Tree, tree_of
from tests.unit.common.policy_files import NAMES, PROFILES

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(900)]

DAYS = 4
"""After so many days each kind of value has had its turn; each process reads all versions when it starts."""


def test_a_value_of_each_kind_takes_effect_at_its_second_on_both_replicas(tmp_path: Path) -> None:
    day = wall().toordinal()
    name = NAMES[day % len(NAMES)]
    tree = tree_of(PROFILES / name / "policy.yaml")
    chosen = [one for one in of_each_kind(mutations(tree), day) if _is_told(tree, one)]

    play(tmp_path, name, tree, [*on_policy_change(tree), *chosen[day % DAYS :: DAYS]])


def _is_told(tree: Tree, mutation: Mutation) -> bool:
    """Whether something can be seen of a change from outside."""
    return pages.pages(Document(tree)) != pages.pages(Document(mutation.tree))
