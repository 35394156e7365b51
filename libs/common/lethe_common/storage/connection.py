"""The minio SDK off the event loop: a bounded pool of threads, and its errors in our words."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError

from lethe_common.errors import Unavailable
from lethe_common.storage.errors import ObjectMissing, StorageFailed, StorageRefused
from lethe_common.storage.limits import Limits

T = TypeVar("T")

_AWAY = "The object store is away. Retry in a moment."
_MISSING_CODES = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchObject"})
_REFUSED_CODES = frozenset(
    {"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "MethodNotAllowed", "SignatureDoesNotMatch"}
)
_AWAY_CODES = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "XMinioServerNotInitialized",
    }
)
_SERVER_ERROR = 500


class Connection:
    """One bucket of one S3 server, with one identity."""

    def __init__(self, client: Minio, bucket: str, limits: Limits, http: urllib3.PoolManager) -> None:
        self.client, self.bucket, self.limits = client, bucket, limits
        self._http = http
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="storage")

    async def call(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread.

        Cancelled, it still waits for the thread (each request is bounded): what was
        cancelled writes nothing afterwards, which an erasure relies on.

        Raises:
            ObjectMissing, StorageRefused, StorageFailed, Unavailable
        """
        running = asyncio.wrap_future(self._pool.submit(partial(_translated, work)))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await _outlast(running)
            raise

    def start(self, work: Callable[[], T]) -> "Future[T]":
        """Run blocking work in a thread without waiting for it."""
        return self._pool.submit(partial(_translated, work))

    async def close(self) -> None:
        """Wait for the threads, then drop the connections."""
        await asyncio.to_thread(self._pool.shutdown)
        self._http.clear()


def connect(
    endpoint: str, access_key: str, secret_key: str, bucket: str, *, is_secure: bool, region: str, limits: Limits
) -> Connection:
    """A connection that dials at its first call. The SDK's own default waits 5 minutes and retries 5 times."""
    retry = urllib3.Retry(
        total=limits.retries,
        backoff_factor=limits.backoff_seconds,
        backoff_max=limits.backoff_max_seconds,
        status_forcelist=(500, 502, 503, 504),
        respect_retry_after_header=False,
        redirect=False,
    )
    timeout = urllib3.Timeout(connect=limits.connect_seconds, read=limits.read_seconds)
    http = urllib3.PoolManager(timeout=timeout, retries=retry, maxsize=limits.threads, cert_reqs="CERT_REQUIRED")
    client = Minio(endpoint, access_key, secret_key, secure=is_secure, region=region, http_client=http)
    return Connection(client, bucket, limits, http)


def _translated(work: Callable[[], T]) -> T:
    with _in_our_words():
        return work()


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise _of_code(error.code or "") from error
    except ServerError as error:
        raise Unavailable(_AWAY) from error
    except InvalidResponseError as error:
        # What stands in front of the store (a proxy, a filer still starting) answers in its own words.
        raise (Unavailable(_AWAY) if error._code >= _SERVER_ERROR else StorageFailed("Not an S3 answer.")) from error  # noqa: SLF001 - the SDK has no accessor
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(_AWAY) from error


def _of_code(code: str) -> Exception:
    if code in _MISSING_CODES:
        return ObjectMissing()
    if code in _REFUSED_CODES:
        return StorageRefused(code)
    if code in _AWAY_CODES:
        return Unavailable(_AWAY)
    return StorageFailed(f"The object store answered {code or 'without a code'}.")


async def _outlast(running: "asyncio.Future[T]") -> None:
    """Wait until a thread is done, however often the waiting is cancelled."""
    while not running.done():
        try:
            await asyncio.wait((running,))
        except asyncio.CancelledError:
            continue
