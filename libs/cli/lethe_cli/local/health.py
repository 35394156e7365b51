"""What `lethe doctor` looks at. Each finding says what to do next."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from lethe_cli.errors import CommandError
from lethe_cli.local import minio_server, nats_server, runtime, seaweed
from lethe_cli.local.accounts import can_reach, unprivileged
from lethe_cli.local.backups import LastBackup
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.pgfiles import abandoned, postgres_programs, postgres_version
from lethe_cli.local.ports import LOOPBACK, is_free
from lethe_cli.local.programs import find
from lethe_common.clock import wall

_BACKUP_AGE_MOST = timedelta(days=2)
_LEAST_PYTHON = (3, 11)
_LEAST_DISK_BYTES = 5 * 1024**3
_PRIVATE_FILES = ("secrets.json", "signing_key.pem")
_OTHERS = 0o077
_OTHERS_READ_OR_WRITE = 0o066


class Grade(StrEnum):
    """How bad a finding is."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `next_step` is empty when there is nothing to do."""

    grade: Grade
    subject: str
    found: str
    next_step: str = ""


def examine(
    data: Path, port: int, console_port: int, *, keyring: Path | None = None, is_apart: bool = False
) -> Iterator[Finding]:
    """Look at programs, ports, disk, the data folder and what the system may write to disk behind our back."""
    folder = DataFolder(data.absolute())
    yield _python()
    for look in (_postgres, _nats, _seaweed):
        yield look()
    yield _minio()
    yield from _ports(folder, port, console_port)
    yield _disk(folder.path)
    yield _data_folder(folder)
    yield keyring_finding(keyring or folder.keyring, folder.path, must_be_apart=is_apart)
    yield recovery_finding(folder)
    yield _last_backup(folder)
    yield _database_user(folder)
    yield from _abandoned()
    yield _core_dumps()
    yield _swap()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _LEAST_PYTHON:
        return Finding(Grade.BAD, "Python", version, "Use Python 3.11 or newer.")
    return Finding(Grade.GOOD, "Python", version)


