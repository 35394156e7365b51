"""This service's own numbers. Labels are providers and states: never ids."""

from prometheus_client import Counter, Gauge, Histogram

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.telemetry import Metrics

METRICS = declare(
    Kind.METRIC,
    each(
        (
            "lethe_runs_queued", "lethe_runs_running", "lethe_runs_claimed", "lethe_runs_settled",
            "lethe_leases_lost", "lethe_run_seconds", "lethe_generations_removed",
        ),
        impersonal("a number about all runs"),
    ),
)  # fmt: skip
LABELS = declare(
    Kind.METRIC_LABEL,
    each(
        (
            "lethe_runs_queued.kind", "lethe_runs_running.provider", "lethe_runs_claimed.provider",
            "lethe_runs_settled.state", "lethe_runs_settled.cause", "lethe_run_seconds.provider",
            "lethe_generations_removed.rule",
        ),
        impersonal("a name of a fixed list"),
    ),
)  # fmt: skip


class Gauges:
    """What an operator scales by."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.queued = Gauge("lethe_runs_queued", "Runs not leased yet", ["kind"], registry=registry)
        self.running = Gauge("lethe_runs_running", "Runs in this process", ["provider"], registry=registry)
        self.claimed = Counter("lethe_runs_claimed", "Leases taken", ["provider"], registry=registry)
        self.settled = Counter("lethe_runs_settled", "Leases ended", ["state", "cause"], registry=registry)
        self.lost = Counter("lethe_leases_lost", "Verdicts of workers whose lease was gone", registry=registry)
        self.made = Histogram(
            "lethe_run_seconds", "From lease to stored output", ["provider"], registry=registry,
            buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600),
        )  # fmt: skip
        self.removed = Counter("lethe_generations_removed", "Generations removed", ["rule"], registry=registry)
