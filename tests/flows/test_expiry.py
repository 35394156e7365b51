"""Videos end when the published policy says, by the plan their owner was on, and nothing is left of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from isodate import duration_isoformat, parse_duration

from lethe_common.storage import item_prefix
from tests.flows.outside import objects, places_beyond_frame
from tests.flows.steps import decoded, made
from tests.suite import Account, RunningSuite, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]

# deploy/profiles/aisora2/policy.yaml, output.video
PERIODS: Mapping[str, str] = {"free": "P7D", "basic": "P30D", "standard": "P60D", "pro": "P90D"}
# What may know a removed generation's id, as the catalogue says: random, without content.
TRACES = {
    "gateway.tombstones",  # answers 410
    "billing.holds",  # what it cost
    "billing.transfers",
    "jobs.removals",  # refuses late deliveries for some days
    "retention.deadlines",  # the same
}


@dataclass(frozen=True, slots=True)
class Kept:
    """One finished video, and where its pieces lie."""

    account: Account
    video_id: str
    period: str
    prefixes: tuple[str, ...]


def test_each_plans_videos_are_served_to_the_last_second_and_then_verifiably_gone(suite: RunningSuite) -> None:
    kept = [_kept(suite, plan, period) for plan, period in PERIODS.items()]
    start = suite.policy_unix()
    for video in kept:
        assert _expires_at(suite, video) == start + parse_duration(video.period).total_seconds()

    for number, ending in enumerate(kept):
        _advance_to(suite, _expires_at(suite, ending) - 1)
        for video in kept[number:]:
            assert _status(video) == 200
        suite.advance("PT1S")
        assert _status(ending) == 410
        _is_gone_everywhere(suite, ending)
        for video in kept[number + 1 :]:
            assert _status(video) == 200


def test_at_the_deadline_nothing_is_served_though_nobody_has_removed_it_yet(suite: RunningSuite) -> None:
    video = _kept(suite, "free", PERIODS["free"])
    suite.stop("retention")
    try:
        suite.advance(video.period)
        assert _status(video) == 410
        assert suite.look("SELECT 1 FROM gateway.generations WHERE generation_id = $1", video.video_id)
        with video.account.openai() as client:
            assert list(client.videos.list()) == []
    finally:
        suite.start("retention")

    sql = "SELECT 1 FROM gateway.tombstones WHERE generation_id = $1"
    until(lambda: suite.look(sql, video.video_id), "the removal after the restart")
    _is_gone_everywhere(suite, video)


def test_a_better_plan_lengthens_what_is_kept_and_a_lesser_one_never_shortens_it(suite: RunningSuite) -> None:
    video = _kept(suite, "free", PERIODS["free"])
    wanted = suite.policy_unix() + parse_duration(PERIODS["pro"]).total_seconds()
    for plan in ("pro", "basic"):
        suite.advance("PT1S")  # two plans held since the same instant are one
        suite.change_plan(video.account, plan)
        until(lambda: _expires_at(suite, video) == wanted, "the deadline to follow the plan")


def _kept(suite: RunningSuite, plan: str, period: str) -> Kept:
    account = suite.open_account(plan=plan)
    with account.openai() as client:
        video = made(client)
        assert decoded(client.videos.download_content(video.id).read()).frames == 96
        until(lambda: client.videos.retrieve(video.id).model_extra, "fields of ours")
    rows = suite.look("SELECT object_key FROM jobs.assets WHERE generation_id = $1", video.id)
    prefixes = tuple(item_prefix(row["object_key"]) for row in rows)
    kept = Kept(account, video.id, period, prefixes)
    assert len(prefixes) == 2
    assert all(objects(suite, prefix) for prefix in prefixes)
    assert suite.look_at_keys("SELECT 1 FROM keys.item_keys WHERE item_id = $1", video.id)
    until(lambda: _expires_at(suite, kept), "its deadline")
    return kept


def _expires_at(suite: RunningSuite, video: Kept) -> float:
    sql = "SELECT expires_at FROM gateway.generations WHERE generation_id = $1"
    (row,) = suite.look(sql, video.video_id)
    return row["expires_at"].timestamp() if row["expires_at"] else 0.0


def _advance_to(suite: RunningSuite, moment: float) -> None:
    step = parse_duration(f"PT{round(moment - suite.policy_unix())}S")
    suite.advance(duration_isoformat(step))


def _status(video: Kept) -> int:
    with video.account.http() as http:
        statuses = {http.get(f"/v1/videos/{video.video_id}{part}").status_code for part in ("", "/content")}
    (status,) = statuses
    return status


def _is_gone_everywhere(suite: RunningSuite, video: Kept) -> None:
    traces = asyncio.run(places_beyond_frame(suite, video.video_id))
    assert traces.pop("gateway.tombstones") == 1
    assert traces.keys() <= TRACES
    assert not suite.look_at_keys("SELECT 1 FROM keys.item_keys WHERE item_id = $1", video.video_id)
    for prefix in video.prefixes:
        assert objects(suite, prefix) == []
