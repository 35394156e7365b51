"""How much storage may take at once, and how long."""

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one `Storage`.

    A call that the server leaves unanswered ends after about
    `(retries + 1) * read_seconds`; one that cannot connect after
    `(retries + 1) * connect_seconds`.
    """

    threads: int = 16
    open_reads: int = 256
    """Reads that hold a connection; a slow client holds one for long."""
    open_read_wait_seconds: float = 5.0
    connect_seconds: float = 2.0
    read_seconds: float = 20.0
    retries: int = 3
    backoff_seconds: float = 0.1
    backoff_max_seconds: float = 2.0
    part_bytes: int = 8 * _MIB
    """What is larger goes up in parts of this size; S3 wants 5 MiB at least and 10,000 parts at most."""
    max_object_bytes: int = 64 * 1024 * _MIB
    chunk_bytes: int = 256 * 1024
    page: int = 1000
    """Objects listed and deleted per request; S3 allows no more."""
    removal_rounds: int = 10_000
