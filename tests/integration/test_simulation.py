"""What a simulation foretells is what happens when the version takes effect, for whatever is kept by whomever."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lethe_common.identifiers import GenerationId, LegalHoldId, SubjectRef
from lethe_common.policy import load_profile
from lethe_common.rpc.simulation import SimulationAnswer, SimulationQuestion
from lethe_common.services import Service
from lethe_retention.deadlines import CATEGORY, Timetable
from lethe_retention.endpoints.simulation import Simulations
from lethe_retention.errors import PlanUnstated, PolicyMisplaced, PolicyUnreadable
from tests.integration.keepers import Keepers, opened_keepers
from tests.servers import RunningServers
from tests.unit.common.policy_files import in_two_versions

EFFECTIVE = datetime(2026, 12, 5, tzinfo=UTC)
PLANS = ("free", "basic", "standard", "pro")
SUBJECTS, ITEMS = 40, 600
FUTURES = [
    [("free: P7D", "free: P8D")],
    [("free: P7D", "free: P3D"), ("on_policy_change: longest", "on_policy_change: new")],
    [("basic: P30D", "basic: P2D"), ("on_policy_change: longest", "on_policy_change: at_creation")],
    [("on_plan_change: longest", "on_plan_change: current"), ("on_policy_change: longest", "on_policy_change: new")],
    [("keep: {from: completed, exactly:", "keep: {until: deleted_by_user, exactly:")],
]
AHEAD = {"at_once": 0, "day": 1, "week": 7, "month": 30}
Opened = Callable[..., AbstractAsyncContextManager[Keepers]]


@pytest.fixture
def opened(servers: RunningServers, tmp_path: Path) -> Opened:
    """Retention on a policy with a second version, changed so, and nothing kept yet."""

    @asynccontextmanager
    async def keepers(*replacements: tuple[str, str], withdrawn: str = "") -> AsyncIterator[Keepers]:
        folder = in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), *replacements)
        catalogue = (folder / "catalogue.yaml").read_text().splitlines(keepends=True)
        offered = (line for line in catalogue if not withdrawn or f"id: {withdrawn}," not in line)
        (folder / "catalogue.yaml").write_text("".join(offered))
        async with opened_keepers(servers, folder) as retention:
            await _cleared(retention)
            yield retention
            await _cleared(retention)

    return keepers


async def _cleared(keepers: Keepers) -> None:
    await keepers.outside.execute(
        "TRUNCATE retention.deadlines, retention.plans_held, retention.legal_hold_steps, retention.legal_holds"
    )


async def _populate(keepers: Keepers, dice: random.Random) -> None:
    """Owners who changed plans at any time, and items that began at any time, many right at a boundary; some are held."""
    now = keepers.clock.now()
    subjects = [SubjectRef.new() for _ in range(SUBJECTS)]
    edges = [*(EFFECTIVE - timedelta(days=days) for days in (0, 2, 3, 7, 8, 30)), now]
    for subject in subjects[1:]:
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            since = dice.choice((*edges, now - timedelta(days=dice.uniform(0, 100))))
            await keepers.outside.execute(
                "INSERT INTO retention.plans_held VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                subject,
                min(since, now),
                dice.choice(PLANS),
            )
    for _ in range(ITEMS):
        started_at = min(
            now,
            dice.choice((*edges, now - timedelta(days=dice.uniform(0, 90))))
            + timedelta(microseconds=dice.choice((-1, 0, 1))),
        )
        await keepers.outside.execute(
            "INSERT INTO retention.deadlines (item_id, subject_ref, category, started_at, due_at) VALUES ($1, $2, $3, $4, $4)",
            GenerationId.new(),
            dice.choice(subjects),
            CATEGORY,
            started_at,
        )
    await keepers.versions.apply(now)
    await keepers.sweeps.tell_due(now)
    items = await keepers.outside.fetch("SELECT item_id, subject_ref FROM retention.deadlines WHERE state = 'open'")
    for item_id, subject in dice.sample(items, 20):
        await _held(keepers, subject, item_id)
    await _held(keepers, subjects[2], None)


async def _held(keepers: Keepers, subject: str, item_id: str | None) -> None:
    await keepers.outside.execute(
        "INSERT INTO retention.legal_holds VALUES ($1, $2, $3, 'in_force', 'A court, 1/26', NULL)",
        LegalHoldId.new(),
        subject,
        item_id,
    )


async def _simulated(keepers: Keepers, simulations: Simulations | None = None) -> SimulationAnswer:
    text = (keepers.profile / "policy-2.yaml").read_text()
    return await (simulations or keepers.simulations).simulate(SimulationQuestion(policy=text), Service.GATEWAY)


async def _open(keepers: Keepers) -> dict[str, Any]:
    rows = await keepers.outside.fetch(
        "SELECT d.item_id, d.due_at, h.hold_id IS NOT NULL AS is_held,"
        " (SELECT plan FROM retention.plans_held p WHERE p.subject_ref = d.subject_ref ORDER BY since DESC LIMIT 1) AS plan"
        " FROM retention.deadlines d LEFT JOIN retention.legal_holds h"
        " ON h.subject_ref = d.subject_ref AND (h.item_id IS NULL OR h.item_id = d.item_id)"
        " WHERE d.state = 'open'"
    )
    return {row["item_id"]: row for row in rows}


def _seen(before: dict[str, Any], after: dict[str, Any]) -> Counter[tuple[str | None, bool, str]]:
    """By plan and whether it is held, what happened to each item."""
    found: Counter[tuple[str | None, bool, str]] = Counter()
    for item_id, was in before.items():
        key, ends = (was["plan"] or "free", was["is_held"]), (was["due_at"], after[item_id]["due_at"])
        found[(*key, "open")] += 1
        found[(*key, _move(*ends))] += 1
        if not _is_by(ends[0], EFFECTIVE):
            for name, days in AHEAD.items():
                found[(*key, f"as_is.{name}")] += _is_by(ends[0], EFFECTIVE + timedelta(days=days))
                found[(*key, f"simulated.{name}")] += _is_by(ends[1], EFFECTIVE + timedelta(days=days))
    return +found


def _is_by(end: datetime | None, at: datetime) -> bool:
    return end is not None and end <= at


def _move(before: datetime | None, after: datetime | None) -> str:
    if _is_by(before, EFFECTIVE):
        return "passed"
    if before == after:
        return "same"
    if before is None or after is None:
        return "lost" if after is None else "gained"
    return "earlier" if after < before else "later"


def _foretold(answer: SimulationAnswer) -> Counter[tuple[str | None, bool, str]]:
    found: Counter[tuple[str | None, bool, str]] = Counter()
    for count in answer.counts:
        key = (count.plan, count.is_held)
        for name in ("open", "passed", "same", "earlier", "later", "gained", "lost"):
            found[(*key, name)] += getattr(count, name)
        for name in AHEAD:
            found[(*key, f"as_is.{name}")] += getattr(count.as_is, name)
            found[(*key, f"simulated.{name}")] += getattr(count.simulated, name)
    return +found


@pytest.mark.parametrize(
    ("future", "withdrawn"), [*((future, "") for future in range(len(FUTURES))), (1, "basic"), (2, "basic"), (1, "pro")]
)
async def test_each_count_is_what_happens_when_the_version_takes_effect(
    opened: Opened, future: int, withdrawn: str
) -> None:
    async with opened(*FUTURES[future], withdrawn=withdrawn) as keepers:
        await _populate(keepers, random.Random(future))  # noqa: S311  dice, no secret
        before = await _open(keepers)
        answer = await _simulated(keepers)
        assert answer.takes_effect_at == EFFECTIVE
        assert (await _open(keepers)) == before

        keepers.clock.advance(seconds=(EFFECTIVE - keepers.clock.now()).total_seconds())
        await keepers.versions.apply(EFFECTIVE)
        after = await _open(keepers)
        assert _foretold(answer) == _seen(before, after)

        await keepers.sweeps.tell_due(EFFECTIVE)
        gone = len(before) - len(await _open(keepers))
        free = [count for count in answer.counts if not count.is_held]
        assert gone == sum(count.passed + count.simulated.at_once for count in free)
        assert sum(count.open for count in answer.counts if count.is_held) > 0


async def test_two_items_of_a_withdrawn_plan_on_either_side_of_an_instant_are_told_apart(opened: Opened) -> None:
    shorter = ("pro: P90D", "pro: P20D"), ("on_policy_change: longest", "on_policy_change: new")
    async with opened(*shorter, withdrawn="pro") as keepers:
        subject, hour = SubjectRef.new(), timedelta(hours=1)
        await keepers.plan(subject, "pro", since=EFFECTIVE - timedelta(days=100))
        for started_at in (EFFECTIVE - timedelta(days=20) - hour, EFFECTIVE - timedelta(days=20) + hour):
            await keepers.outside.execute(
                "INSERT INTO retention.deadlines (item_id, subject_ref, category, started_at, due_at)"
                " VALUES ($1, $2, $3, $4, $5)",
                *(GenerationId.new(), subject, CATEGORY, started_at, started_at + timedelta(days=90)),
            )

        (count,) = (await _simulated(keepers)).counts

        assert (count.open, count.earlier, count.simulated.at_once, count.simulated.day) == (2, 2, 1, 2)


async def test_a_version_that_is_not_in_the_folder_yet_counts_as_if_it_were(opened: Opened, tmp_path: Path) -> None:
    async with opened(*FUTURES[1]) as keepers:
        await _populate(keepers, random.Random(7))  # noqa: S311  dice, no secret
        (tmp_path / "first").mkdir()
        for name in ("policy.yaml", "catalogue.yaml"):
            (tmp_path / "first" / name).write_bytes((keepers.profile / name).read_bytes())
        first = load_profile(tmp_path / "first")
        alone = Simulations(keepers.database, first.book, first.catalogue, keepers.clock)

        assert await _simulated(keepers, alone) == await _simulated(keepers)


async def test_a_version_whose_instant_has_passed_takes_effect_now(opened: Opened) -> None:
    async with opened(*FUTURES[1]) as keepers:
        timetable = Timetable(keepers.book, load_profile(keepers.profile).catalogue)
        subject = await keepers.subject()
        keepers.clock.advance(seconds=(EFFECTIVE + timedelta(days=1) - keepers.clock.now()).total_seconds())
        simulations = Simulations(
            keepers.database, keepers.book.without(2), load_profile(keepers.profile).catalogue, keepers.clock
        )
        await keepers.outside.execute(
            "INSERT INTO retention.deadlines (item_id, subject_ref, category, started_at, due_at) VALUES ($1, $2, $3, $4, $5)",
            GenerationId.new(),
            subject,
            CATEGORY,
            EFFECTIVE - timedelta(days=5),
            EFFECTIVE + timedelta(days=2),
        )

        (count,) = (await _simulated(keepers, simulations)).counts

        plans = [("free", EFFECTIVE - timedelta(days=9))]
        due_at = timetable.due_at(CATEGORY, EFFECTIVE - timedelta(days=5), plans, keepers.clock.now())
        assert due_at == EFFECTIVE
        assert (count.plan, count.earlier, count.simulated.at_once, count.as_is.day) == ("free", 1, 1, 1)


async def test_a_category_that_is_no_more_keeps_its_items_where_they_are(opened: Opened) -> None:
    async with opened(*FUTURES[1]) as keepers:
        subject = await keepers.subject()
        await keepers.completed(subject)
        await keepers.outside.execute("UPDATE retention.deadlines SET category = 'output.no_more'")

        (count,) = (await _simulated(keepers)).counts

        assert (count.plan, count.open, count.same, count.kept) == (None, 1, 1, 1)


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ([("version: 2\n", "version: 1\n")], PolicyMisplaced),
        ([("profile: aisora2\n", "profile: other\n")], PolicyMisplaced),
        ([("pro: P90D}", "gold: P90D}"), ("exactly.pro}", "exactly.gold}")], PlanUnstated),
        ([("rights: {access:", "rights: {acess:")], PolicyUnreadable),
    ],
)
async def test_what_could_not_become_the_next_version_is_refused(
    opened: Opened, changed: list[tuple[str, str]], refusal: type[Exception]
) -> None:
    async with opened() as keepers:
        file = keepers.profile / "policy-2.yaml"
        for old, new in changed:
            assert old in file.read_text()
            file.write_text(file.read_text().replace(old, new))

        with pytest.raises(refusal):
            await _simulated(keepers)
