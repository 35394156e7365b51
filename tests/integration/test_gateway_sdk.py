"""The official openai SDK, unchanged, against real services."""

import io
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest
from PIL import Image

from tests.integration.gateway_suite import Suite, running_suite, until
from tests.servers import RunningServers

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.fixture(scope="module")
def suite(servers: RunningServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with running_suite(servers, tmp_path_factory.mktemp("sdk")) as running:
        yield running


@pytest.fixture
def sdk(suite: Suite) -> Iterator[openai.OpenAI]:
    with client_of(suite.url, suite.sign_up()) as client:
        yield client


def client_of(url: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, timeout=30)


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG")
    return file.getvalue()


def test_a_video_is_created_polled_and_downloaded(sdk: openai.OpenAI) -> None:
    video = sdk.videos.create_and_poll(prompt="a paper boat in the rain", size="640x360", seconds="4")  # type: ignore[arg-type]  # a size of ours

    content = sdk.videos.download_content(video.id).read()
    thumbnail = sdk.videos.download_content(video.id, variant="thumbnail").read()

    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "4", "640x360")
    assert video.prompt == "a paper boat in the rain"
    assert content[4:8] == b"ftyp"
    assert len(thumbnail) > 100


def test_a_reference_image_goes_along_and_is_gone_when_its_run_is_done(sdk: openai.OpenAI, suite: Suite) -> None:
    upload = ("holiday.png", picture(), "image/png")
    video = sdk.videos.create_and_poll(prompt="like this picture", input_reference=upload, size="640x360")  # type: ignore[arg-type]  # a size of ours

    assert video.status == "completed"
    until(lambda: suite.look("SELECT count(*) FROM gateway.uploads") == 0)


def test_pages_follow_one_another_newest_first(sdk: openai.OpenAI) -> None:
    made = [sdk.videos.create(prompt=f"number {number}", size="640x360").id for number in range(5)]  # type: ignore[arg-type]  # a size of ours

    first = sdk.videos.list(limit=2)
    everything = [video.id for video in sdk.videos.list(limit=2)]
    oldest_first = [video.id for video in sdk.videos.list(limit=3, order="asc")]

    assert [video.id for video in first.data] == made[:-3:-1]
    assert first.has_more
    assert everything == made[::-1]
    assert oldest_first == made


def test_another_accounts_video_is_not_there(sdk: openai.OpenAI, suite: Suite) -> None:
    video = sdk.videos.create(prompt="mine alone", size="640x360")  # type: ignore[arg-type]  # a size of ours
    with client_of(suite.url, suite.sign_up()) as other:
        for look in (other.videos.retrieve, other.videos.download_content, other.videos.delete):
            with pytest.raises(openai.NotFoundError):
                look(video.id)
        assert list(other.videos.list()) == []
        with suite.client(other.api_key) as client:
            assert client.post(f"/v1/videos/{video.id}/cancel").status_code == 404
            assert client.get(f"/v1/videos/{video.id}/events").status_code == 404


def test_the_same_key_and_body_is_one_video_and_another_body_is_refused(sdk: openai.OpenAI) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = sdk.videos.create(prompt="once", extra_headers=headers)
    again = sdk.videos.create(prompt="once", extra_headers=headers)

    with pytest.raises(openai.UnprocessableEntityError) as refusal:
        sdk.videos.create(prompt="twice", extra_headers=headers)

    assert again.id == first.id
    assert refusal.value.code == "idempotency_conflict"
    assert len(list(sdk.videos.list())) == 1


def test_an_answer_lost_on_the_way_makes_the_sdk_retry_and_no_second_video(suite: Suite) -> None:
    key = suite.sign_up()
    with losing_first_answer(suite.port) as (port, seen), client_of(f"http://127.0.0.1:{port}", key) as flaky:
        video = flaky.videos.create(prompt="a lost answer", size="640x360")  # type: ignore[arg-type]  # a size of ours

    assert len(seen) == 2
    assert re.search(rb"x-stainless-retry-count: 1", seen[1], re.IGNORECASE)
    assert b"idempotency-key" not in seen[1].lower()
    with client_of(suite.url, key) as direct:
        assert [one.id for one in direct.videos.list()] == [video.id]
    with suite.client(key) as client:
        spent = client.get("/v1/credits").json()
    assert 600 - spent["available"] == 20


def test_too_few_credits_is_402_at_once_with_nothing_stored(sdk: openai.OpenAI) -> None:
    for _ in range(3):
        sdk.videos.create(prompt="dear", seconds="12", size="1280x720")

    with pytest.raises(openai.APIStatusError) as refusal:
        sdk.videos.create(prompt="too dear", seconds="12", size="1280x720")

    assert refusal.value.status_code == 402
    assert refusal.value.code == "insufficient_credits"
    assert refusal.value.type == "insufficient_quota"
    assert len(list(sdk.videos.list())) == 3


@contextmanager
def losing_first_answer(port: int) -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that hands the first request on, waits for its answer, and hangs up without passing it."""
    seen: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(client,), daemon=True).start()

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            request = read_message(client)
            if not request:
                return
            seen.append(request)
            server.sendall(request)
            answer = read_message(server)
            if len(seen) > 1:
                client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1], seen
    finally:
        listening.close()


def read_message(source: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = source.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += source.recv(65536)
    return head + b"\r\n\r\n" + body
