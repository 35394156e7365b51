"""Key backups of older versions, and of none: what is read, and what is refused."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.sealing import Sealer
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.errors import KeyBackupInvalid
from lethe_privacy.recovery import Label, piece, public_recovery_key, seal_header, section_head
from lethe_privacy.rotation_queries import load
from tests.integration.vault import Vault, opened_vault
from tests.servers import RunningServers

OLDER = {
    "subjects": "subject_ref, state, consents, objections, holder_ref, is_restricted",
    "class_keys": "subject_ref, key_class, key_id, wrapped, epoch_id",
    "item_keys": "item_id, subject_ref, key_class, key_id, wrapped, created_at",
}
"""Some of what backups held before they knew when somebody was erased."""


@pytest.fixture
async def vault(servers: RunningServers, tmp_path: Path) -> AsyncIterator[Vault]:
    async with opened_vault(servers, tmp_path) as opened:
        yield opened


async def test_a_backup_of_an_older_version_is_read_and_who_was_erased_counts_from_then_on(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    erased, living = await vault.people(2)
    await vault.erase(erased)
    before = await vault.opened([living])
    file = await _of_an_older_version(vault)

    await vault.restore(file, recovery_key, with_store=True)

    at = await vault.erased_at(erased)
    assert at is not None
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert await vault.erased_at(living) is None
    assert await vault.opened([living]) == before


async def test_a_backup_with_columns_that_are_none_of_ours_is_refused(vault: Vault) -> None:
    recovery_key = vault.new_recovery_key()
    await vault.people(1)

    for section in ("losses/subject_ref,more", "losses/subject_ref) FROM x --", "losses", "unknown/subject_ref"):
        file = await _of_an_older_version(vault, section)
        with pytest.raises(KeyBackupInvalid, match="does not know"):
            await vault.restore(file, recovery_key, with_store=True)


async def _of_an_older_version(vault: Vault, empty: str | None = None) -> Path:
    """The generation in use as it was backed up before sections named columns, behind it an empty section of this name."""
    async with vault.database.transaction() as tx:
        generation = await load(tx)
        assert generation is not None
        label = Label(generation.number, generation.epoch_id, generation.began_at)
        head, file_key = seal_header(label, public_recovery_key((vault.path / "recovery.pub").read_bytes()))
        sections = []
        for name, content in (await FolderKeyring(vault.path / "keyring").keys_to_back_up(label.epoch_id)).items():
            sections.append(section_head(f"keyring/{name}") + piece(content) + piece(b""))
        for table, columns in OLDER.items():
            copied = io.BytesIO()
            await tx.connection.copy_from_query(f"SELECT {columns} FROM {table}", output=copied, format="binary")
            sections.append(section_head(f"table/{table}") + piece(copied.getvalue()) + piece(b""))
    if empty is not None:
        sections.append(section_head(f"table/{empty}") + piece(b""))

    async def body() -> AsyncIterator[bytes]:
        for section in sections:
            yield section

    sealed = [part async for part in Sealer(is_on=True).seal_stream(file_key.key, file_key.context, body())]
    file = vault.path / "older.keys"
    file.write_bytes(head + b"".join(sealed))
    return file
