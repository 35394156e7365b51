"""What the policy does not let out stays inside, and the operator sees that something wanted to leave."""

from typing import Any

import pytest

from lethe_common.services import Service
from tests import plain
from tests.suite import answered, fresh_suite, until

pytestmark = pytest.mark.timeout(180)


def test_a_mail_to_a_port_that_is_not_the_mail_recipients_is_refused_and_shown() -> None:
    with fresh_suite(settings={"SMTP_URL": "smtp://mail.example.org:2525"}) as running:
        account = running.open_account()
        with account.http() as client:
            assert client.post("/v1/password-resets", json={"email": account.email}).is_success

        with running.console() as console:

            def refused() -> list[dict[str, Any]]:
                told = answered(console.get("/api/egress"))["services"]
                return [one for service in told if service["service"] == "gateway" for one in service["refusals"]]

            (first, *_) = until(refused, "the refusal")
        page = f"http://127.0.0.1:{running.runtime.health_ports[Service.GATEWAY]}/metrics"
        metrics = plain.page(page)

    assert (first["recipient"], first["reason"]) == ("mail", "port")
    assert account.email not in str(first)
    assert 'lethe_egress_refused_total{reason="port",recipient="mail"}' in metrics
