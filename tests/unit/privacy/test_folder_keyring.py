"""What is the folder's own; what every keyring does is in tests/conformance/test_keyring.py."""

import stat
from pathlib import Path

import pytest

from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import KeyringBroken


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_an_epoch_is_one_file_and_a_destroyed_one_is_none(tmp_path: Path) -> None:
    keyring = FolderKeyring(tmp_path)
    epoch_id = await keyring.new_epoch()
    assert [file.name for file in files_in(tmp_path)] == [f"{epoch_id}.epoch"]

    await keyring.destroy(epoch_id)

    assert files_in(tmp_path) == []


async def test_destroying_an_epoch_takes_what_a_crash_left_of_its_making(tmp_path: Path) -> None:
    keyring = FolderKeyring(tmp_path)
    epoch_id = await keyring.new_epoch()
    (tmp_path / ".0123.new").write_bytes((tmp_path / f"{epoch_id}.epoch").read_bytes())

    await keyring.destroy(epoch_id)

    assert files_in(tmp_path) == []


async def test_files_named_after_days_are_epochs_too(tmp_path: Path) -> None:
    epoch_id = await FolderKeyring(tmp_path).new_epoch()
    (tmp_path / f"{epoch_id}.epoch").rename(tmp_path / "2026-11-26.epoch")
    keyring = FolderKeyring(tmp_path)
    assert await keyring.epochs() == {epoch_id}

    await keyring.destroy(epoch_id)

    assert files_in(tmp_path) == []


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "keyring"
    await FolderKeyring(folder).new_epoch()
    (file,) = files_in(folder)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file.chmod(0o644)
    with pytest.raises(KeyringBroken):
        await FolderKeyring(folder).epochs()


async def test_a_damaged_key_file_is_named_as_such(tmp_path: Path) -> None:
    await FolderKeyring(tmp_path).new_epoch()
    (file,) = files_in(tmp_path)
    for damage in ("", "{}", '{"key_id": "seal_1", "key": "00"}'):
        file.write_text(damage)
        with pytest.raises(KeyringBroken):
            await FolderKeyring(tmp_path).epochs()


async def test_a_backup_never_takes_the_place_of_another_key(tmp_path: Path) -> None:
    ours, theirs = FolderKeyring(tmp_path / "ours"), FolderKeyring(tmp_path / "theirs")
    epoch_id, _ = await ours.new_epoch(), await theirs.index_digest(b"login")
    handed = await ours.keys_to_back_up(epoch_id)

    with pytest.raises(KeyringBroken, match=r"index\.key"):
        await theirs.take_back(handed)
    for name in ("../elsewhere.epoch", "notes.txt"):
        with pytest.raises(KeyringBroken):
            await theirs.take_back({name: b"{}"})
