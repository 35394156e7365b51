"""Backups as files: signed last, refused when anything was changed, ended when the policy says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_cli.errors import BackupRefused
from lethe_cli.local import backups
from lethe_cli.local.backups import DUMP, MANIFEST, OBJECTS, Ledger, Manifest

KEY = Ed25519PrivateKey.generate()
TAKEN = datetime(2026, 11, 26, 3, tzinfo=UTC)


def backup(place: Path, taken_at: datetime = TAKEN, key: Ed25519PrivateKey = KEY) -> Path:
    folder = place / backups.name_of(taken_at)
    folder.mkdir(parents=True)
    (folder / DUMP).write_bytes(b"a dump")
    (folder / OBJECTS).write_bytes(b"")
    manifest = Manifest(
        taken_at=taken_at,
        policy_time=taken_at,
        profile="aisora2",
        policies=(),
        ledger=Ledger(number=7, hash="ab" * 32),
        server_version="18.6",
        objects=0,
        files=tuple(backups.described(folder, name) for name in (DUMP, OBJECTS)),
    )
    backups.write_manifest(folder, manifest, key)
    return folder


def test_a_whole_backup_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = backup(tmp_path)

    manifest = backups.read_manifest(folder, KEY)
    backups.check_files(folder, manifest)

    assert (manifest.ledger.number, manifest.taken_at) == (7, TAKEN)
    assert (folder / MANIFEST).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", [DUMP, OBJECTS])
def test_a_changed_or_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = backup(tmp_path)
    manifest = backups.read_manifest(folder, KEY)
    (folder / name).write_bytes(b"another")
    with pytest.raises(BackupRefused, match="is not the file that was backed up"):
        backups.check_files(folder, manifest)
    (folder / name).unlink()
    with pytest.raises(BackupRefused, match="is not the file that was backed up"):
        backups.check_files(folder, manifest)


def test_a_manifest_that_is_changed_missing_or_of_another_suite_is_refused(tmp_path: Path) -> None:
    folder = backup(tmp_path)
    written = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(written.replace('"number": 7', '"number": 6'))
    with pytest.raises(BackupRefused, match="was not signed by this suite"):
        backups.read_manifest(folder, KEY)
    (folder / MANIFEST).write_text(written)
    with pytest.raises(BackupRefused, match="was not signed by this suite"):
        backups.read_manifest(folder, Ed25519PrivateKey.generate())
    (folder / MANIFEST).unlink()
    with pytest.raises(BackupRefused, match="is no whole backup"):
        backups.read_manifest(folder, KEY)


def test_backups_end_by_policy_time_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    keep = timedelta(days=14)
    old = backup(tmp_path, TAKEN - keep)
    backup(tmp_path, TAKEN - keep + timedelta(seconds=1))
    backup(tmp_path, TAKEN - 2 * keep, Ed25519PrivateKey.generate())
    (tmp_path / "notes").mkdir()

    assert backups.over(tmp_path, KEY, TAKEN, keep) == [old]
