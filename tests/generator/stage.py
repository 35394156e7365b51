"""A running suite of two gateways and two retentions, with items near the versions' instants, looked at from outside."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import Any

import httpx2

from lethe_cli.local import clock
from lethe_cli.local.ports import LOOPBACK
from tests import plain
from tests.flows.steps import made
from tests.generator import expected_effects as effects
from tests.generator.expected_effects import Due, Item
from tests.generator.reading import Document
from tests.suite import Account, RunningSuite, answered, until

REPLICAS = ("--replicas", "gateway=2", "--replicas", "retention=2")
PUBLIC = {
    "policy": "/privacy",
    "notice": "/privacy/notice",
    "cookies": "/privacy/cookies",
    "processors": "/privacy/processors",
}
_ASKED = ("kind", "asked_at", "text", "data", "recipients", "features_lost")
_GONE = 410
_UNKNOWN = -1
_SECOND = timedelta(seconds=1)
_YOUNG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Video:
    """One video of the stage, and how the oracle sees it."""

    video_id: str
    account: Account
    item: Item


class Stage:
    """Seeds videos, moves the clock to a second, and asks every replica the same."""

    def __init__(self, suite: RunningSuite, plans: Mapping[str, str]) -> None:
        self._suite, self.plans = suite, plans
        self.videos: list[Video] = []
        self._accounts: dict[str, Account] = {}
        self._held: dict[str, list[tuple[str, datetime]]] = {}
        headers = {"Authorization": f"Bearer {suite.operator_token}"}
        self._public = [plain.client(url) for url in suite.runtime.urls]
        self._consoles = [plain.client(url, headers) for url in suite.runtime.console_urls]
        self._health = plain.client()
        self._known: list[dict[str, int | None]] = [{} for _ in self._public]

    def close(self) -> None:
        """Hang up."""
        for client in (*self._public, *self._consoles, self._health):
            client.close()

    def seed(self, documents: Sequence[Document], turns: Sequence[datetime]) -> None:
        """Of each plan a video due a second after its turn, one that is young then; one due a second before the first.

        A plan's turn is the first at which its period changes; `documents` are what counts before each turn, and the last.
        """
        timeline: list[tuple[datetime, Callable[[], None]]] = []
        for place, (plan, key) in enumerate(self.plans.items()):
            at = _turn(documents, key, place)
            made = [(turns[at] + _SECOND - _kept(documents[at], key), "near"), (turns[0] - _YOUNG, "young")]
            if place == 0:
                made.append((turns[0] - _SECOND - _kept(documents[0], key), "passed"))
            first, _ = min(made)
            timeline += [
                (first - 10 * _SECOND, partial(self._open, plan)),
                (first - 5 * _SECOND, partial(self._join, plan)),
            ]
            timeline += [(completed_at, partial(self._make, plan, name)) for completed_at, name in made]
        for moment, act in sorted(timeline, key=itemgetter(0)):
            self.to(moment)
            act()

    def to(self, moment: datetime) -> None:
        """Move policy time forward to a moment; returns when every replica has done what is due."""
        seconds = (moment - self.now).total_seconds()
        if seconds > 0:
            clock.advance(self._suite.data, f"PT{seconds:.6f}S")

    @property
    def now(self) -> datetime:
        """Policy time."""
        return datetime.fromtimestamp(self._suite.policy_unix(), UTC)

    def standings(self) -> dict[str, tuple[str, int, datetime]]:
        """By process: the hash and number of the version in force, and at which policy time."""
        found = {}
        for name, port in self._suite.runtime.health_ports.items():
            told = self._health.get(f"http://{LOOPBACK}:{port}/readyz").json()
            found[name] = (
                told["policy_hash"],
                told["policy_version"],
                datetime.fromisoformat(told["policy_time"]),
            )
        return found

    def deadlines(self) -> dict[str, tuple[datetime | None, int]]:
        """In retention's table: until when each video is kept, and by which version's word."""
        rows = self._suite.look("SELECT item_id, due_at, policy_version FROM retention.deadlines")
        return {row["item_id"]: (row["due_at"], row["policy_version"]) for row in rows}

    def has_due(self, wanted: Mapping[str, Due], at: datetime) -> None:
        """Wait until both gateways list these deadlines, and tell those that are new to them, or 410 for what is due.

        Raises:
            AssertionError: they still tell something else after some seconds.
        """
        told = {video_id: _GONE if _is_over(due, at) else _unix(due) for video_id, due in wanted.items()}
        for gateway, known in zip(self._public, self._known, strict=True):
            until(partial(self._tells, gateway, told, known), f"the deadlines at {gateway.base_url}")
            known.update(told)

    def page(self, name: str, language: str) -> str:
        """A page as all gateways serve it, byte for byte the same."""
        address = f"{PUBLIC[name]}?lang={language}" if name in PUBLIC else f"/record?lang={language}"
        return self._same(self._public if name in PUBLIC else self._consoles, address)

    def front(self, language: str) -> str:
        """The studio's front page as all gateways serve it."""
        return self._same(self._public, f"/?lang={language}")

    def spreadsheet(self, language: str) -> str:
        """The record of processing as all gateways serve it."""
        return self._same(self._consoles, f"/record.csv?lang={language}")

    def versions(self, language: str) -> str:
        """The page of versions as all gateways serve it."""
        return self._same(self._public, f"/privacy/versions?lang={language}")

    def asked(self, language: str) -> dict[str, object]:
        """What somebody is asked to decide, by purpose, as all gateways list it."""
        account = self.videos[0].account
        listed = json.loads(self._same(self._public, f"/v1/privacy/consents?lang={language}", account))
        return {one["purpose"]: {name: one[name] for name in _ASKED} for one in listed["data"]}

    def _same(self, clients: Sequence[httpx2.Client], address: str, account: Account | None = None) -> str:
        texts, headers = [], {} if account is None else _key_of(account)
        for client in clients:
            answer = client.get(address, headers=headers)
            assert answer.is_success, f"{address}: {answer.status_code}"
            texts.append(answer.text)
        assert set(texts) == {texts[0]}, f"{address} differs between replicas"
        return texts[0]

    def _open(self, plan: str) -> None:
        ways = json.loads(self._same(self._public, "/v1/sign-up"))["ways"]
        is_by_password = "password" in ways
        self._accounts[plan] = self._suite.open_account() if is_by_password else self._suite.open_guest()
        self._held[plan] = [(next(iter(self.plans.values())), self.now)]

    def _join(self, plan: str) -> None:
        self._suite.change_plan(self._accounts[plan], plan)
        self._held[plan].append((self.plans[plan], self.now))

    def _make(self, plan: str, name: str) -> None:
        account = self._accounts[plan]
        with account.openai() as client:
            video_id = made(client).id
        facts = dict.fromkeys(("created", "processed", "completed"), self.now)
        item = Item(f"{name} on {plan}", "output.video", tuple(self._held[plan]), facts)
        self.videos.append(Video(video_id, account, item))
        until(lambda: video_id in self.deadlines(), "the video's deadline")

    def _tells(self, gateway: httpx2.Client, wanted: Mapping[str, int | None], known: Mapping[str, int | None]) -> bool:
        listed: dict[str, int | None] = {}
        for account in self._accounts.values():
            page = answered(gateway.get("/v1/videos", params={"limit": 100}, headers=_key_of(account)))
            listed |= {one["id"]: one["expires_at"] for one in page["data"]}
        if listed != {video_id: due for video_id, due in wanted.items() if due != _GONE}:
            return False
        news = [video for video in self.videos if known.get(video.video_id, _UNKNOWN) != wanted[video.video_id]]
        return all(self._expiry(gateway, video) == wanted[video.video_id] for video in news)

    def _expiry(self, gateway: httpx2.Client, video: Video) -> Any:
        answer = gateway.get(f"/v1/videos/{video.video_id}", headers=_key_of(video.account))
        return _GONE if answer.status_code == _GONE else answered(answer)["expires_at"]


def _turn(documents: Sequence[Document], key: str, place: int) -> int:
    """The first turn at which a plan's period changes; where none changes it, one by the plan's place."""
    periods = [_kept(document, key) for document in documents]
    moved = (at for at, (old, new) in enumerate(pairwise(periods)) if old != new)
    return next(moved, min(place, len(documents) - 2))


def _kept(document: Document, key: str) -> timedelta:
    return effects.timer(document, "output.video", key) or timedelta(days=1)


def _key_of(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.key}"}


def _is_over(due: Due, now: datetime) -> bool:
    return isinstance(due, datetime) and due <= now


def _unix(due: Due) -> int | None:
    assert not isinstance(due, str), due
    return None if due is None else int(due.timestamp())
