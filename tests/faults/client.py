"""People who insist: what fails because something is down is asked again, as clients do, until there is an answer."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx2

from lethe_common.clock import monotonic_seconds
from tests.faults.stage import PATIENT
from tests.flows.steps import picture
from tests.suite import Account, RunningSuite

_INSIST_SECONDS = 90.0
_AGAIN_SECONDS = 0.2
_SERVER_ERROR = 500


def insist(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    """The first answer that is not the server's fault. For requests that may be repeated."""
    give_up_at = monotonic_seconds() + _INSIST_SECONDS
    while True:
        try:
            answer = ask()
        except httpx2.TransportError as error:
            said = type(error).__name__
        else:
            if answer.status_code < _SERVER_ERROR:
                return answer
            said = f"{answer.status_code}: {answer.text}"
        assert monotonic_seconds() < give_up_at, f"nobody answered: {said}"
        time.sleep(_AGAIN_SECONDS)


def order(http: httpx2.Client, *, has_picture: bool, times: int = 1) -> str:
    """A video ordered under one Idempotency-Key as often as said: always the same one."""
    body = {**PATIENT, "seconds": int(PATIENT["seconds"]), "prompt": f"boat {secrets.token_hex(8)}"}
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    shown = picture()

    def send() -> httpx2.Response:
        if not has_picture:
            return http.post("/v1/videos", json=body, headers=headers)
        file = {"input_reference": ("boat.png", shown, "image/png")}
        form = {name: str(value) for name, value in body.items()}
        return http.post("/v1/videos", data=form, files=file, headers=headers)

    answers = [insist(send) for _ in range(times)]
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    (video_id,) = {answer.json()["id"] for answer in answers}
    return str(video_id)


def shown(http: httpx2.Client, video_id: str) -> dict[str, Any] | None:
    """A video as its owner sees it; None once it is gone."""
    answer = insist(lambda: http.get(f"/v1/videos/{video_id}"))
    assert answer.status_code in (200, 410), f"{answer.status_code}: {answer.text}"
    body: dict[str, Any] = json.loads(answer.text)
    return body if answer.status_code == httpx2.codes.OK else None


def digest_of_content(http: httpx2.Client, video_id: str) -> str:
    """SHA-256 of what a download gives, or the status of the refusal."""
    answer = insist(lambda: http.get(f"/v1/videos/{video_id}/content"))
    return hashlib.sha256(answer.content).hexdigest() if answer.is_success else str(answer.status_code)


def put_on(suite: RunningSuite, account: Account, plan: str) -> None:
    """The operator changes a plan; returns when billing has answered, whoever else has not heard of it yet."""
    with suite.console() as http:
        path = f"/api/accounts/{account.account_id}/plan"
        answer = insist(lambda: http.post(path, json={"plan": plan}))
    assert answer.is_success, answer.text
