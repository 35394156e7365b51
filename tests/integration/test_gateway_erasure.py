"""Deleting a video and deleting an account, through all five services."""

import io
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image

from tests.integration.gateway_suite import PASSWORD, Suite, running_suite, until
from tests.servers import RunningServers


@pytest.fixture(scope="module")
def suite(servers: RunningServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with running_suite(servers, tmp_path_factory.mktemp("erasure"), SWEEP_SECONDS="0.5") as running:
        yield running


def finished(client: httpx2.Client, **sent: object) -> str:
    """The id of a video that was made."""
    answer = client.post("/v1/videos", **sent)  # type: ignore[arg-type]  # keyword arguments of one call
    assert answer.status_code == 200, answer.text
    made = str(answer.json()["id"])
    until(lambda: client.get(f"/v1/videos/{made}").json()["status"] == "completed", 60)
    return made


def test_a_deleted_video_is_gone_when_it_says_so_and_stays_gone(suite: Suite) -> None:
    with suite.client(suite.sign_up()) as client:
        made = finished(client, json={"prompt": "to be deleted", "size": "640x360"})
        answer = client.delete(f"/v1/videos/{made}")
        again = client.delete(f"/v1/videos/{made}")

        assert (answer.status_code, answer.json()) == (
            200,
            {"id": made, "object": "video.deleted", "deleted": True},
        )
        assert again.json() == answer.json()
        assert client.get(f"/v1/videos/{made}").status_code == 410
        assert client.get(f"/v1/videos/{made}/content").status_code == 410
        assert client.get("/v1/videos").json()["data"] == []
    assert suite.look(f"SELECT count(*) FROM gateway.generations WHERE generation_id = '{made}'") == 0
    with suite.client(suite.sign_up()) as other:
        assert other.delete(f"/v1/videos/{made}").status_code == 404


def test_an_erased_account_leaves_no_row_and_a_certificate_that_its_claim_still_finds(suite: Suite) -> None:
    email = "leaving@example.org"
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "PNG")
    with suite.client(suite.sign_up(email)) as client:
        account_id = client.get("/v1/account").json()["id"]
        parts = {
            "prompt": (None, "with a picture"),
            "size": (None, "640x360"),
            "input_reference": ("x", file.getvalue()),
        }
        finished(client, files=parts)
        answer = client.delete("/v1/account")
        erasure = answer.json()

        assert answer.status_code in {200, 202}, answer.text
        claim = {"claim": erasure["claim"]}
        until(lambda: client.post("/v1/erasures/status", json=claim).json()["certificate"] is not None, 60)
        assert client.get("/v1/account").status_code == 401
        assert client.get("/v1/certificates/public-key").text.startswith("-----BEGIN PUBLIC KEY-----")
        assert client.post("/v1/erasures/status", json={"claim": "x" * 43}).status_code == 404
    for table in ("accounts", "api_keys", "sessions", "generations", "uploads", "tombstones", "idempotency", "mails"):
        assert suite.look(f"SELECT count(*) FROM gateway.{table} WHERE account_id = '{account_id}'") == 0, table
    with suite.client() as stranger:
        login = {"email": email, "password": PASSWORD}
        assert stranger.post("/v1/sessions", json=login, headers={"Origin": suite.url}).status_code == 401
        assert stranger.post("/v1/accounts", json={**login, "birth_year": 1990}).status_code == 201
