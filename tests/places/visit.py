"""A visit that makes the suite answer in every way it has, and write wherever it writes."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import httpx2

from lethe_common.events.envelope import Envelope
from lethe_common.events.jobs import GenerationCancelled
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.services import Service
from tests.faults.messages import Bus, Said, on_the_bus
from tests.suite import Account, RunningSuite, answered, until

_PAGES = (
    "/",
    "/?lang=ru",
    "/reset",
    "/verify",
    "/requests/link",
    "/erasure",
    "/certificates",
    "/static/lethe.js",
    "/favicon.ico",
    "/nothing",
    "/v1/models",
)
_PARKED = "SELECT parked_id FROM {}.parked"


@contextlib.contextmanager
def recorded(client: httpx2.Client) -> Iterator[list[httpx2.Response]]:
    """Every answer that a client gets, from now on."""
    answers: list[httpx2.Response] = []
    client.event_hooks = {"response": [answers.append]}
    yield answers


def look_at_pages(suite: RunningSuite) -> list[httpx2.Response]:
    """The studio's pages and files, the console's, its sign-in, and ways to be refused."""
    with suite.anonymous() as http, recorded(http) as seen:
        for path in _PAGES:
            http.get(path, headers={"Accept": "text/html"})
        etag = http.get("/static/lethe.js").headers["etag"]
        http.get("/static/lethe.js", headers={"If-None-Match": etag})
        http.put("/v1/videos")
        http.post("/v1/videos", content=b"{", headers={"Content-Type": "application/json"})
        http.post("/v1/accounts", content=bytes(300 * 1024))
        http.get("/v1/openapi.json")
    with httpx2.Client(base_url=suite.console_url, trust_env=False, timeout=30) as http, recorded(http) as told:
        http.get("/")
        own = {"Origin": suite.console_url}
        http.post("/api/session", json={"token": suite.operator_token}, headers=own)
        for path in ("/", "/api/parked", "/api/nothing"):
            http.get(path)
        http.delete("/api/session", headers=own)
    return seen + told


def watch_a_video(account: Account, video_id: str) -> list[httpx2.Response]:
    """A finished video as a player takes it: whole, in part, out of range, unchanged; and its events."""
    with account.http() as http, recorded(http) as seen:
        path = f"/v1/videos/{video_id}/content"
        etag = http.get(path).headers["etag"]
        for headers in ({"Range": "bytes=0-9"}, {"Range": "bytes=999999999-"}, {"If-None-Match": etag}):
            http.get(path, headers=headers)
        with http.stream("GET", f"/v1/videos/{video_id}/events") as events:
            next(events.iter_lines())
        return seen


def sign_in_and_out(suite: RunningSuite, account: Account) -> list[httpx2.Response]:
    """The studio's session."""
    own = {"Origin": suite.url}
    with suite.anonymous() as http, recorded(http) as seen:
        answered(http.post("/v1/sessions", json={"email": account.email, "password": account.password}, headers=own))
        http.get("/")
        http.delete("/v1/sessions", headers=own)
        return seen


def park_a_message(suite: RunningSuite) -> None:
    """Put something on the bus that nobody can read; returns when everybody who hears it has parked it."""
    event = GenerationCancelled(
        subject_ref=SubjectRef.new(), generation_id=GenerationId.new(), cancelled_at=datetime(2026, 11, 22, tzinfo=UTC)
    )
    envelope = Envelope.around(event, Service.JOBS)

    async def tell(bus: Bus) -> None:
        await bus.publish([Said("JOBS", event.type, envelope.headers(), b'{"torn": ')])

    on_the_bus(suite, tell)
    for service in GenerationCancelled.listeners:
        until(partial(suite.look, _PARKED.format(service)), f"{service} to park it")
