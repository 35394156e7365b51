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

from lethe_common.catalogue import Kind, declare, each, held, impersonal
from lethe_common.errors import LetheError

_OURS = held("technical.log", is_sealed=False)
FRAME_FIELDS = declare(
    Kind.LOG_FIELD,
    each(("event", "level", "timestamp", "service"), _OURS),
)
"""What every line has, put there on its way out."""
FIELDS = declare(
    Kind.LOG_FIELD,
    {
        **each(
            ("breach_id", "certificate_id", "erasure_id", "export_id", "event_id", "generation_id", "mail_id", "request_id"),
            _OURS,
        ),
        **each(("error", "where"), impersonal("type of an exception, and places in our code")),
        **each(("logger", "template"), impersonal("a library's name and its unfilled sentence; a mail's template")),
        **each(
            (
                "age", "call", "category", "cause", "consumer", "error_code", "event_type", "kind", "policy_hash", "provider",
                "recipient", "revision", "state", "store", "stream", "subject", "sweep", "worker",
            ),
            impersonal("a name of ours"),
        ),
        **each(
            (
                "attempt", "count", "delay_seconds", "deliveries", "hold_count", "port", "sequence", "total", "version",
            ),
            impersonal("a number"),
        ),
    },
)  # fmt: skip
"""What a log call may say beside its event. All else is replaced by `[redacted]`."""
_ALLOWED = frozenset(FRAME_FIELDS.holdings) | frozenset(FIELDS.holdings)


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
