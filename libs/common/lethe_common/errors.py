"""The root of every service's error tree.

LetheError
├── ConfigurationError    the process cannot start as configured; says what to set
├── Unavailable     503   something needed is away for now; retry
└── <Service>Error        each service's own tree, on the first page of its errors.py
"""

from typing import ClassVar


class LetheError(Exception):
    """What a caller may be told: a stable code, an HTTP status and a sentence with the next step.

    The sentence must never echo input.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500


class ConfigurationError(LetheError):
    """The process cannot start as configured."""

    code = "configuration_error"


class Unavailable(LetheError):
    """Something this request needs is away for now. Retrying is safe."""

    code, status = "unavailable", 503
