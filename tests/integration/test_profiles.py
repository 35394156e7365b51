"""The one image runs every shipped profile: five real processes each, and what they say of their policy."""

from pathlib import Path

import pytest

from lethe_common.services import Service
from tests.integration.gateway_suite import running_suite
from tests.servers import RunningServers
from tests.unit.common.policy_files import NAMES, PROFILES, shipped_policy

pytestmark = pytest.mark.timeout(200)


@pytest.mark.parametrize("name", NAMES)
def test_every_service_starts_on_every_profile_and_names_its_policy(
    servers: RunningServers, tmp_path: Path, name: str
) -> None:
    policy = shipped_policy(name)
    with running_suite(servers, tmp_path, PROFILE=str(PROFILES / name), IDENTITY_STAND_IN="password") as suite:
        with suite.client() as client:
            page = client.get("/privacy")
            studio = client.get("/", headers={"Accept": "text/html"})
        with suite.client(suite.token) as operator:
            health = operator.get(f"{suite.console_url}/api/health").json()["services"]

    assert (page.status_code, studio.status_code) == (200, 200)
    assert policy.hash in page.text
    assert f'<html lang="{policy.languages[0]}">' in page.text
    assert {(one["service"], one["policy_hash"], one["policy_version"]) for one in health} == {
        (service, policy.hash, 1) for service in Service
    }
    assert all(one["policy_next"] is None for one in health)
