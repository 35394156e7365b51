"""Retention's own numbers."""

from prometheus_client import Counter, Gauge

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.telemetry import Metrics

METRICS = declare(
    Kind.METRIC,
    each(
        (
            "lethe_items_overdue", "lethe_items_due", "lethe_items_verified", "lethe_items_still_there",
            "lethe_items_noticed", "lethe_orphans", "lethe_orphans_removed",
        ),
        impersonal("a number about all items"),
    ),
)  # fmt: skip
LABELS = declare(
    Kind.METRIC_LABEL,
    {
        **each(("lethe_items_overdue.category", "lethe_items_overdue.age"), impersonal("a name of a fixed list")),
        "lethe_orphans.kind": impersonal("a name of a fixed list"),
        "lethe_orphans.place": impersonal("name of a table or an object prefix"),
    },
)


class Gauges:
    """What an operator is alarmed by."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.overdue = Gauge(
            "lethe_items_overdue", "Items past deadline and grace, not gone", ["category", "age"], registry=registry
        )
        self.orphans = Gauge(
            "lethe_orphans", "What one store has and another does not", ["kind", "place"], registry=registry
        )
        self.orphans_removed = Counter("lethe_orphans_removed", "Objects removed by their owner", registry=registry)
        self.noticed = Counter("lethe_items_noticed", "Items whose owner was told that they go", registry=registry)
        self.due = Counter("lethe_items_due", "Items whose time was over", registry=registry)
        self.verified = Counter("lethe_items_verified", "Items seen to be gone", registry=registry)
        self.still_there = Counter("lethe_items_still_there", "Looks that still saw something", registry=registry)
