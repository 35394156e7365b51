"""What an administrator does once, before the services start: roles, databases, schemas, the bucket and its identities.

Runs in compose and as a Kubernetes job, in any service's image. Doing it again changes nothing
but passwords. Reads from its environment:

    POSTGRES_URL                     of the superuser, without a database: postgresql://postgres:…@postgres:5432
    POSTGRES_PASSWORD_<ROLE>         for every role of lethe_common.database.roles
    S3_ENDPOINT, S3_SECURE           of a MinIO; leave S3_ENDPOINT empty where the bucket and its keys come from elsewhere
    S3_ROOT_ACCESS_KEY, S3_ROOT_SECRET_KEY
    S3_ACCESS_KEY_<WHO>, S3_SECRET_KEY_<WHO>  for GATEWAY, JOBS and VERIFIER
"""

import asyncio
import os
from collections.abc import Mapping

import asyncpg
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from lethe_common.database.roles import (
    DATABASES,
    database_statements,
    missing_databases,
    role_names,
    role_statements,
    system_statements,
)

BUCKET = "lethe"
_LOOK = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
_BUCKET_WORK = [*_LOOK, "s3:GetBucketVersioning"]
_OBJECT_WORK = [
    "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts", "s3:PutObject",
]  # fmt: skip


async def prepare_databases(url: str, passwords: Mapping[str, str]) -> None:
    """Create every role, database and schema that is missing, and set every role's password."""
    connection = await asyncpg.connect(f"{url}/postgres")
    try:
        for statement in [*role_statements(passwords), *system_statements()]:
            await connection.execute(statement)
        existing = [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]
        for statement in missing_databases(existing):
            await connection.execute(statement)
    finally:
        await connection.close()
    for database in DATABASES:
        await _apply(f"{url}/{database}", database_statements(database))


async def _apply(url: str, statements: list[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


def prepare_store(
    endpoint: str, root: tuple[str, str], identities: Mapping[str, tuple[str, str]], *, is_secure: bool
) -> None:
    """Make the bucket and an identity for each who needs one; the verifier may only look."""
    store = Minio(endpoint=endpoint, access_key=root[0], secret_key=root[1], secure=is_secure)
    if not store.bucket_exists(bucket_name=BUCKET):
        store.make_bucket(bucket_name=BUCKET)
    admin = MinioAdmin(endpoint=endpoint, credentials=StaticProvider(*root), secure=is_secure)
    admin.policy_add("lethe-work", policy=_policy(_BUCKET_WORK, _OBJECT_WORK))
    admin.policy_add("lethe-look", policy=_policy(_LOOK, []))
    for who, (access_key, secret_key) in identities.items():
        admin.user_add(access_key, secret_key)
        admin.policy_set("lethe-look" if who == "VERIFIER" else "lethe-work", user=access_key)


def _policy(on_bucket: list[str], on_objects: list[str]) -> dict[str, object]:
    statements = [{"Effect": "Allow", "Action": on_bucket, "Resource": [f"arn:aws:s3:::{BUCKET}"]}]
    if on_objects:
        statements.append({"Effect": "Allow", "Action": on_objects, "Resource": [f"arn:aws:s3:::{BUCKET}/*"]})
    return {"Version": "2012-10-17", "Statement": statements}


def main() -> None:
    given = os.environ
    passwords = {role: given[f"POSTGRES_PASSWORD_{role.upper()}"] for role in role_names()}
    asyncio.run(prepare_databases(given["POSTGRES_URL"], passwords))
    if endpoint := given.get("S3_ENDPOINT"):
        root = given["S3_ROOT_ACCESS_KEY"], given["S3_ROOT_SECRET_KEY"]
        who = ("GATEWAY", "JOBS", "VERIFIER")
        identities = {name: (given[f"S3_ACCESS_KEY_{name}"], given[f"S3_SECRET_KEY_{name}"]) for name in who}
        prepare_store(endpoint, root, identities, is_secure=given.get("S3_SECURE") == "true")


if __name__ == "__main__":
    main()
