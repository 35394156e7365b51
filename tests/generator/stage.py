"""A running suite of two gateways and two retentions, with items near the versions' instants, looked at from outside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
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
        headers = {"Authorization": f"Bearer {suite.operator_token}"}
        self._public = [plain.client(url) for url in suite.runtime.urls]
        self._consoles = [plain.client(url, headers) for url in suite.runtime.console_urls]
        self._health = plain.client()

    def close(self) -> None:
        """Hang up."""
        for client in (*self._public, *self._consoles, self._health):
            client.close()

    def seed(self, document: Document, turns: Sequence[datetime]) -> None:
        """Of each plan a video due a second after its turn, one that is young then; one due a second before the first."""
        wanted: list[tuple[datetime, str, str]] = []
        for place, (plan, key) in enumerate(self.plans.items()):
            kept = effects.timer(document, "output.video", key) or timedelta(days=1)
            turn = turns[min(place, len(turns) - 1)]
            wanted += [(turn + _SECOND - kept, plan, "near"), (turns[0] - _YOUNG, plan, "young")]
            if place == 0:
                wanted.append((turn - _SECOND - kept, plan, "passed"))
        accounts: dict[str, tuple[Account, datetime]] = {}
        for completed_at, plan, name in sorted(wanted):
            if plan not in accounts:
                self.to(completed_at - 10 * _SECOND)
                accounts[plan] = (self._suite.open_account(), completed_at - 10 * _SECOND)
                self.to(completed_at - 5 * _SECOND)
                self._suite.change_plan(accounts[plan][0], plan)
            self.to(completed_at)
            self._make(*accounts[plan], plan, name, completed_at)

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
        """Wait until both gateways tell these deadlines, or 410 for what is due.

        Raises:
            AssertionError: they still tell something else after some seconds.
        """
        told = {video_id: _GONE if _is_over(due, at) else _unix(due) for video_id, due in wanted.items()}
        for gateway in self._public:
            until(partial(self._tells, gateway, told), f"the deadlines at {gateway.base_url}")

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
        texts, headers = [], {} if account is None else {"Authorization": f"Bearer {account.key}"}
        for client in clients:
            answer = client.get(address, headers=headers)
            assert answer.is_success, f"{address}: {answer.status_code}"
            texts.append(answer.text)
        assert set(texts) == {texts[0]}, f"{address} differs between replicas"
        return texts[0]

    def _make(self, account: Account, opened_at: datetime, plan: str, name: str, completed_at: datetime) -> None:
        with account.openai() as client:
            video_id = made(client).id
        opening = next(iter(self.plans.values()))
        held = ((opening, opened_at), (self.plans[plan], opened_at + 5 * _SECOND))
        facts = dict.fromkeys(("created", "processed", "completed"), completed_at)
        self.videos.append(Video(video_id, account, Item(f"{name} on {plan}", "output.video", held, facts)))
        until(lambda: video_id in self.deadlines(), "the video's deadline")

    def _tells(self, gateway: httpx2.Client, wanted: Mapping[str, int | None]) -> bool:
        return all(self._expiry(gateway, video) == wanted[video.video_id] for video in self.videos)

    def _expiry(self, gateway: httpx2.Client, video: Video) -> Any:
        headers = {"Authorization": f"Bearer {video.account.key}"}
        answer = gateway.get(f"/v1/videos/{video.video_id}", headers=headers)
        return _GONE if answer.status_code == _GONE else answered(answer)["expires_at"]


def _is_over(due: Due, now: datetime) -> bool:
    return isinstance(due, datetime) and due <= now


def _unix(due: Due) -> int | None:
    assert not isinstance(due, str), due
    return None if due is None else int(due.timestamp())
