"""Metrics and trace context.

Trace context (W3C Trace Context) follows a request through HTTP, the outbox and
NATS headers; baggage is dropped, since clients choose it. Spans are recorded
for the share of traces that `trace_ratio` says, and only if an exporter is set up.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lethe_common.catalogue import Kind, declare, each, impersonal

METRICS = declare(
    Kind.METRIC,
    each(
        (
            "lethe_events_told", "lethe_events_relayed", "lethe_events_replayed", "lethe_events_handled",
            "lethe_events_retried", "lethe_events_parked", "lethe_rpc_seconds", "lethe_outbox_pending",
        ),
        impersonal("a number about all of a service's work"),
    ),
)  # fmt: skip
LABELS = declare(
    Kind.METRIC_LABEL,
    each(
        (
            "lethe_events_told.type", "lethe_events_handled.type", "lethe_events_retried.type",
            "lethe_events_parked.stream", "lethe_rpc_seconds.call", "lethe_rpc_seconds.outcome",
        ),
        impersonal("a name of a fixed list"),
    ),
)  # fmt: skip

_PROPAGATOR = TraceContextTextMapPropagator()


class Metrics:
    """One process's numbers. Labels are types, services and outcomes: never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.told = Counter("lethe_events_told", "Events written to the outbox", ["type"], registry=self.registry)
        self.relayed = Counter("lethe_events_relayed", "Outbox rows published", registry=self.registry)
        self.replayed = Counter("lethe_events_replayed", "Published rows sent again", registry=self.registry)
        self.handled = Counter("lethe_events_handled", "Events applied", ["type"], registry=self.registry)
        self.retried = Counter("lethe_events_retried", "Deliveries that failed", ["type"], registry=self.registry)
        self.parked = Counter("lethe_events_parked", "Messages set aside", ["stream"], registry=self.registry)
        self.calls = Histogram("lethe_rpc_seconds", "Requests answered", ["call", "outcome"], registry=self.registry)
        self.outbox_pending = Gauge("lethe_outbox_pending", "Rows waiting for the relay", registry=self.registry)


def configure(service: str, ratio: float) -> TracerProvider:
    """Set up tracing for this process and return the provider, for an exporter to join."""
    sampler = ParentBased(TraceIdRatioBased(ratio))
    provider = TracerProvider(sampler=sampler, resource=Resource({"service.name": f"lethe-{service}"}))
    trace.set_tracer_provider(provider)
    return provider


def current_traceparent() -> str | None:
    """The running span as a `traceparent` value, or None outside of one."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, parent: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a piece of work as a span, under the parent in these headers if there is one."""
    context = _PROPAGATOR.extract(parent) if parent else None
    with trace.get_tracer("lethe").start_as_current_span(name, context=context, kind=kind, record_exception=False):
        yield
