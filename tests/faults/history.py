"""A random life on the virtual clock: orders, plans, deletions, an account that closes, and programs that die.

The same seed gives the same deeds in the same order at the same policy times. What
the machine does meanwhile (how far a program got before it died) is its own.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO

import httpx2
from isodate import duration_isoformat

from lethe_cli.local.clock import advance
from lethe_common.clock import monotonic_seconds
from tests.faults import client
from tests.faults.almanac import DAY, DAYS, HOUR, VIDEO_GRACE, Plans, due_at
from tests.faults.verifier import NOTHING, look, look_at_upload
from tests.flows.outside import store
from tests.suite import Account, RunningSuite, answered, until

MOMENTS = 12
PATIENCE_SECONDS = 60.0
_STEPS = (7 * HOUR, DAY, 2 * DAY, 3 * DAY, 5 * DAY)
_LATE_FAULTS = 0.12
_KILLED = ("retention", "jobs", "nats")
_RUN = """
    SELECT g.upload_id, r.object_prefix, u.object_key
      FROM gateway.generations g
      JOIN jobs.runs r ON r.generation_id = g.generation_id
      LEFT JOIN gateway.uploads u ON u.upload_id = g.upload_id
     WHERE g.generation_id = $1
"""
_DONE = "SELECT completed_at FROM gateway.generations WHERE generation_id = $1 AND state = 'completed'"

_HOW_FAR = {"retention.deadlines": "item_id", "jobs.removals": "generation_id"}


@dataclass(slots=True)
class Person:
    """An account, the plans it had, and its connection."""

    account: Account
    plans: Plans
    http: httpx2.Client


@dataclass(slots=True)
class Item:
    """A video, and what the history knows of it. All times in whole seconds of policy time."""

    owner: Person
    video_id: str
    ordered_at: int
    has_picture: bool
    completed_at: int | None = None
    digest: str = ""
    prefix: str = ""
    upload_id: str | None = None
    upload_prefix: str = ""
    ended_at: int | None = None
    """When its owner deleted it or closed the account."""
    is_gone: bool = False

    @property
    def due(self) -> int | None:
        """The end of its time by the almanac; None while that is not known."""
        return None if self.completed_at is None else due_at(self.completed_at, self.owner.plans.held)

    @property
    def last(self) -> int | None:
        """By when nothing of it may be left."""
        end = self.due if self.ended_at is None else self.ended_at
        return None if end is None else end + VIDEO_GRACE


@dataclass(slots=True)
class Tally:
    """How much was looked at."""

    served: int = 0
    refused: int = 0
    gone: int = 0
    deeds: dict[str, int] = field(default_factory=dict)

    def did(self, deed: str) -> None:
        """Count a deed."""
        self.deeds[deed] = self.deeds.get(deed, 0) + 1


class History:
    """Lives a life and looks at every boundary on the way."""

    def __init__(self, suite: RunningSuite, seed: int) -> None:
        self.suite, self.random = suite, random.Random(seed)  # noqa: S311  a history, no secret
        self.tally = Tally()
        self.items: list[Item] = []
        self.claims: dict[str, int] = {}
        """Erasures asked for: their claims, and when."""
        self.now = whole_second(suite)
        self.people = [self._join(plan) for plan in DAYS]
        self._leaver = self._join("free")
        self._faults = self._deck()

    def live(self) -> None:
        """Moments with deeds, then on from boundary to boundary until nothing is left."""
        for person in (*self.people, self._leaver):
            self._order(person)
        leaves_at = self.random.randrange(MOMENTS // 2, MOMENTS)
        for moment in range(MOMENTS):
            fault = self._faults[moment]
            is_during_deeds = self.random.random() < 0.5
            with self._dying(fault if is_during_deeds else None):
                self._deeds()
                if moment == leaves_at:
                    self._close(self._leaver)
            self._note_completions(self.now)
            self._move(
                min(self.now + self.random.choice(_STEPS), self._next_boundary()), None if is_during_deeds else fault
            )
            self._look()
        self._note_completions(None)
        while any(not item.is_gone for item in self.items):
            fault = self.random.choice(_KILLED) if self.random.random() < _LATE_FAULTS else None
            self._move(self._next_boundary(), fault)
            self._look()
        self._certificates_came()

    def close(self) -> None:
        """Let go of all connections."""
        for person in (*self.people, self._leaver):
            person.http.close()

    def _join(self, plan: str) -> Person:
        account = self.suite.open_account()
        plans = Plans([(self.now, "free")])
        self._tick()
        if plan != "free":
            client.put_on(self.suite, account, plan)
            plans.change(self.now, plan)
        return Person(account, plans, account.http())

    def _tick(self) -> None:
        """No two plans begin in the same second."""
        self._move(self.now + 1, None)

    def _deck(self) -> list[str | None]:
        """Each program dies at least once, at a random moment."""
        more: list[str | None] = [self.random.choice(_KILLED) for _ in range(2)]
        deck = [*_KILLED, *more, *[None] * (MOMENTS - len(_KILLED) - len(more))]
        self.random.shuffle(deck)
        return deck

    @contextmanager
    def _dying(self, program: str | None) -> Iterator[None]:
        """Kill a program some tenths of a second into what is done meanwhile, and see it serve again."""
        if program is None:
            yield
            return
        self.tally.did(f"kill {program}")
        timer = threading.Timer(self.random.uniform(0.0, 0.6), self.suite.kill, [program])
        timer.start()
        try:
            yield
        finally:
            timer.join()
            self.suite.wait_for(program)

    def _deeds(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            deed: Callable[[Person], None] = self.random.choices(
                [self._order, self._change_plan, self._delete], [4, 5, 1]
            )[0]
            deed(self.random.choice(self.people))

    def _order(self, person: Person) -> None:
        has_picture, times = self.random.random() < 0.3, self.random.choice([1, 1, 2, 3])
        video_id = client.order(person.http, has_picture=has_picture, times=times)
        self.items.append(Item(person, video_id, self.now, has_picture))
        self.tally.did("order" if times == 1 else "order repeated")

    def _change_plan(self, person: Person) -> None:
        plan = self.random.choice([plan for plan in DAYS if plan != person.plans.current])
        if person.plans.held[-1][0] == self.now:
            return
        self.tally.did("upgrade" if DAYS[plan] > DAYS[person.plans.current] else "downgrade")
        client.put_on(self.suite, person.account, plan)
        person.plans.change(self.now, plan)

    def _delete(self, person: Person) -> None:
        mine = [item for item in self._there() if item.owner is person and item.completed_at is not None]
        if not mine:
            return
        item = self.random.choice(mine)
        client.insist(lambda: person.http.delete(f"/v1/videos/{item.video_id}"))
        item.ended_at = self.now
        self.tally.did("delete")

    def _close(self, person: Person) -> None:
        answer = client.insist(lambda: person.http.delete("/v1/account"))
        # An erasure that began before its answer was lost shuts the key out: then there is no claim to hold on to.
        if answer.is_success:
            self.claims[answer.json()["claim"]] = self.now
        for item in self.items:
            if item.owner is person and item.ended_at is None:
                item.ended_at = self.now
        self.tally.did("close account")

    def _there(self) -> list[Item]:
        return [item for item in self.items if item.ended_at is None and not item.is_gone]

    def _note_completions(self, before: int | None) -> None:
        """Wait for what was ordered before an instant; the rest may go on over the next move."""
        for item in self._there():
            if item.completed_at is None and (before is None or item.ordered_at < before):
                self._note_completion(item)

    def _note_completion(self, item: Item) -> None:
        def look_up() -> datetime | None:
            rows = self.suite.look(_DONE, item.video_id)
            return rows[0]["completed_at"] if rows else None

        completed: datetime = until(look_up, "a video to complete", PATIENCE_SECONDS)
        item.completed_at = round(completed.timestamp())
        assert item.ordered_at <= item.completed_at <= self.now
        (run,) = self.suite.look(_RUN, item.video_id)
        item.prefix, item.upload_id = run["object_prefix"], run["upload_id"]
        assert (item.upload_id is not None) == item.has_picture
        item.digest = client.digest_of_content(item.owner.http, item.video_id)
        leave_remains(self.suite, item.prefix)

    def _next_boundary(self) -> int:
        """The next second at which something is looked at: one before a deadline, the deadline, all of the grace after it."""
        seconds = {
            second
            for item in self.items
            if not item.is_gone and item.due is not None
            for second in ((item.due - 1, item.due, item.due + VIDEO_GRACE) if item.ended_at is None else (item.last,))
            if second is not None and second > self.now
        }
        ended = {item.last for item in self.items if item.ended_at is not None and not item.is_gone} - {None}
        return min((second for second in seconds | ended if second and second > self.now), default=self.now + DAY)

    def _move(self, to: int, fault: str | None) -> None:
        with self._dying(fault):
            move(self.suite, to - self.now)
        self.now = to
        assert round(self.suite.policy_unix()) == to

    def _look(self) -> None:
        """At every item for which this second is a boundary."""
        for item in self.items:
            if item.is_gone or (item.due is None and item.ended_at is None):
                continue
            if item.ended_at is None and item.due is not None and self.now < item.due:
                if self.now == item.due - 1:
                    self._is_served(item)
            elif item.last is not None and self.now >= item.last:
                self._is_gone(item)
            elif item.ended_at is None:
                assert client.shown(item.owner.http, item.video_id) is None
                self.tally.refused += 1

    def _is_served(self, item: Item) -> None:
        """One second before its deadline: shown with that deadline, downloaded whole, and all of it seen by the verifier."""

        def is_dated() -> bool:
            # A better plan that was heard of late serves again what was refused meanwhile (decision 59).
            video = client.shown(item.owner.http, item.video_id)
            return video is not None and bool(video["expires_at"] == item.due)

        until(is_dated, f"the deadline of the almanac: {self._story(item)}", PATIENCE_SECONDS)
        assert client.digest_of_content(item.owner.http, item.video_id) == item.digest, self._story(item)
        seen = look(self.suite, item.video_id, item.prefix)
        assert (seen.runs, seen.generations, seen.keys) == (1, 1, 1), seen
        assert min(seen.assets, seen.versions - 2, seen.markers, seen.multiparts) >= 1, seen
        self.tally.served += 1

    def _is_gone(self, item: Item) -> None:
        """All of the grace after the end: nothing is left, by the verifier's own look."""

        give_up_at = monotonic_seconds() + PATIENCE_SECONDS
        while (left := look(self.suite, item.video_id, item.prefix or "outputs/none/")) != NOTHING:
            assert monotonic_seconds() < give_up_at, f"{left} of {self._story(item)}{self._steps(item)}"
            time.sleep(0.1)
        if item.upload_id is not None:
            prefix = item.upload_prefix or "upload.image/none/"
            assert look_at_upload(self.suite, item.video_id, item.upload_id, prefix) == NOTHING
        item.is_gone = True
        self.tally.gone += 1

    def _certificates_came(self) -> None:
        with self.suite.anonymous() as http:
            for claim in self.claims:
                status = answered(http.post("/v1/erasures/status", json={"claim": claim}))
                assert status["certificate"], status

    def _steps(self, item: Item) -> str:
        """How far each service is with the removal."""
        rows = {
            name: self.suite.look(f"SELECT * FROM {name} WHERE {column} = $1", item.video_id)
            for name, column in _HOW_FAR.items()
        }
        return "".join(f"\n{name}: {row}" for name, found in rows.items() for row in found)

    def _story(self, item: Item) -> str:
        """What the almanac thinks of an item, for the reader of a failed test."""

        def day(second: int | None) -> str:
            return "never" if second is None else datetime.fromtimestamp(second, UTC).isoformat()

        plans = ", ".join(f"{plan} from {day(since)}" for since, plan in item.owner.plans.held)
        return (
            f"{item.video_id} ordered {day(item.ordered_at)}, completed {day(item.completed_at)}, ended by its owner "
            f"{day(item.ended_at)}, due {day(item.due)}, now {day(self.now)}; plans: {plans}"
        )


def move(suite: RunningSuite, seconds: int) -> None:
    """Move policy time, as `lethe clock advance` does; returns when every service has done what was due."""
    advance(suite.data, duration_isoformat(timedelta(seconds=seconds)))


def whole_second(suite: RunningSuite) -> int:
    """Move to the next whole second of policy time, and return it."""
    now = suite.policy_unix()
    advance(suite.data, duration_isoformat(timedelta(seconds=int(now) + 1) - timedelta(seconds=now)))
    return round(suite.policy_unix())


def leave_remains(suite: RunningSuite, prefix: str) -> None:
    """What a writer that died leaves beside a video: two versions, a delete marker and an unfinished multipart upload."""
    admin, bucket, key = store(suite), suite.runtime.s3_bucket, f"{prefix}left-video"
    for content in (b"first", b"second"):
        admin.put_object(bucket, key, BytesIO(content), len(content))
    admin.remove_object(bucket, key)
    part = bytes(5 * 1024**2)
    upload_id = admin._create_multipart_upload(bucket, f"{key}.part", {})
    admin._upload_part(bucket, f"{key}.part", part, None, upload_id, 1)
