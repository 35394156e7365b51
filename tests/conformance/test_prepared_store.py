"""The identities that compose and Kubernetes give to services, on a real MinIO."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.docker.prepare import BUCKET, prepare_store
from minio import Minio
from minio.error import S3Error

from tests.conformance.object_stores import OWNER, ObjectStore, minio

pytestmark = pytest.mark.minio
IDENTITIES = {name: (f"{name.lower()}-access", f"{name.lower()}-secret") for name in ("GATEWAY", "JOBS", "VERIFIER")}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    binary = os.environ.get("LETHE_MINIO")
    if not binary:
        pytest.skip("LETHE_MINIO names no program")
    with minio(Path(binary)) as running:
        for _again in range(2):  # as a second deployment does
            prepare_store(running.endpoint, (OWNER.access_key, OWNER.secret_key), IDENTITIES, is_secure=False)
        yield running


def client(store: ObjectStore, who: str) -> Minio:
    access_key, secret_key = IDENTITIES[who]
    return Minio(
        endpoint=store.endpoint, access_key=access_key, secret_key=secret_key, secure=False, region="us-east-1"
    )


def put(store: ObjectStore, who: str, bucket: str = BUCKET) -> None:
    content = b"sealed"
    client(store, who).put_object(
        bucket_name=bucket, object_name=f"c/{who}", data=io.BytesIO(content), length=len(content)
    )


@pytest.mark.parametrize("who", ["GATEWAY", "JOBS"])
def test_a_service_puts_gets_lists_and_removes_in_the_bucket(store: ObjectStore, who: str) -> None:
    put(store, who)
    mine = client(store, who)

    assert mine.get_object(bucket_name=BUCKET, object_name=f"c/{who}").read() == b"sealed"
    assert [found.object_name for found in mine.list_objects(bucket_name=BUCKET, prefix=f"c/{who}")] == [f"c/{who}"]
    mine.remove_object(bucket_name=BUCKET, object_name=f"c/{who}")
    assert list(mine.list_objects(bucket_name=BUCKET, prefix=f"c/{who}", include_version=True)) == []


def test_the_verifier_lists_but_neither_writes_nor_removes_nor_reads(store: ObjectStore) -> None:
    put(store, "JOBS")
    verifier = client(store, "VERIFIER")

    assert [found.object_name for found in verifier.list_objects(bucket_name=BUCKET, prefix="c/JOBS")] == ["c/JOBS"]
    with pytest.raises(S3Error, match="AccessDenied"):
        put(store, "VERIFIER")
    with pytest.raises(S3Error, match="AccessDenied"):
        verifier.remove_object(bucket_name=BUCKET, object_name="c/JOBS")
    with pytest.raises(S3Error, match="AccessDenied"):
        verifier.get_object(bucket_name=BUCKET, object_name="c/JOBS")


@pytest.mark.parametrize("who", IDENTITIES)
def test_nobody_makes_buckets_or_reaches_another_one(store: ObjectStore, who: str) -> None:
    with pytest.raises(S3Error, match="AccessDenied"):
        client(store, who).make_bucket(bucket_name="mine")
    with pytest.raises(S3Error, match="AccessDenied"):
        put(store, who, bucket="readiness")
