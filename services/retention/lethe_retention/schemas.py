"""How rows and values become answers and facts. What goes in is defined in `lethe_common.rpc`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import asyncpg

from lethe_common.events.envelope import ITEMS_MOST
from lethe_common.events.retention import LegalHoldLifted, LegalHoldPlaced, NoticeDue
from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.policy import Policy
from lethe_common.rpc.legal_holds import LegalHold, LegalHoldStep
from lethe_common.rpc.retention import (
    CalendarItem,
    DeadlineSummaryAnswer,
    KeepRule,
    OverdueCount,
    OverdueItem,
    OverdueListAnswer,
)
from lethe_common.rpc.simulation import Going, SimulatedCount
from lethe_retention.deadlines import Rule
from lethe_retention.legal_holds import Hold
from lethe_retention.overdue import Overdue
from lethe_retention.simulation import Key, Tally


def summary(row: asyncpg.Record) -> DeadlineSummaryAnswer:
    """The calendar in six numbers."""
    return DeadlineSummaryAnswer(
        open=row["open"],
        due=row["due"],
        removed=row["removed"],
        overdue=row["overdue"],
        held=row["held"],
        next_due_at=row["next_due_at"],
    )


def overdue(counts: Overdue, rows: Sequence[asyncpg.Record]) -> OverdueListAnswer:
    """What should have gone."""
    return OverdueListAnswer(
        counts=tuple(
            OverdueCount(category=category, age=age, count=count) for (category, age), count in sorted(counts.items())
        ),
        items=tuple(
            OverdueItem(
                generation_id=GenerationId.trusted(row["item_id"]),
                category=row["category"],
                due_at=row["due_at"],
                state=row["state"],
                late_seconds=int(row["late"].total_seconds()),
            )
            for row in rows
        ),
    )


def item(row: asyncpg.Record, rule: Rule) -> CalendarItem:
    """An item as its owner sees it."""
    return CalendarItem(
        generation_id=GenerationId.trusted(row["item_id"]),
        category=row["category"],
        started_at=row["started_at"],
        due_at=row["due_at"],
        state=row["state"],
        is_held=row["is_held"],
        stored_bytes=row["stored_bytes"],
        rule=KeepRule(
            from_event=rule.from_event,
            plan=rule.plan,
            period_seconds=None if rule.period is None else int(rule.period.total_seconds()),
            on_plan_change=rule.on_plan_change,
        ),
    )


def simulated(tallies: Mapping[Key, Tally], policy: Policy) -> tuple[SimulatedCount, ...]:
    """What a simulation counted under this version: in the order of categories and plans, what is held last."""
    in_order = sorted(tallies.items(), key=lambda one: (one[0][0], one[0][2], one[0][1] or ""))
    return tuple(_simulated(key, tally, policy) for key, tally in in_order)


def _simulated(key: Key, tally: Tally, policy: Policy) -> SimulatedCount:
    category, plan, is_held = key
    moves = tally.moves
    return SimulatedCount(
        category=category,
        plan=plan,
        is_held=is_held,
        on_policy_change=policy.on_policy_change(category) if category in policy.categories else "",
        open=sum(moves.values()),
        passed=moves.get("passed", 0),
        same=moves.get("same", 0),
        earlier=moves.get("earlier", 0),
        later=moves.get("later", 0),
        gained=moves.get("gained", 0),
        lost=moves.get("lost", 0),
        kept=tally.kept,
        as_is=_going(tally.as_is),
        simulated=_going(tally.simulated),
        oldest_at=tally.oldest_at,
        newest_at=tally.newest_at,
    )


def _going(counts: Sequence[int]) -> Going:
    at_once, day, week, month = counts
    return Going(at_once=at_once, day=day, week=week, month=month)


def legal_hold(hold: Hold, waiting: int) -> LegalHold:
    """A hold as operators see it."""
    return LegalHold(
        hold_id=hold.hold_id,
        state=hold.state,
        subject_ref=hold.subject_ref,
        generation_id=hold.item_id,
        reason=hold.reason,
        ends_at=hold.ends_at,
        waiting=waiting,
        steps=tuple(LegalHoldStep(step=done.step, operator=done.operator, at=done.at) for done in hold.steps),
    )


def placed(hold: Hold, subject_ref: SubjectRef, at: datetime) -> LegalHoldPlaced:
    """What is told of a hold that is in force now."""
    return LegalHoldPlaced(
        hold_id=hold.hold_id, subject_ref=subject_ref, generation_id=hold.item_id, placed_at=at, ends_at=hold.ends_at
    )


def lifted(
    hold_id: LegalHoldId, subject_ref: SubjectRef, item_id: GenerationId | None, at: datetime
) -> LegalHoldLifted:
    """What is told of a hold that is over."""
    return LegalHoldLifted(hold_id=hold_id, subject_ref=subject_ref, generation_id=item_id, lifted_at=at)


def notices(rows: Sequence[asyncpg.Record]) -> Iterator[NoticeDue]:
    """What is told of items that go soon: one event a subject, or more where it has very many."""
    items: dict[str, list[NoticeDue.Item]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["due_at"], row["item_id"])):
        one = NoticeDue.Item(generation_id=GenerationId.trusted(row["item_id"]), due_at=row["due_at"])
        items[row["subject_ref"]].append(one)
    for subject_ref, all_of_it in items.items():
        for start in range(0, len(all_of_it), ITEMS_MOST):
            part = tuple(all_of_it[start : start + ITEMS_MOST])
            yield NoticeDue(subject_ref=SubjectRef.trusted(subject_ref), items=part)
