"""What a backup is: a folder with a dump, a list of objects and a signed manifest, which is written last. Pure but for its files.

A backup is named after the machine's time; how long it is kept goes by policy time.
"""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, ValidationError

from lethe_cli.errors import BackupRefused
from lethe_cli.local.folder import DataFolder, write_private
from lethe_common.certificates import CertificateInvalid, sign, signing_key
from lethe_common.certificates.signatures import payload_of

FORMAT: Final = "lethe.backup/1"
LEDGER_FORMAT: Final = "lethe.ledger-copy/1"
MANIFEST, DUMP, OBJECTS = "manifest.json", "lethe.dump", "objects.jsonl"
_CHUNK_BYTES = 1024 * 1024
_NAME = "%Y%m%dT%H%M%SZ"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


P = TypeVar("P", bound=_Part)


class File(_Part):
    """One file of a backup; `sha256` in hex."""

    name: str
    size_bytes: int
    sha256: str


class PolicyVersion(_Part):
    """A version of the policy that was known; `hash` is the SHA-256 of its file."""

    version: int
    hash: str


class Ledger(_Part):
    """How far the ledger of facts was: its newest number, and the chain's hash there in hex."""

    number: int
    hash: str


class Manifest(_Part):
    """What is in a backup, as it is signed."""

    format: Literal["lethe.backup/1"] = FORMAT
    taken_at: datetime
    policy_time: datetime
    profile: str
    policies: tuple[PolicyVersion, ...]
    ledger: Ledger
    server_version: str
    objects: int
    files: tuple[File, ...]


class LedgerCopy(_Part):
    """What is in a copy of the ledger of facts, as it is signed. `ledger` is how far it reaches at least."""

    format: Literal["lethe.ledger-copy/1"] = LEDGER_FORMAT
    taken_at: datetime
    ledger: Ledger
    server_version: str
    file: File


class LastBackup(_Part):
    """What the data folder remembers of its last backup."""

    taken_at: datetime
    place: str


def name_of(taken_at: datetime) -> str:
    """The folder's name."""
    return taken_at.strftime(_NAME)


def described(folder: Path, name: str) -> File:
    """A file of a backup with its size and digest."""
    digest, size = hashlib.sha256(), 0
    with (folder / name).open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return File(name=name, size_bytes=size, sha256=digest.hexdigest())


def key_of(data: DataFolder) -> Ed25519PrivateKey:
    """The key that signs a suite's backups: the one that signs its certificates.

    Raises:
        BackupRefused: there is none.
    """
    try:
        return signing_key(data.signing_key.read_bytes())
    except OSError as error:
        raise BackupRefused(
            f"{data.signing_key} cannot be read, and nothing is signed or checked without it."
        ) from error


def write_manifest(folder: Path, manifest: Manifest | LedgerCopy, key: Ed25519PrivateKey) -> None:
    """Sign and write it; from now on this is a backup."""
    signed = sign(manifest.model_dump(mode="json"), key)
    write_private(folder / MANIFEST, json.dumps(signed, indent=2).encode())


def read_manifest(folder: Path, key: Ed25519PrivateKey) -> Manifest:
    """A backup's manifest whose signature is ours; its files are not looked at.

    Raises:
        BackupRefused: it is no backup of this suite, or was changed.
    """
    return _signed(folder, Manifest, FORMAT, key)


def read_ledger_copy(folder: Path, key: Ed25519PrivateKey) -> LedgerCopy:
    """What a copy of the ledger says it is, as `read_manifest`.

    Raises:
        BackupRefused: it is no copy of this suite's ledger, or was changed.
    """
    return _signed(folder, LedgerCopy, LEDGER_FORMAT, key)


def _signed(folder: Path, kind: type[P], format_: str, key: Ed25519PrivateKey) -> P:
    try:
        signed = json.loads((folder / MANIFEST).read_bytes())
        return kind.model_validate_json(json.dumps(payload_of(signed, format_, key.public_key())))
    except OSError as error:
        raise BackupRefused(f"{folder} is no whole backup: it has no {MANIFEST}. Name another folder.") from error
    except (ValueError, ValidationError, CertificateInvalid) as error:
        raise BackupRefused(
            f"{folder / MANIFEST} was not signed by this suite, or was changed since. Name a backup of this data folder."
        ) from error


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with what was signed.

    Raises:
        BackupRefused: one is missing or was changed.
    """
    for file in manifest.files:
        check_file(folder, file)


def check_file(folder: Path, file: File) -> None:
    """Compare a file with what was signed.

    Raises:
        BackupRefused: it is missing or was changed.
    """
    if not (folder / file.name).is_file() or described(folder, file.name) != file:
        raise BackupRefused(f"{folder / file.name} is not the file that was backed up. Use another backup.")


def over(place: Path, key: Ed25519PrivateKey, now: datetime, keep: timedelta) -> list[Path]:
    """The backups at a place that the policy keeps no longer at policy time `now`; what is not ours stays."""
    return sorted(
        manifest.parent
        for manifest in place.glob(f"*/{MANIFEST}")
        if _policy_time(manifest.parent, key, now) + keep <= now
    )


def _policy_time(folder: Path, key: Ed25519PrivateKey, otherwise: datetime) -> datetime:
    try:
        return read_manifest(folder, key).policy_time
    except BackupRefused:
        return otherwise
