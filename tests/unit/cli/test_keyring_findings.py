from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from lethe_cli.errors import CommandError
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.health import Grade, keyring_finding, recovery_finding
from lethe_cli.local.keys import new_recovery_key


def test_a_keyring_on_the_datas_volume_is_a_note_and_refused_where_it_must_be_apart(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring"

    assert keyring_finding(keyring, tmp_path, must_be_apart=False).grade is Grade.NOTE
    refused = keyring_finding(keyring, tmp_path, must_be_apart=True)

    assert refused.grade is Grade.BAD
    assert "another volume" in refused.next_step


def test_a_keyring_on_another_volume_is_good(tmp_path: Path) -> None:
    # The kernel's own file system is another one than any on a disk.
    assert keyring_finding(Path("/proc"), tmp_path, must_be_apart=True).grade is Grade.GOOD


def test_without_a_recovery_key_or_a_backup_the_doctor_says_what_is_lost(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert "recovery-key new" in recovery_finding(folder).next_step
    new_recovery_key(tmp_path / "offline.pem", folder.recovery_key)
    assert "lethe keys backup" in recovery_finding(folder).next_step
    folder.key_backups.mkdir()
    (folder.key_backups / "generation-1.keys").touch()

    assert recovery_finding(folder).grade is Grade.GOOD


def test_a_recovery_key_is_a_pair_and_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "offline.pem", tmp_path / "recovery_key.pem"
    new_recovery_key(private, public)

    made = load_pem_private_key(private.read_bytes(), None)
    known = load_pem_public_key(public.read_bytes())
    assert isinstance(made, X25519PrivateKey)
    assert isinstance(known, X25519PublicKey)
    assert made.public_key().public_bytes_raw() == known.public_bytes_raw()
    assert private.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="never overwritten"):
        new_recovery_key(private, public)
