import asyncio
import stat
from datetime import date
from pathlib import Path

import pytest

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, KeyLabel, SealContext, wrapping_context
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import EpochUnknown, KeyringBroken

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
CLASS_KEY = bytes(range(32))


def context(epoch_id: SealKeyId, subject_ref: str = "subj_a") -> SealContext:
    return wrapping_context(KeyLabel.CLASS, subject_ref, "seal_b", epoch_id)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_day_has_one_epoch_that_outlives_the_process(tmp_path: Path) -> None:
    epoch_id = await FolderKeyring(tmp_path).epoch_of(MONDAY)

    assert await FolderKeyring(tmp_path).epoch_of(MONDAY) == epoch_id
    assert await FolderKeyring(tmp_path).epoch_of(TUESDAY) != epoch_id


async def test_processes_that_begin_a_day_at_once_agree_on_its_epoch(tmp_path: Path) -> None:
    keyrings = [FolderKeyring(tmp_path) for _ in range(16)]

    assert len(set(await asyncio.gather(*(keyring.epoch_of(MONDAY) for keyring in keyrings)))) == 1
    assert len(files_in(tmp_path)) == 1


async def test_what_one_process_wraps_another_opens(tmp_path: Path) -> None:
    ours, theirs = FolderKeyring(tmp_path), FolderKeyring(tmp_path)
    bound = context(await ours.epoch_of(MONDAY))

    wrapped = await ours.wrap([(bound, CLASS_KEY)])

    assert await theirs.unwrap([(bound, wrapped[0])]) == [CLASS_KEY]


async def test_a_key_does_not_open_for_another_subject_or_under_another_day(tmp_path: Path) -> None:
    keyring = FolderKeyring(tmp_path)
    monday, tuesday = await keyring.epoch_of(MONDAY), await keyring.epoch_of(TUESDAY)
    (wrapped,) = await keyring.wrap([(context(monday), CLASS_KEY)])

    for other in (context(monday, "subj_b"), context(tuesday)):
        with pytest.raises(CannotOpen):
            await keyring.unwrap([(other, wrapped)])


async def test_a_destroyed_epoch_opens_nothing_any_more(tmp_path: Path) -> None:
    keyring = FolderKeyring(tmp_path)
    bound = context(await keyring.epoch_of(MONDAY))
    wrapped = await keyring.wrap([(bound, CLASS_KEY)])

    await keyring.destroy(bound.key_id)
    await keyring.destroy(bound.key_id)

    assert files_in(tmp_path) == []
    for survivor in (keyring, FolderKeyring(tmp_path)):
        with pytest.raises(EpochUnknown):
            await survivor.unwrap([(bound, wrapped[0])])


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "keyring"
    await FolderKeyring(folder).epoch_of(MONDAY)
    (file,) = files_in(folder)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file.chmod(0o644)
    with pytest.raises(KeyringBroken):
        await FolderKeyring(folder).epoch_of(MONDAY)


async def test_a_damaged_key_file_is_named_as_such(tmp_path: Path) -> None:
    await FolderKeyring(tmp_path).epoch_of(MONDAY)
    (file,) = files_in(tmp_path)
    for damage in ("", "{}", '{"key_id": "seal_1", "key": "00"}'):
        file.write_text(damage)
        with pytest.raises(KeyringBroken):
            await FolderKeyring(tmp_path).epoch_of(MONDAY)


async def test_a_login_is_indexed_by_a_key_that_outlives_the_process(tmp_path: Path) -> None:
    digest = await FolderKeyring(tmp_path / "a").index_digest(b"login")

    assert await FolderKeyring(tmp_path / "a").index_digest(b"login") == digest
    assert await FolderKeyring(tmp_path / "a").index_digest(b"other") != digest
    assert await FolderKeyring(tmp_path / "b").index_digest(b"login") != digest
