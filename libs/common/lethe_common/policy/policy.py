"""The policy in force: what every timer asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

from lethe_common.policy.claims import Claims
from lethe_common.policy.clauses import Clause
from lethe_common.policy.consistency import faults
from lethe_common.policy.deadlines import Held, due_by_plans
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.errors import NotYetInForce, UnknownCategory, UnknownPeriod, UnknownPlan
from lethe_common.policy.languages import Language
from lethe_common.policy.margins import margin_of, timer_of
from lethe_common.policy.references import values_of
from lethe_common.policy.rules import BY_COMPLETION, DataRule, Fact, Keep, OnPlanChange, OnPolicyChange
from lethe_common.policy.source import Reading, read_bytes, read_file

FILE_NAME = "policy.yaml"
PlanHeld = Held


@dataclass(frozen=True)
class Policy:
    """One version of a profile's policy. `hash` is the SHA-256 (hex) of its file."""

    hash: str
    content: PolicyFile

    @property
    def profile(self) -> str:
        """The profile's name."""
        return self.content.profile

    @property
    def version(self) -> int:
        """The number of this version."""
        return self.content.version

    @property
    def effective_at(self) -> datetime:
        """The instant from which it is in force.

        Raises:
            NotYetInForce: a draft without a readable date never is.
        """
        if isinstance(self.content.effective, datetime):
            return self.content.effective.astimezone(UTC)
        raise NotYetInForce("This policy states no date from which it is in force.")

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages of its pages, the first being the default."""
        return self.content.languages

    @property
    def categories(self) -> frozenset[str]:
        """Every category of data there is a rule for."""
        return frozenset(self.content.data)

    @property
    def plans(self) -> frozenset[str]:
        """Every plan (retention key) for which some category states a period."""
        return frozenset(plan for rule in self.content.data.values() for plan in rule.keep.exactly or ())

    @cached_property
    def clauses(self) -> Mapping[str, Clause]:
        """Its clauses by id, in the file's order."""
        return {clause.id: clause for clause in self.content.clauses}

    @cached_property
    def claims(self) -> Claims:
        """Which of its clauses speaks of which place."""
        return Claims(self.content.clauses)

    @cached_property
    def values(self) -> Mapping[str, object]:
        """All values that prose may refer to."""
        return values_of(self.content)

    def rule(self, category: str) -> DataRule:
        """All that is said about a category.

        Raises:
            UnknownCategory: nothing is said.
        """
        try:
            return self.content.data[category]
        except KeyError as error:
            raise UnknownCategory("The policy has no rule for this category.") from error

    def keep(self, category: str) -> Keep:
        """How long a category is kept; what is kept with another category answers that one's period."""
        keep = self.rule(category).keep
        return keep if keep.with_category is None else self.rule(keep.with_category).keep

    def grace(self, category: str) -> timedelta:
        """How much later than its deadline something may at most be gone."""
        return self.rule(category).grace

    def period(self, category: str, plan: str) -> timedelta:
        """How long a category is kept on a plan, from its event.

        Raises:
            UnknownPlan: the category's periods do not name the plan.
            UnknownPeriod: the category states neither an exact nor a longest period.
        """
        keep = self.keep(category)
        if keep.exactly is not None:
            try:
                return keep.exactly[plan]
            except KeyError as error:
                raise UnknownPlan("The policy states no period for this plan.") from error
        if keep.at_most is None:
            raise UnknownPeriod("The policy states no exact and no longest period for this category.")
        return keep.at_most

    def timer(self, category: str, plan: str) -> timedelta:
        """After how long from its event removal begins: an exact period itself, of a longest one what its margin leaves.

        Raises:
            UnknownPlan, UnknownPeriod: as `period`.
        """
        kept = self.rule(self.rule(category).keep.with_category or category)
        promised, inside = self.period(category, plan), timer_of(self.content, kept)
        if kept.keep.exactly is not None or inside is None:
            return promised
        return max(inside, timedelta(0))

    def counted_as(self, category: str, plan: str) -> str:
        """The plan by whose period a plan that was held counts: itself, or where none is stated for it the one kept longest.

        A plan may leave the catalogue, and then a version. Its owner was promised one of the periods, and nobody knows
        any more which one: by the longest nothing goes earlier than promised.
        """
        exactly = self.keep(category).exactly
        return plan if exactly is None or plan in exactly else max(exactly, key=exactly.__getitem__)

    def shortest_timer(self, store: str) -> timedelta | None:
        """After how long what lies in a store and goes as a whole (a log) has to go: the least of its categories' timers.

        A line of a log is as old as a visit, so it goes no later than `inactive` after the last one.
        """
        rules = [rule for rule in self.content.data.values() if store in rule.stores]
        timers = [timer_of(self.content, rule) for rule in rules]
        timers += [
            one.keep.inactive - margin_of(self.content, one).length for one in rules if one.keep.inactive is not None
        ]
        return min((max(timer, timedelta(0)) for timer in timers if timer is not None), default=None)

    @property
    def inactive(self) -> timedelta | None:
        """After how long without any contact somebody's account ends, and all that was promised to end so; None: never."""
        rules = (rule for rule in self.content.data.values() if rule.ends_with_account)
        return min((rule.keep.inactive for rule in rules if rule.keep.inactive is not None), default=None)

    def unreadable_by(self, deleted_at: datetime) -> datetime:
        """When nothing that is left of what is deleted at an instant opens with any key that is left: the horizon.

        At the latest: by then a rotation has come, the key backups of before it are gone, and its keys are destroyed.
        """
        return deleted_at + self.content.forgetting.horizon

    def starts_with(self, category: str) -> Fact:
        """The event from which a category's period counts: nothing kept `until` an event is due before that event."""
        keep = self.keep(category)
        return keep.until or keep.from_event

    def is_clocked(self, category: str) -> bool:
        """Whether a clock runs for the data of a generation from its end on; if not, something has to be asked first."""
        return self.starts_with(category) in BY_COMPLETION

    def deadline(self, category: str, plans_held: Sequence[PlanHeld], started_at: datetime) -> datetime:
        """When an item's removal begins, given all plans its owner ever had, in any order.

        `started_at` is when the event happened that `starts_with` names.

        Raises:
            ValueError: no plan was held at all.
        """
        counted = [(self.counted_as(category, plan), since) for plan, since in plans_held]
        return due_by_plans(self.on_plan_change(category), partial(self.timer, category), counted, started_at)

    def notice_at(self, category: str, started_at: datetime, due_at: datetime | None) -> datetime | None:
        """When the owner of an item is told that it goes. Of what is kept no longer than the lead nobody is: it would be at once."""
        lead = self.rule(self.rule(category).keep.with_category or category).notice
        if lead is None or due_at is None or due_at - lead <= started_at:
            return None
        return due_at - lead

    def on_plan_change(self, category: str) -> OnPlanChange:
        """Which plan's period counts; what is kept with another category follows that one."""
        return self.rule(self.rule(category).keep.with_category or category).on_plan_change

    def on_policy_change(self, category: str) -> OnPolicyChange:
        """Which version's period counts; what is kept with another category follows that one."""
        return self.rule(self.rule(category).keep.with_category or category).on_policy_change


def load_policy(folder: Path) -> Policy:
    """Read `policy.yaml` of a profile's folder.

    Raises:
        PolicyError: it cannot be read or does not hold together; the message names the line.
    """
    return load_version(folder / FILE_NAME)


def load_version(file: Path) -> Policy:
    """Read one version of a policy.

    Raises:
        PolicyError: it cannot be read or does not hold together; the message names the line.
    """
    return _whole(read_file(file, PolicyFile))


def parse_version(name: str, raw: bytes) -> Policy:
    """The same for a file's bytes that came from elsewhere.

    Raises:
        PolicyError: as `load_version`.
    """
    return _whole(read_bytes(name, raw, PolicyFile))


def _whole(reading: Reading[PolicyFile]) -> Policy:
    found = faults(reading.content)
    if found:
        raise reading.error(found)
    return Policy(reading.hash, reading.content)
