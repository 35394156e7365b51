"""What the policy does not let out stays inside, and the operator sees that something wanted to leave."""

from typing import Any

import httpx2
import pytest

from lethe_common.services import Service
from tests import plain
from tests.suite import Account, RunningSuite, answered, fresh_suite, until

pytestmark = pytest.mark.timeout(180)


def test_a_mail_to_another_port_or_to_whom_no_contract_stands_with_is_refused_and_shown() -> None:
    settings = {"SMTP_URL": "smtp://mail.example.org:2525", "REGISTER_FOLLOW_SECONDS": "0.2"}
    with fresh_suite(settings=settings) as running:
        account = running.open_account()
        with running.console() as console:
            first = refused_for(console, account, "port")
            entered = answered(console.post("/api/registers/processors/mail", json=ended()))
            second = refused_for(console, account, "contract_expired")
            listed = answered(console.get("/api/registers/processors"))["processors"]
            unknown = console.post("/api/registers/processors/nobody", json=ended())
            backwards = console.post("/api/registers/processors/mail", json={**ended(), "ends_on": "2025-01-01"})
        metrics = metrics_of(running)

    assert (first["recipient"], second["recipient"]) == ("mail", "mail")
    assert account.email not in str((first, second))
    assert 'lethe_egress_refused_total{reason="port",recipient="mail"}' in metrics
    assert 'lethe_egress_refused_total{reason="contract_expired",recipient="mail"}' in metrics
    assert (entered["state"], entered["is_open"], entered["entered"]["operator"]) == ("ended", False, "A. Clerk")
    assert [one["recipient_id"] for one in listed if not one["is_open"]] == ["mail"]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "recipient_unknown")
    assert (backwards.status_code, backwards.json()["error"]["code"]) == (400, "contract_backwards")


def ended() -> dict[str, str]:
    return {"operator": "A. Clerk", "reference": "DPA 12", "starts_on": "2026-01-01", "ends_on": "2026-01-31"}


def refused_for(console: httpx2.Client, account: Account, reason: str) -> dict[str, Any]:
    """The refusal of a mail that is asked for now."""
    with account.http() as client:
        assert client.post("/v1/password-resets", json={"email": account.email}).is_success

    def refused() -> dict[str, Any] | None:
        told = answered(console.get("/api/egress"))["services"]
        found = [one for service in told if service["service"] == Service.GATEWAY for one in service["refusals"]]
        return next((one for one in found if one["reason"] == reason), None)

    return until(refused, "the refusal")


def metrics_of(running: RunningSuite) -> str:
    return plain.page(f"http://127.0.0.1:{running.runtime.health_ports[Service.GATEWAY]}/metrics")
