"""The ways in are those that the policy declares, in the version that counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.errors import ConfigurationError
from lethe_common.policy import load_book
from lethe_gateway.errors import WayNotOffered
from lethe_gateway.identity import Ways, must_be_made
from tests.hand_clock import HandClock
from tests.unit.common.policy_files import PROFILES, in_two_versions, shipped, written

EFFECTIVE = datetime(2026, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "stand_in", "offered"),
    [
        ("aisora2", None, ["password"]),
        ("aisora2", "guest", ["password"]),
        ("imageshop", None, ["guest"]),
        ("videogen", "password", ["password"]),
    ],
)
def test_offered_is_what_is_declared_and_a_stand_in_only_for_what_is_not_made(
    name: str, stand_in: str | None, offered: list[str]
) -> None:
    book = shipped(name).book
    must_be_made(book, stand_in, has_provider=False)
    ways = Ways(book, HandClock(), stand_in, has_provider=False)

    assert ways.offered == offered
    for way in ("password", "guest"):
        if way in offered:
            ways.must_offer(way)
        else:
            with pytest.raises(WayNotOffered, match=f"Ways in: {offered[0]}"):
                ways.must_offer(way)


def test_an_external_way_in_without_a_provider_refuses_the_start_and_names_the_settings() -> None:
    with pytest.raises(ConfigurationError, match=r"LETHE_OIDC_ISSUER_URL, .*LETHE_IDENTITY_STAND_IN"):
        must_be_made(load_book(PROFILES / "videogen"), None, has_provider=False)


def test_a_provider_that_no_recipient_is_refuses_the_start(tmp_path: Path) -> None:
    written(tmp_path, ("adapter: oidc", "adapter: other"), profile="videogen")

    with pytest.raises(ConfigurationError, match="adapter: oidc"):
        must_be_made(load_book(tmp_path), None, has_provider=True)


def test_with_a_provider_the_external_way_is_offered_and_no_stand_in() -> None:
    book = shipped("videogen").book
    must_be_made(book, None, has_provider=True)

    assert Ways(book, HandClock(), "password", has_provider=True).offered == ["external"]


def test_who_came_in_by_a_way_stays_when_a_later_version_closes_it(tmp_path: Path) -> None:
    folder = in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("identity: [password]", "identity: [guest]"))
    clock = HandClock(EFFECTIVE - timedelta(seconds=1))
    ways = Ways(load_book(folder), clock, None, has_provider=False)

    assert ways.offered == ["password"]
    with pytest.raises(WayNotOffered):
        ways.must_have_offered("guest")
    clock.advance(seconds=1)

    assert ways.offered == ["guest"]
    ways.must_have_offered("password")
    with pytest.raises(WayNotOffered):
        ways.must_offer("password")
