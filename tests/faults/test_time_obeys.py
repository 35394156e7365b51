"""Time obeys the published policy: to the second, whatever plans people choose and whatever dies meanwhile.

Each test starts where the one before left policy time. What backups hold is reckoned, not looked at: there are none yet.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

from lethe_common.storage import item_prefix
from tests.faults import client
from tests.faults.almanac import (
    BACKUPS,
    CLOSED_MOST,
    CONSENT_LEAST,
    DAY,
    LEDGER_LEAST,
    LOG_GRACE,
    LOG_MOST,
    LOG_PARTITION,
    RECORD_LEAST,
    UPLOAD_MOST,
    VIDEO_GRACE,
    due_at,
)
from tests.faults.history import History, leave_remains, move, whole_second
from tests.faults.reckoning import parked, wait_until_all_is_done
from tests.faults.stage import fault_suite
from tests.faults.verifier import NOTHING, look_at_upload, rows_of, transfers
from tests.flows.outside import store
from tests.suite import RunningSuite, answered, until

pytestmark = [pytest.mark.timeout(900)]

SEED = os.environ.get("LETHE_TIME_SEED", "1")
"""`random` for another history each time; the seed is printed."""


@pytest.fixture(scope="module")
def living() -> Iterator[RunningSuite]:
    with fault_suite(PROVIDERS_NOOP_SECONDS="0.5", REMOVAL_LEASE_SECONDS="2") as running:
        # As operators may have set it: every overwriting and every deletion leaves something behind.
        store(running).set_bucket_versioning(running.runtime.s3_bucket, VersioningConfig(ENABLED))
        yield running


def test_videos_stay_to_the_second_and_are_gone_after_their_grace_in_a_random_history(living: RunningSuite) -> None:
    seed = secrets.randbelow(10**6) if SEED == "random" else int(SEED)
    print(f"LETHE_TIME_SEED={seed}")
    history = History(living, seed)
    try:
        history.live()
    finally:
        history.close()
    tally = history.tally
    print(f"{len(history.items)} videos: {tally.served} served at the last second, {tally.gone} gone; {tally.deeds}")
    wait_until_all_is_done(living)
    assert parked(living) == []
    assert living.books()["is_balanced"]
    assert min(tally.served, tally.refused, tally.gone) > 0


def test_an_upgrade_counts_though_retention_was_down_until_the_old_deadline_had_passed(living: RunningSuite) -> None:
    account, now = living.open_account(), whole_second(living)
    with account.http() as http:
        video_id, completed_at = made(living, http)
        content = client.digest_of_content(http, video_id)
        move(living, 6 * DAY)
        living.stop("retention")
        client.put_on(living, account, "pro")
        move(living, 2 * DAY)
        living.start("retention")

        due = due_at(completed_at, [(now, "free"), (completed_at + 6 * DAY, "pro")])
        until(lambda: (client.shown(http, video_id) or {}).get("expires_at") == due, "the longer deadline")
        assert client.digest_of_content(http, video_id) == content


def test_a_reference_image_waits_for_its_run_and_is_gone_an_hour_after_it(living: RunningSuite) -> None:
    account = living.open_account()
    with account.http() as http:
        living.stop("jobs")
        video_id = client.order(http, has_picture=True)
        (upload,) = living.look("SELECT upload_id, object_key FROM gateway.uploads WHERE generation_id = $1", video_id)
        prefix = item_prefix(upload["object_key"])
        leave_remains(living, prefix)
        move(living, 2 * UPLOAD_MOST)
        seen = look_at_upload(living, video_id, upload["upload_id"], prefix)
        assert (seen.uploads, seen.keys) == (1, 1)
        assert min(seen.versions - 2, seen.markers, seen.multiparts) >= 1, seen

        living.start("jobs")
        until(lambda: (client.shown(http, video_id) or {}).get("status") == "completed", "the video", 60)
        move(living, UPLOAD_MOST)
        until(lambda: look_at_upload(living, video_id, upload["upload_id"], prefix) == NOTHING, "its absence")


def test_a_closed_account_is_gone_in_time_and_its_certificate_tells_the_dates_of_the_almanac(
    living: RunningSuite,
) -> None:
    account = living.open_account()
    with account.http() as http:
        made(living, http)
        assert of_subject(living, account.subject_ref)
        closed_at = round(living.policy_unix())
        claim = answered(client.insist(lambda: http.delete("/v1/account")))["claim"]
    move(living, VIDEO_GRACE)
    until(lambda: not of_subject(living, account.subject_ref), "the verifier to see nothing of the person")
    with living.anonymous() as http:
        status = answered(http.post("/v1/erasures/status", json={"claim": claim}))
    told = status["certificate"]["payload"]
    done_at = unix(told["completed_at"])
    assert unix(told["requested_at"]) == closed_at <= done_at <= closed_at + VIDEO_GRACE
    # What a backup of that last moment still holds ends within the promise; backups are not made yet, so it is a sum.
    assert done_at + BACKUPS <= closed_at + CLOSED_MOST
    until_when = {line["category"]: unix(line["until"]) - done_at for line in told["retained"]}
    minima = {"ledger.transfer": LEDGER_LEAST, "erasure.record": RECORD_LEAST, "consent.record": CONSENT_LEAST}
    assert until_when == minima


def test_logs_stay_for_their_days_and_no_line_is_older_than_ninety(living: RunningSuite) -> None:
    now = whole_second(living)
    restarted(living, "jobs")
    ends = now - now % DAY + DAY
    log = living.data / "logs" / f"jobs-{datetime.fromtimestamp(now, UTC).date()}.log"
    assert log.stat().st_size
    last = ends + LOG_MOST - LOG_PARTITION - LOG_GRACE
    move(living, last - 1 - now)
    assert log.stat().st_size

    move(living, 1)

    def oldest() -> float:
        days = {file.name.split(".")[0][-10:] for file in log.parent.iterdir()}
        return min(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in days)

    until(lambda: not log.exists() and oldest() > last - LOG_MOST, "that day and all before it to go")


def test_lines_of_the_ledger_stay_for_seven_years_to_the_second_and_the_suite_goes_on(living: RunningSuite) -> None:
    account = living.open_account()
    with account.http() as http:
        older = ledger(living)
        made(living, http)
        wait_until_all_is_done(living)
        lines = ledger(living) - older
        move(living, LEDGER_LEAST - 1)
        assert lines
        assert lines <= ledger(living)
        balance = account.balance()

        move(living, 1)

        assert not lines & ledger(living)
        assert account.balance()["available"] == balance["available"]
        assert living.books()["is_balanced"]
        # Sessions, leases and partitions are none the worse for it.
        made(living, http)
    with living.open_account().http() as http:
        made(living, http)
    wait_until_all_is_done(living)
    assert parked(living) == []
    assert living.books()["is_balanced"]


def made(living: RunningSuite, http: httpx2.Client) -> tuple[str, int]:
    """A finished video, and when it was completed."""
    video_id = client.order(http, has_picture=False)

    def look() -> int | None:
        video = client.shown(http, video_id) or {}
        return video["completed_at"] if video.get("status") == "completed" and video["expires_at"] else None

    return video_id, until(look, "a video with its deadline", 60)


def restarted(living: RunningSuite, program: str) -> None:
    """A program that was killed says so in its log when it is back."""
    living.kill(program)
    living.wait_for(program)


def of_subject(living: RunningSuite, subject_ref: str) -> dict[str, int]:
    """Where the verifier sees rows and keys of a person, and how many."""
    return {place: count for place, count in asyncio.run(rows_of(living, subject_ref)).items() if count}


def ledger(living: RunningSuite) -> set[str]:
    """The ids of all lines, as the verifier sees them."""
    return {str(one) for one in asyncio.run(transfers(living))}


def unix(text: str) -> int:
    """A moment as whole seconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp())
