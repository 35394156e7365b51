"""The bus: a thin layer over nats-py that never loses a message and never applies one twice.

Events leave through the outbox and its relay, and enter through consumers with
an inbox; requests go over NATS micro services.
"""

from lethe_common.bus.client import Bus
from lethe_common.bus.dispatcher import BatchHandler, Handler

__all__ = ["BatchHandler", "Bus", "Handler"]
