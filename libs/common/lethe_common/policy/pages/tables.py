"""The tables of the pages, read from the policy."""

from collections.abc import Iterable
from functools import cache

from lethe_common.policy.duties import Rights
from lethe_common.policy.languages import Language
from lethe_common.policy.pages.content import Row, Table
from lethe_common.policy.pages.periods import kept
from lethe_common.policy.policy import Policy
from lethe_common.policy.rules import DataRule
from lethe_common.policy.wording import Wording
from lethe_common.policy.words import words_in

_CONTROLLER = ("name", "address", "country", "contact", "registry", "representative", "dpo", "authority")
_NONE = "—"


class Tables:
    """All tables of one policy in one language."""

    def __init__(self, policy: Policy, language: Language) -> None:
        self._policy, self._language = policy, language
        self._words, self._wording = words_in(language), Wording(language, policy.languages[0])
        self._claims = policy.claims
        # Most rows name some purposes and categories that others name as well.
        self._purpose = cache(self._purpose_of)

    def controller(self) -> Table:
        """Who answers, and where to complain."""
        stated = ((name, getattr(self._policy.content.controller, name)) for name in _CONTROLLER)
        rows = [
            self._row(f"controller.{name}", self._words(f"controller.{name}"), str(value))
            for name, value in stated
            if value
        ]
        return self._table(("what", "value"), rows)

    def purposes(self) -> Table:
        """Which data serve which purpose, on which ground."""
        rows = [
            self._row(
                f"data.{category}.uses", self.label(category, rule), self._purpose(use.purpose),
                self._joined(f"{law}: {self._ground(ground)}" for law, ground in use.basis.items()),
            )
            for category, rule in self._policy.content.data.items()
            for use in rule.uses
        ]  # fmt: skip
        return self._table(("data", "purpose", "ground"), rows)

    def periods(self) -> Table:
        """How long each category is kept, and how long before its end its owner hears of it."""
        rows = []
        for category, rule in self._policy.content.data.items():
            label = self.label(category, rule)
            rows.append(self._row(f"data.{category}.keep", label, kept(self._policy, category, self._wording)))
            if rule.notice is not None:
                told = self._words("keep.notice", period=self._wording.period(str(rule.notice)))
                rows.append(self._row(f"data.{category}.notice", label, told))
        return self._table(("data", "period"), rows)

    def rights(self) -> Table:
        """How soon each request is answered."""
        stated = ((name, getattr(self._policy.content.rights, name)) for name in Rights.model_fields)
        rows = [
            self._row(f"rights.{name}", self._words(f"right.{name}"), self._wording.of(str(value), is_genitive=True))
            for name, value in stated
            if value is not None
        ]
        return self._table(("right", "answer"), rows)

    def recipients(self) -> Table:
        """Everybody outside who receives data, and what is promised of them."""
        rows = [
            self._row(
                f"recipients.{one.id}", one.name, self._words(f"role.{one.role}"), one.country,
                ", ".join(self._purpose(purpose) for purpose in one.purposes),
                ", ".join(self.label(category, self._policy.rule(category)) for category in one.data) or _NONE,
                ", ".join(one.fields) or _NONE, one.transfer or _NONE,
                self._wording.of(one.contract_expires.isoformat()) if one.contract_expires else _NONE,
                self._words(f"deletion.{one.deletion}"), self._wording.of(str(one.retention)) if one.retention else _NONE,
                self._words("value.yes" if one.trains else "value.no"), one.policy_url or _NONE,
            )
            for one in self._policy.content.recipients
        ]  # fmt: skip
        names = ("name", "role", "country", "purposes", "data", "fields", "transfer", "contract", "deletion", "retention",
                 "trains", "policy")  # fmt: skip
        return self._table(names, rows)

    def cookies(self) -> Table:
        """Everything that is put into the browser."""
        rows = [
            self._row(
                f"cookies.{one.name}", one.name, self._wording.of(dict(one.text)) if one.text else self._purpose(one.purpose),
                self._words("value.yes" if one.is_essential else "value.no"), self._wording.of(str(one.lasts)),
                self._words(f"kind.{one.kind}"),
            )
            for one in self._policy.content.cookies
        ]  # fmt: skip
        return self._table(("name", "use", "essential", "lasts", "kind"), rows)

    def processing(self) -> Table:
        """The record of processing activities: one row a category (GDPR Art. 30(1))."""
        rows = [self._activity(category, rule) for category, rule in self._policy.content.data.items()]
        names = ("data", "term", "people", "origin", "purposes", "grounds", "recipients", "transfer", "period", "stores",
                 "security")  # fmt: skip
        return self._table(names, rows)

    def label(self, category: str, rule: DataRule) -> str:
        """What people call a category."""
        return self._wording.of(dict(rule.label)) if rule.label else category

    def _activity(self, category: str, rule: DataRule) -> Row:
        receiving = [one for one in self._policy.content.recipients if category in one.data]
        return self._row(
            f"data.{category}", self.label(category, rule), rule.dpv, self._words("people.users"),
            self._joined(self._words(f"origin.{origin}") for origin in rule.origin),
            self._joined(self._purpose(use.purpose) for use in rule.uses),
            self._joined(f"{law}: {self._ground(ground)}" for use in rule.uses for law, ground in use.basis.items()),
            self._joined(one.name for one in receiving),
            self._joined(f"{one.country}: {one.transfer}" for one in receiving if one.transfer),
            kept(self._policy, category, self._wording), self._joined(rule.stores), self._words(f"protect.{rule.protect}"),
        )  # fmt: skip

    def _joined(self, parts: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(parts)) or _NONE

    def _purpose_of(self, name: str) -> str:
        purpose = self._policy.content.purposes.get(name)
        return self._wording.of(dict(purpose.text)) if purpose else name

    def _ground(self, ground: str) -> str:
        return self._words(f"ground.{ground}") if f"ground.{ground}" in self._words else ground

    def _row(self, place: str, *cells: str) -> Row:
        return Row(self._claims.nearest(place), cells)

    def _table(self, names: tuple[str, ...], rows: list[Row]) -> Table:
        return Table(tuple(self._words(f"col.{name}") for name in names), tuple(rows))
