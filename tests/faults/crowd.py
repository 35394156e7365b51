"""People who go on ordering videos whatever breaks, each in the way real clients do it."""

import contextlib
import secrets
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai

from lethe_common.clock import monotonic_seconds
from tests.faults.stage import DRAWN, PATIENT
from tests.suite import Account, RunningSuite

_GIVE_UP_SECONDS = 60.0
_AGAIN_SECONDS = 0.2
_AT_ONCE = 8
_DRAWN_EACH = 16


@dataclass(slots=True)
class Person:
    """One account and what became of its orders."""

    account: Account
    answered: list[str] = field(default_factory=list)
    """Ids of accepted videos, one for each order that was answered."""
    unanswered: int = 0
    """Orders whose client gave up after its own retries; each may or may not have been accepted."""
    sdk: openai.OpenAI = field(init=False)
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.sdk, self.http = self.account.openai(), self.account.http()


class Crowd:
    """Two kinds of clients, taking turns.

    `sdk`: the official SDK with its default retries and no Idempotency-Key; when
    even those fail, the person presses the button again. `keyed`: plain HTTP with
    an Idempotency-Key, repeated until there is an answer.
    """

    def __init__(self, suite: RunningSuite) -> None:
        self.suite = suite
        self.sdk = [Person(suite.open_account()) for _ in range(2)]
        self.keyed = [Person(suite.open_account()) for _ in range(2)]
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="person")
        self._lock = threading.Lock()
        self._number = 0

    @property
    def people(self) -> list[Person]:
        """Everybody."""
        return [*self.sdk, *self.keyed]

    @property
    def account_ids(self) -> list[str]:
        """Everybody's accounts."""
        return [person.account.account_id for person in self.people]

    def order(self, count: int, *, pause_seconds: float = 0.0) -> "list[Future[None]]":
        """So many orders in the background, by all in turn; most of the patient model, some drawn."""
        futures = []
        for _ in range(count):
            self._number += 1
            person = self.people[self._number % len(self.people)]
            model = DRAWN if self._number % _DRAWN_EACH == 0 else PATIENT
            buy = self._buy_with_sdk if person in self.sdk else self._buy_with_key
            futures.append(self._threads.submit(buy, person, model, pause_seconds))
        return futures

    def close(self) -> None:
        """Nobody orders any more."""
        self._threads.shutdown(cancel_futures=True)
        for person in self.people:
            person.sdk.close()
            person.http.close()

    def _buy_with_sdk(self, person: Person, order: Mapping[str, Any], pause_seconds: float) -> None:
        time.sleep(pause_seconds)
        give_up_at = monotonic_seconds() + _GIVE_UP_SECONDS
        while True:
            try:
                # Every prompt is another one, so that only the SDK's own retries are taken for repetitions.
                video = person.sdk.videos.create(prompt=f"boat {secrets.token_hex(8)}", **order)
            except (openai.APIConnectionError, openai.InternalServerError):
                with self._lock:
                    person.unanswered += 1
                if monotonic_seconds() > give_up_at:
                    raise
                time.sleep(_AGAIN_SECONDS)
            else:
                with self._lock:
                    person.answered.append(video.id)
                return

    def _buy_with_key(self, person: Person, order: Mapping[str, Any], pause_seconds: float) -> None:
        time.sleep(pause_seconds)
        body = {**order, "seconds": int(order["seconds"]), "prompt": f"boat {secrets.token_hex(8)}"}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        give_up_at = monotonic_seconds() + _GIVE_UP_SECONDS
        while True:
            answer = None
            with contextlib.suppress(httpx2.TransportError):
                answer = person.http.post("/v1/videos", json=body, headers=headers)
            if answer is not None and answer.status_code < 500:
                assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
                with self._lock:
                    person.answered.append(answer.json()["id"])
                return
            assert monotonic_seconds() < give_up_at, "an order was not answered"
            time.sleep(_AGAIN_SECONDS)
