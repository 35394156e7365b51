"""A policy by the oracle and by the product, side by side; and whether a change moved the same things in both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lethe_common.policy import Catalogue, Policy, PolicyBook
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.rules import OnPolicyChange
from tests.generator import expected_effects as effects
from tests.generator import expected_pages as pages
from tests.generator import observed
from tests.generator.expected_effects import Due, Item
from tests.generator.expected_pages import Key
from tests.generator.mutations import Mutation
from tests.generator.reading import Document, Told
from tests.generator.trees import Tree

TURN = datetime(2027, 6, 1, tzinfo=UTC)
"""The instant at which the changed version takes effect."""
_OF_DEADLINES = {"data", "backups", "forgetting"}
"""The sections a deadline is made of."""
_MUCH_EARLIER = TURN - timedelta(days=3000)
_GONE = object()


@dataclass(frozen=True)
class Side:
    """One version: what it should tell, and what the product tells."""

    document: Document
    policy: Policy
    told: Mapping[Key, Told]
    shown: Mapping[Key, object]


class Scale:
    """One profile, against which its mutations are weighed."""

    def __init__(self, tree: Tree, content: PolicyFile, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._plans = {plan.id: plan.retention for plan in catalogue.plans.values()}
        self.base = self.side(tree, content)
        keys = list(dict.fromkeys(self._plans.values()))
        items = list(effects.items(self.base.document, keys, TURN))
        self._before = {item: effects.due_under(self.base.document, item) for item in items}
        self._one_of_each = list({item.category: item for item in items}.values())
        self._first = Policy("first", content.model_copy(update={"effective": _MUCH_EARLIER}))

    def side(self, tree: Tree, content: PolicyFile) -> Side:
        """Both views of a version. What is exact has to be the same, not only to change together."""
        document, policy = Document(tree), Policy("hash", content)
        exact = {**effects.terms(document, self._plans), **effects.uses(document)}
        asked = [key for key in exact if key[0] == "use"]
        found = {**observed.terms(policy, self._catalogue), **observed.uses(policy, asked)}
        assert found == exact, {key: (exact[key], found.get(key)) for key in exact if exact[key] != found.get(key)}
        told = {**pages.pages(document), **pages.record(document), **effects.asked(document)}
        shown = observed.published(policy, document) | observed.asked_of(policy)
        assert told.keys() == shown.keys(), told.keys() ^ shown.keys()
        return Side(document, policy, told | exact, shown | found)

    def changed(self, mutation: Mutation, content: PolicyFile) -> bool:
        """Whether a lawful change changes anything; where it does, what tells the value does, and nothing else.

        Raises:
            AssertionError: something changed that does not tell the value, or did not although it does.
        """
        new = self.side(mutation.tree, content)
        differences = sorted(set(differing(self.base.told, new.told)) ^ set(differing(self.base.shown, new.shown)))
        assert not differences, f"{mutation}: {differences[:5]}"
        moved = self._moved(mutation, new)
        return moved or self.base.told != new.told

    def _moved(self, mutation: Mutation, new: Side) -> bool:
        """Whether items near the turn get another deadline. Where a rule of keeping changed, also under other choices.

        Of a value that no deadline is made of, one item of each category tells as much as all of them.
        """
        items = list(self._before) if mutation.path[0] in _OF_DEADLINES else self._one_of_each
        unmoved = self._wanted(items, self.base.document, None)
        choices: list[OnPolicyChange | None] = [None]
        if mutation.path[0] == "data" and "keep" in mutation.path:
            choices += OnPolicyChange
        is_moved = False
        for choice in choices:
            book = PolicyBook((self._first, self._second(new, choice)))
            wanted = self._wanted(items, new.document, choice)
            for item, expected in zip(items, wanted, strict=True):
                due = observed.due(book, item, TURN)
                assert due == expected, f"{mutation}, {choice}: {item.name} of {item.category}: {due}, not {expected}"
                heard, hears = observed.told_at(new.policy, item, due), effects.told_at(new.document, item, expected)
                assert heard == hears, f"{mutation}: of {item.name} of {item.category} is told at {heard}, not {hears}"
            is_moved = is_moved or wanted != unmoved
        return is_moved

    def _wanted(self, items: Sequence[Item], new: Document, choice: str | None) -> list[Due]:
        return [effects.turned(self._before[item], new, item, TURN, choice) for item in items]

    def _second(self, new: Side, choice: OnPolicyChange | None) -> Policy:
        content = new.policy.content.model_copy(update={"version": 2, "effective": TURN})
        if choice is not None:
            rules = {name: rule.model_copy(update={"on_policy_change": choice}) for name, rule in content.data.items()}
            content = content.model_copy(update={"data": rules})
        return Policy("second", content)


def differing(old: Mapping[Key, object], new: Mapping[Key, object]) -> Iterator[Key]:
    """What one view has and the other has not, or has otherwise."""
    yield from (key for key, value in new.items() if old.get(key, _GONE) != value)
    yield from old.keys() - new.keys()
