"""The bucket itself: there, and with versions if so wished."""

from minio.commonconfig import ENABLED
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

from lethe_common.storage.connection import Connection

_TAKEN_BY_US = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


async def ensure_bucket(connection: Connection, *, is_versioned: bool) -> None:
    """Make what is missing. A bucket that has versions keeps them."""
    await connection.call(lambda: _ensure(connection, is_versioned=is_versioned))


def _ensure(connection: Connection, *, is_versioned: bool) -> None:
    client, bucket = connection.client, connection.bucket
    if not client.bucket_exists(bucket):
        try:
            client.make_bucket(bucket)
        except S3Error as error:
            # Another process was quicker.
            if error.code not in _TAKEN_BY_US:
                raise
    if is_versioned and client.get_bucket_versioning(bucket).status != ENABLED:
        client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
