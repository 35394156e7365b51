"""Retention's own numbers."""

from prometheus_client import Counter, Gauge

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.telemetry import Metrics

METRICS = declare(
    Kind.METRIC,
    each(
        ("lethe_items_overdue", "lethe_items_due", "lethe_items_verified", "lethe_items_still_there"),
        impersonal("a number about all items"),
    ),
)


class Gauges:
    """What an operator is alarmed by."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.overdue = Gauge("lethe_items_overdue", "Items past deadline and grace, not gone", registry=registry)
        self.due = Counter("lethe_items_due", "Items whose time was over", registry=registry)
        self.verified = Counter("lethe_items_verified", "Items seen to be gone", registry=registry)
        self.still_there = Counter("lethe_items_still_there", "Looks that still saw something", registry=registry)