def _found(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(Grade.GOOD, subject, look())
    except CommandError as error:
        return Finding(Grade.BAD, subject, "not found", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(Grade.BAD, subject, f"does not run ({type(error).__name__})", "Install it again.")


def _postgres() -> Finding:
    def look() -> str:
        programs = postgres_programs()
        return f"{postgres_version(programs)} in {programs}"

    return _found("PostgreSQL", look)


def _nats() -> Finding:
    return _found("NATS", lambda: _said(find("nats-server", nats_server.PACKAGE), "--version"))


def _seaweed() -> Finding:
    return _found("SeaweedFS", lambda: _said(find("weed", seaweed.PACKAGE), "version"))


def _said(program: Path, argument: str) -> str:
    said = subprocess.run([program, argument], capture_output=True, text=True, timeout=20, check=True).stdout
    return f"{said.strip().splitlines()[0]} ({program})"


def _minio() -> Finding:
    program = minio_server.cached_program()
    if program.is_file():
        return Finding(Grade.GOOD, "MinIO", f"built, {program}")
    return Finding(Grade.NOTE, "MinIO", "not built", "Only `lethe up --store minio` needs it, and builds it.")


def _ports(folder: DataFolder, port: int, console_port: int) -> Iterator[Finding]:
    try:
        ours = runtime.read(folder)
    except CommandError:
        ours = None
    for number, option in ((port, "--port"), (console_port, "--console-port")):
        subject = f"port {number}"
        if is_free(number):
            yield Finding(Grade.GOOD, subject, "free")
        elif ours and f"http://{LOOPBACK}:{number}" in (ours.url, ours.console_url):
            yield Finding(Grade.GOOD, subject, "in use by the suite on this data folder")
        else:
            yield Finding(Grade.NOTE, subject, "in use", f"Start with another one: `lethe up {option} NUMBER`.")


def _disk(path: Path) -> Finding:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1024**3:.1f} GiB free at {existing}"
    if free < _LEAST_DISK_BYTES:
        return Finding(Grade.BAD, "disk", found, "Free some, or choose a folder on another disk with --data.")
    return Finding(Grade.GOOD, "disk", found)


def _data_folder(folder: DataFolder) -> Finding:
    if not folder.path.exists():
        return Finding(Grade.GOOD, "data folder", f"{folder.path} will be made")
    open_ones = [name for name in _PRIVATE_FILES if _mode(folder.path / name) & _OTHERS]
    if _mode(folder.path) & _OTHERS_READ_OR_WRITE or open_ones:
        places = " ".join(str(folder.path / name) for name in ("", *open_ones))
        return Finding(Grade.BAD, "data folder", "others can read it", f"Close it: `chmod go-rw {places}`.")
    return Finding(Grade.GOOD, "data folder", str(folder.path))


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else 0


def keyring_finding(keyring: Path, data: Path, *, must_be_apart: bool) -> Finding:
    """Whether the keyring lies on a volume of its own. Beside the data, one stolen disk opens everything."""
    if not _is_same_volume(keyring, data):
        return Finding(Grade.GOOD, "keyring", f"{keyring}, on a volume of its own")
    next_step = "Keep it on another volume (tmpfs together with key backups, or a vault), out of the data's backups."
    if must_be_apart:
        return Finding(Grade.BAD, "keyring", f"{keyring}, on the volume of the data it opens", next_step)
    return Finding(Grade.NOTE, "keyring", f"{keyring}, beside the data it opens", f"Fine for trying out. {next_step}")


def recovery_finding(folder: DataFolder) -> Finding:
    """Whether a lost keyring could be brought back."""
    if not folder.recovery_key.exists():
        return Finding(
            Grade.NOTE,
            "key backups",
            "none: there is no recovery key",
            "Without one a lost keyring loses everything: `lethe keys recovery-key new -o FILE`.",
        )
    backups = sorted(folder.key_backups.glob("generation-*.keys"))
    if not backups:
        return Finding(Grade.NOTE, "key backups", "none yet", "The next rotation makes one, or `lethe keys backup`.")
    return Finding(Grade.GOOD, "key backups", f"{len(backups)} in {folder.key_backups}")


def _is_same_volume(one: Path, other: Path) -> bool:
    devices = [
        next(parent for parent in (path, *path.absolute().parents) if parent.exists()).stat().st_dev
        for path in (one, other)
    ]
    return devices[0] == devices[1]


def _database_user(folder: DataFolder) -> Finding:
    account = unprivileged()
    if account is None:
        return Finding(Grade.GOOD, "database user", "runs as you")
    if can_reach(folder.postgres):
        return Finding(Grade.GOOD, "database user", f"{account.name}, since PostgreSQL refuses root")
    return Finding(
        Grade.NOTE,
        "database user",
        f"{account.name} cannot pass to {folder.path}",
        "Its files will be in /var/lib/lethe, with a link in the data folder. To avoid it choose another --data.",
    )


def _abandoned() -> Iterator[Finding]:
    for place in abandoned():
        yield Finding(
            Grade.NOTE,
            "old database",
            f"{place}, whose data folder is gone or was moved",
            f"If it was not moved: `rm -r {place}`.",
        )


def _last_backup(folder: DataFolder) -> Finding:
    if not folder.path.exists():
        return Finding(Grade.GOOD, "last backup", "none, and no data yet")
    try:
        last = LastBackup.model_validate_json(folder.last_backup.read_bytes())
    except (OSError, ValueError):
        return Finding(Grade.NOTE, "last backup", "none known", "Take one: `lethe backup -o FOLDER`.")
    age = wall() - last.taken_at
    found = f"{age.days} d {age.seconds // 3600} h ago, {last.place}"
    if age > _BACKUP_AGE_MOST:
        return Finding(Grade.NOTE, "last backup", found, "Take one every day: `lethe backup -o FOLDER`.")
    return Finding(Grade.GOOD, "last backup", found)


def _core_dumps() -> Finding:
    if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0:
        return Finding(Grade.GOOD, "core dumps", "off")
    return Finding(Grade.GOOD, "core dumps", "on in this shell; `lethe up` turns them off for all it starts")


def _swap() -> Finding:
    table = Path("/proc/swaps")
    if not table.exists():
        return Finding(Grade.NOTE, "swap", "cannot be seen here", "See that it is encrypted.")
    devices = [line.split()[0] for line in table.read_text().splitlines()[1:]]
    if all(_is_encrypted(device) for device in devices):
        return Finding(Grade.GOOD, "swap", "off" if not devices else "encrypted, or in memory")
    return Finding(
        Grade.NOTE,
        "swap",
        f"in clear on {', '.join(devices)}",
        "Keys in memory may reach the disk: turn it off (`swapoff -a`) or encrypt it.",
    )


def _is_encrypted(device: str) -> bool:
    """Compressed memory, or a device-mapper target of type crypt."""
    name = os.path.realpath(device).rpartition("/")[2]
    kind = Path("/sys/class/block") / name / "dm" / "uuid"
    return name.startswith("zram") or (kind.exists() and kind.read_text().startswith("CRYPT"))
