"""A value of each kind changes on a running suite: a share of them, another one at each turn (LETHE_GENERATOR_TURN).

`make test-generator` changes all.
"""

import os
from pathlib import Path

import pytest

from tests.generator import expected_pages as pages
from tests.generator.chain import of_each_kind, on_policy_change
from tests.generator.mutations import Mutation, mutations
from tests.generator.playing import play
from tests.generator.reading import Document
from tests.generator.trees import Tree, tree_of
from tests.unit.common.policy_files import NAMES, PROFILES

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(900)]

TURN = int(os.environ.get("LETHE_GENERATOR_TURN", "0"))
SHARES = 4
"""After so many turns of a profile each kind of value has had its own; each process reads all versions when it starts."""


def test_a_value_of_each_kind_takes_effect_at_its_second_on_both_replicas(tmp_path: Path) -> None:
    name = NAMES[TURN % len(NAMES)]
    tree = tree_of(PROFILES / name / "policy.yaml")
    chosen = [one for one in of_each_kind(mutations(tree), TURN) if _is_told(tree, one)]

    play(tmp_path, name, tree, [*on_policy_change(tree), *chosen[TURN % SHARES :: SHARES]])


def _is_told(tree: Tree, mutation: Mutation) -> bool:
    """Whether something can be seen of a change from outside."""
    return pages.pages(Document(tree)) != pages.pages(Document(mutation.tree))
