"""This service's own numbers. Labels are kinds of request, how urgent they are, and recipients: never somebody's ids."""

from prometheus_client import Gauge

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.telemetry import Metrics

METRICS = declare(
    Kind.METRIC,
    {
        "lethe_requests_open": impersonal("a number about all requests"),
        "lethe_breach_duties_open": impersonal("a number about all breaches"),
        "lethe_contract_days_left": impersonal("days until a contract between companies ends"),
    },
)
LABELS = declare(
    Kind.METRIC_LABEL,
    {
        **each(("lethe_requests_open.kind", "lethe_requests_open.standing"), impersonal("a name of a fixed list")),
        "lethe_breach_duties_open.standing": impersonal("a name of a fixed list"),
        "lethe_contract_days_left.recipient": impersonal("a recipient of the policy"),
    },
)


class Gauges:
    """What an operator is alarmed by."""

    def __init__(self, metrics: Metrics) -> None:
        self.open = Gauge(
            "lethe_requests_open",
            "Requests by right that are to be answered: in time, soon or overdue",
            ["kind", "standing"],
            registry=metrics.registry,
        )
        self.contract_days = Gauge(
            "lethe_contract_days_left",
            "Days until the contract with a recipient ends; below zero nothing is sent there",
            ["recipient"],
            registry=metrics.registry,
        )
        self.breach_duties = Gauge(
            "lethe_breach_duties_open",
            "Notifications of open breaches that were not made: in time, soon or overdue",
            ["standing"],
            registry=metrics.registry,
        )
