"""The official OpenAI SDK, unchanged, against Lethe."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import asyncpg
import openai
import pytest

from tests.flows.steps import SMALL, SMALL_CREDITS, completed, created, decoded, made, picture, settled
from tests.flows.wire import wire_to
from tests.suite import Account, RunningSuite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

STARTER_CREDITS = 600


@pytest.fixture(scope="module")
def account(suite: RunningSuite) -> Account:
    return suite.open_account()


@pytest.fixture(scope="module")
def stranger(suite: RunningSuite) -> Account:
    return suite.open_account()


def test_create_and_poll_makes_a_clip_of_the_size_and_length_ordered(suite: RunningSuite) -> None:
    account = suite.open_account()
    with account.openai() as client:
        video = client.videos.create_and_poll(prompt="a paper boat in the rain", seconds="4", size="1280x720")
        content = client.videos.download_content(video.id).read()
        poster = client.videos.download_content(video.id, variant="thumbnail").read()

    assert (video.status, video.progress, video.size, video.seconds) == ("completed", 100, "1280x720", "4")
    clip = decoded(content)
    assert (clip.width_px, clip.height_px, clip.frames) == (1280, 720, 96)
    assert clip.seconds == pytest.approx(4.0)
    assert poster[8:12] == b"WEBP"
    settled(suite, account, STARTER_CREDITS - 60)


def test_a_reference_image_changes_the_picture(account: Account) -> None:
    with account.openai() as client:
        order = {**SMALL, "extra_body": {"seed": 7}}
        plain = client.videos.create(prompt="a paper boat", **order)
        guided = client.videos.create(
            prompt="a paper boat", input_reference=("boat.png", picture(), "image/png"), **order
        )
        contents = [client.videos.download_content(completed(client, each.id).id).read() for each in (plain, guided)]

    assert decoded(contents[0]) == decoded(contents[1])
    assert contents[0] != contents[1]


def test_the_list_is_paged_newest_first(suite: RunningSuite) -> None:
    with suite.open_account().openai() as client:
        ids = [created(client, f"boat number {number}").id for number in range(5)]
        newest = client.videos.list(limit=2)
        assert ([video.id for video in newest.data], newest.has_more) == (ids[:2:-1], True)
        assert [video.id for video in client.videos.list(limit=2)] == ids[::-1]  # the SDK turns the pages
        assert [video.id for video in client.videos.list(limit=2, order="asc")] == ids
        shown = client.videos.retrieve(ids[0])
        assert shown.prompt == "boat number 0"
        for video_id in ids:
            client.videos.delete(video_id)
        assert list(client.videos.list()) == []


def test_a_part_of_the_content_can_be_asked_for(account: Account) -> None:
    with account.openai() as client:
        video = made(client)
        whole = client.videos.download_content(video.id).read()
    with account.http() as http:
        path = f"/v1/videos/{video.id}/content"
        part = http.get(path, headers={"Range": "bytes=100-299"})
        tail = http.get(path, headers={"Range": "bytes=-50"})
        beyond = http.get(path, headers={"Range": f"bytes={len(whole)}-"})

    assert (part.status_code, part.content) == (206, whole[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    assert (tail.status_code, tail.content) == (206, whole[-50:])
    assert beyond.status_code == 416


def test_a_deleted_video_is_gone_for_every_call(account: Account) -> None:
    with account.openai(max_retries=0) as client:
        video = made(client)
        deleted = client.videos.delete(video.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
        for call in (client.videos.retrieve, client.videos.download_content):
            with pytest.raises(openai.APIStatusError) as refused:
                call(video.id)
            assert refused.value.status_code == 410
        assert client.videos.delete(video.id).deleted
        assert video.id not in [each.id for each in client.videos.list()]


def test_somebody_elses_video_is_not_there(account: Account, stranger: Account) -> None:
    with account.openai() as client:
        video = made(client)
    with stranger.openai(max_retries=0) as client:
        for call in (client.videos.retrieve, client.videos.download_content, client.videos.delete):
            with pytest.raises(openai.NotFoundError):
                call(video.id)
        assert list(client.videos.list(after=video.id)) == []
    with stranger.http() as http:
        assert http.post(f"/v1/videos/{video.id}/cancel").status_code == 404
        assert http.get(f"/v1/videos/{video.id}/events").status_code == 404
        assert http.get(f"/v1/videos/{video.id}/content", params={"variant": "thumbnail"}).status_code == 404
    with account.openai() as client:
        assert client.videos.retrieve(video.id).status == "completed"


def test_an_answer_lost_by_a_kill_after_the_commit_is_one_video_and_one_hold(suite: RunningSuite) -> None:
    account = suite.open_account()
    with wire_to(suite.url) as wire, account.openai(url=wire.url) as client:
        wire.lose_next_answer = lambda: suite.kill("gateway")
        video = created(client)
        assert (wire.answers_lost, wire.connections) == (1, 2)

        completed(client, video.id)
    _is_one_of_each(suite, account, video.id)


def test_a_kill_between_hold_and_commit_is_one_video_and_one_hold(suite: RunningSuite) -> None:
    account = suite.open_account()
    with wire_to(suite.url) as wire, account.openai(url=wire.url) as client, ThreadPoolExecutor(1) as threads:
        with _held_before_commit(suite):
            creating = threads.submit(created, client)
            until(lambda: _holds(suite, account), "the hold")
            assert not _videos(suite, account)
            suite.kill("gateway")
        video = creating.result(60)
        assert wire.connections == 2

        completed(client, video.id)
    _is_one_of_each(suite, account, video.id)


def test_the_same_idempotency_key_replays_and_another_body_is_refused(suite: RunningSuite) -> None:
    account = suite.open_account()
    key = {"Idempotency-Key": "order 66 of the person at the window"}
    with account.openai(max_retries=0) as client:
        first = created(client, extra_headers=key)
        again = created(client, extra_headers=key)
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            created(client, "something else", extra_headers=key)
        completed(client, first.id)
        late = created(client, extra_headers=key)

    assert again.id == late.id == first.id
    assert refused.value.code == "idempotency_conflict"
    _is_one_of_each(suite, account, first.id)


def test_a_concurrent_second_request_with_the_same_key_waits_for_the_first(suite: RunningSuite) -> None:
    account = suite.open_account()
    key = {"Idempotency-Key": "twice at once"}
    with account.openai(max_retries=0) as client, ThreadPoolExecutor(2) as threads:
        with _held_before_commit(suite):
            both = [threads.submit(created, client, extra_headers=key) for _ in range(2)]
            until(lambda: _holds(suite, account), "the hold")
            assert not any(each.done() for each in both)
        ids = {each.result(60).id for each in both}

        assert len(ids) == 1
        completed(client, next(iter(ids)))
    _is_one_of_each(suite, account, next(iter(ids)))


def _holds(suite: RunningSuite, account: Account) -> list[asyncpg.Record]:
    sql = "SELECT h.generation_id FROM billing.holds h JOIN billing.subjects s USING (wallet_id) WHERE subject_ref = $1"
    return suite.look(sql, account.subject_ref)


def _videos(suite: RunningSuite, account: Account) -> list[asyncpg.Record]:
    sql = "SELECT generation_id FROM gateway.generations WHERE account_id = $1"
    return suite.look(sql, account.account_id)


def _is_one_of_each(suite: RunningSuite, account: Account, video_id: str) -> None:
    settled(suite, account, STARTER_CREDITS - SMALL_CREDITS)
    runs = suite.look("SELECT generation_id FROM jobs.runs WHERE subject_ref = $1", account.subject_ref)
    for rows in (_holds(suite, account), _videos(suite, account), runs):
        assert [row["generation_id"] for row in rows] == [video_id]


@contextmanager
def _held_before_commit(suite: RunningSuite) -> Iterator[None]:
    """While inside, the gateway's accepting statement waits: holds are placed, nothing is written."""
    is_locked, may_end = threading.Event(), threading.Event()

    async def lock() -> None:
        connection = await asyncpg.connect(suite.superuser_dsn())
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE gateway.generations IN SHARE ROW EXCLUSIVE MODE")
                is_locked.set()
                await asyncio.to_thread(may_end.wait, 60)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as threads:
        locking: Future[Any] = threads.submit(asyncio.run, lock())
        try:
            assert is_locked.wait(30)
            yield
        finally:
            may_end.set()
            locking.result(60)
