"""This service's own numbers. Labels are kinds of request and how urgent they are: never ids."""

from prometheus_client import Gauge

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.telemetry import Metrics

METRICS = declare(Kind.METRIC, {"lethe_requests_open": impersonal("a number about all requests")})
LABELS = declare(
    Kind.METRIC_LABEL,
    each(("lethe_requests_open.kind", "lethe_requests_open.standing"), impersonal("a name of a fixed list")),
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
