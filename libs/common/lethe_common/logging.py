"""Structured logs that cannot tell on a person: keys pass by allow-list, messages of others stay templates.

An exception is logged by its type and the places it passed, without its text,
since drivers put values into their messages; Lethe's own errors never echo input.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from lethe_common.errors import LetheError

_ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "service", "error", "error_code", "where", "logger", "template",
        "trace_id", "request_id", "method", "route", "status", "duration_ms",
        "account_id", "generation_id", "run_id", "hold_id", "upload_id", "erasure_id", "certificate_id", "mail_id",
        "event_id", "event_type", "stream", "consumer", "subject", "parked_id", "deliveries", "call",
        "count", "total", "attempt", "state", "cause", "rule", "category", "model", "provider", "store", "owner",
        "port", "version", "policy_hash", "seconds", "delay_seconds", "size_bytes", "sequence", "worker", "purpose",
        "policy_time", "step", "lease_token", "epoch_id", "difference", "revision", "profile", "age", "kind",
    }
)  # fmt: skip


def configure(service: str, level: str) -> None:
    """Send this process's logs, and those of its libraries, to standard output as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Stamp(service),
            _exception_places,
            _redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(logging.WARNING)


def places(error: BaseException) -> list[str]:
    """Where an exception passed, as `file:line function`, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-8:]]


def describe(error: BaseException) -> str:
    """An exception in words that are safe to keep."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, LetheError) else name


class _Stamp:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        entry["service"] = self._service
        return entry


def _exception_places(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = entry.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        entry["error"], entry["where"] = describe(error), places(error)
    return entry


def _redact(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value if key in _ALLOWED else "[redacted]" for key, value in entry.items()}


class _Forward(logging.Handler):
    """Library logs keep their template and lose their arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        template = record.msg if isinstance(record.msg, str) and record.args else type(record.msg).__name__
        error = record.exc_info[1] if record.exc_info else None
        log.log(record.levelno, "library", logger=record.name, template=template, exc_info=error)
