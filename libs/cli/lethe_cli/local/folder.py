"""The data folder: everything one suite keeps, and the lock that lets one `lethe up` use it."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lethe_cli.errors import FolderRefused

_PRIVATE = 0o700
_PASSABLE = 0o711


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The places inside one data folder."""

    path: Path

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def signing_key(self) -> Path:
        return self.path / "signing_key.pem"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def nats(self) -> Path:
        return self.path / "nats"

    @property
    def s3(self) -> Path:
        return self.path / "s3"

    @property
    def keyring(self) -> Path:
        return self.path / "keyring"

    @property
    def key_backups(self) -> Path:
        return self.path / "key_backups"

    @property
    def recovery_key(self) -> Path:
        """The public half; the private one is kept offline."""
        return self.path / "recovery_key.pem"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def tmp(self) -> Path:
        return self.path / "tmp"

    @property
    def clock(self) -> Path:
        return self.path / "clock.json"

    @property
    def last_backup(self) -> Path:
        return self.path / "last_backup.json"

    @property
    def runtime(self) -> Path:
        return self.path / "runtime.json"

    @property
    def control(self) -> Path:
        return self.path / "control.sock"

    def prepare(self) -> None:
        """Create what is missing, closed to other users.

        As root the folder itself may be passed through, not listed, since the
        database runs as another user inside it.

        Raises:
            FolderRefused: the folder cannot be created or is somebody else's.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if self.path.stat().st_uid != os.geteuid():
                raise FolderRefused(f"{self.path} belongs to another user. Choose another folder with --data.")
            self.path.chmod(_PASSABLE if os.geteuid() == 0 else _PRIVATE)
            for folder in (self.nats, self.s3, self.keyring, self.logs, self.tmp):
                folder.mkdir(mode=_PRIVATE, exist_ok=True)
        except OSError as error:
            raise FolderRefused(f"{self.path} cannot be used: {error.strerror}. Choose another with --data.") from error

    @property
    def is_in_use(self) -> bool:
        """Whether somebody has taken the folder, and lives: what is written in it may be older than a power cut."""
        try:
            with (self.path / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def lock(self) -> IO[str]:
        """Take the folder for this process; the lock ends with the returned file, however the process ends.

        Raises:
            FolderRefused: another `lethe up` has it.
        """
        file = (self.path / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise FolderRefused(
                f"A suite already runs on {self.path}. Stop it, or choose another folder with --data."
            ) from error
        return file


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
