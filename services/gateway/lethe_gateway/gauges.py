"""This service's own numbers. Labels are kinds of mail and reasons: never ids."""

from prometheus_client import Counter

from lethe_common.catalogue import Kind, declare, each, impersonal
from lethe_common.telemetry import Metrics

METRICS = declare(Kind.METRIC, {"lethe_mails_withheld": impersonal("a number about all mails")})
LABELS = declare(
    Kind.METRIC_LABEL,
    each(("lethe_mails_withheld.template", "lethe_mails_withheld.reason"), impersonal("a name of a fixed list")),
)


class Gauges:
    """What an operator looks at."""

    def __init__(self, metrics: Metrics) -> None:
        self.withheld = Counter(
            "lethe_mails_withheld", "Mails that were not allowed", ["template", "reason"], registry=metrics.registry
        )
