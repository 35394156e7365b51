"""This service's own numbers. Labels are providers and states: never ids."""

from prometheus_client import Counter, Gauge, Histogram

from lethe_common.telemetry import Metrics


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
