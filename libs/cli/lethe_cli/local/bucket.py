"""The one bucket all objects are in. The runner makes it, with an identity that no service has."""

import asyncio

import urllib3
from minio import Minio

from lethe_cli.local.secrets import S3Key

BUCKET = "lethe"
_PATIENCE_SECONDS = 5.0


def client(endpoint: str, key: S3Key) -> Minio:
    """An S3 client that does not wait long and does not retry by itself."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(_PATIENCE_SECONDS), retries=urllib3.Retry(0))
    return Minio(
        endpoint=endpoint,
        access_key=key.access_key,
        secret_key=key.secret_key,
        secure=False,
        region="us-east-1",
        http_client=pool,
    )


async def make_bucket(endpoint: str, admin: S3Key) -> None:
    """Make the bucket unless it is there."""

    def make() -> None:
        store = client(endpoint, admin)
        if not store.bucket_exists(bucket_name=BUCKET):
            store.make_bucket(bucket_name=BUCKET)

    await asyncio.to_thread(make)


async def answers(endpoint: str, admin: S3Key) -> bool:
    """Whether the store answers a signed request."""
    await asyncio.to_thread(lambda: client(endpoint, admin).bucket_exists(bucket_name=BUCKET))
    return True
