"""Key backups: the generation in use, sealed to the recovery key, in a folder; and back again.

A backup holds the key store's tables as they are, wrapped, and what the keyring hands
over of itself. Files are `generation-<number>.keys`; only the newest few are kept, since
what was deleted could be opened with an old one.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg
import structlog

from lethe_common.database import Transaction
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import Sealer
from lethe_common.sealing.addressed import HEADER_BYTES_MOST
from lethe_privacy import recovery
from lethe_privacy.errors import KeyBackupInvalid
from lethe_privacy.keyring import Keyring
from lethe_privacy.recovery import FileKey, Label, Sections, piece, section_head
from lethe_privacy.rotation_queries import ABANDON, DROP_OLD

log = structlog.get_logger()

_UNNAMED: dict[str, tuple[str, ...]] = {
    "subjects": ("subject_ref", "state", "consents", "objections", "holder_ref", "is_restricted"),
    "consents": (
        "line", "holder_ref", "purpose", "choice", "policy_version", "policy_hash", "text_hash", "language", "way", "at",
    ),
    "facts_mark": ("is_only", "number"),
    "closed_holders": ("holder_ref", "closed_at"),
    "login_index": ("index_digest", "subject_ref"),
    "class_keys": ("subject_ref", "key_class", "key_id", "wrapped", "epoch_id"),
    "item_keys": ("item_id", "subject_ref", "key_class", "key_id", "wrapped", "created_at"),
}  # fmt: skip
"""What sections hold that name no columns, as older versions wrote them. It stays as it is: what came since is added below."""
TABLES = {**_UNNAMED, "subjects": (*_UNNAMED["subjects"], "erased_at"), "losses": ("subject_ref",)}
"""What a backup holds of the key store: tables and their columns. Sections name them, since the next version may have more."""
_ROTATED = ("class_keys", "item_keys")
_KEYRING, _TABLE = "keyring/", "table/"
_QUEUED_PIECES = 8
_RESTORED = """
    UPDATE generation
       SET number = $1, epoch_id = $2, began_at = $3, phase = 'resting', next_epoch_id = NULL,
           next_began_at = NULL, copied_subject = '', copied_item = ''
"""
# A backup of before says that somebody was erased, and not when: the record stays from now on as long as it has to.
_ERASED_BY_NOW = "UPDATE subjects SET erased_at = now() WHERE state = 'erased' AND erased_at IS NULL"
_IS_COPYING = "SELECT to_regclass('item_keys_next') IS NOT NULL"
_NEXT_LINE = "SELECT setval(pg_get_serial_sequence('keys.consents', 'line'), (SELECT max(line) FROM consents))"


class KeyBackups:
    """Writes backups while there is a recovery key, and removes those that are no longer to be kept."""

    def __init__(self, folder: Path | None, recovery_key: Path | None, keyring: Keyring) -> None:
        self._folder, self._recovery_key, self._keyring = folder, recovery_key, keyring
        self._sealer = Sealer(is_on=True)

    async def write(self, tx: Transaction, label: Label, *, is_next: bool) -> Path | None:
        """Back up a generation as this transaction sees it; None when there is no recovery key to seal it to.

        Raises:
            KeyBackupInvalid: the recovery key's file holds none.
        """
        folder, file = self._folder, self._recovery_key
        if folder is None or file is None or not file.exists():
            log.warning("key_backup_skipped", count=label.generation)
            return None
        head, file_key = recovery.seal_header(label, recovery.public_recovery_key(file.read_bytes()))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / f"generation-{label.generation}.keys"
        body = self._sealer.seal_stream(
            file_key.key, file_key.context, self._sections(tx, label.epoch_id, is_next=is_next)
        )
        await _write(target, head, body)
        log.info("key_backup_written", count=label.generation)
        return target

    def prune(self, newest: Label, kept: int, rotation: timedelta) -> None:
        """Remove all but the last `kept` backups, and those that began as many rotations before the newest one."""
        for label, file in self.files():
            is_old = label.generation < newest.generation and label.began_at <= newest.began_at - kept * rotation
            if is_old or label.generation <= newest.generation - kept:
                file.unlink()

    def keep_only(self, newest: Path) -> None:
        """Remove all others, such as those that are sealed to a key which is lost."""
        for _, file in self.files():
            if file != newest:
                file.unlink()

    def files(self) -> list[tuple[Label, Path]]:
        """The backups there are, oldest first.

        Raises:
            KeyBackupInvalid: a file named like one is none.
        """
        found = (
            [] if self._folder is None else [(_label(file), file) for file in self._folder.glob("generation-*.keys")]
        )
        return sorted(found, key=lambda pair: pair[0].generation)

    async def _sections(self, tx: Transaction, epoch_id: SealKeyId, *, is_next: bool) -> AsyncGenerator[bytes, None]:
        for name, content in (await self._keyring.keys_to_back_up(epoch_id)).items():
            yield section_head(f"{_KEYRING}{name}") + piece(content) + piece(b"")
        for table, columns in TABLES.items():
            yield section_head(f"{_TABLE}{table}/{','.join(columns)}")
            source = f"{table}_next" if is_next and table in _ROTATED else table
            async for rows in _copied(tx.connection, f"SELECT {', '.join(columns)} FROM {source}"):  # noqa: S608  TABLES
                yield piece(rows)
            yield piece(b"")


class KeyRestoration:
    """Puts a backup back, with the recovery key that is otherwise kept offline."""

    def __init__(self, keyring: Keyring, recovery_key_pem: bytes) -> None:
        self._keyring, self._recovery_key = keyring, recovery.private_recovery_key(recovery_key_pem)
        self._sealer = Sealer(is_on=True)

    async def restore(self, file: Path, tx: Transaction | None) -> Label:
        """Put the keyring's keys back, and with a transaction the key store too; which generation it was.

        The transaction is one of the owner's role, on tables that nobody else uses meanwhile.

        Raises:
            KeyBackupInvalid: it is damaged, or sealed to another key.
            CannotOpen: it was changed.
            KeyringBroken: the keyring has other keys under these names.
        """
        line = _first_line(file)
        file_key = recovery.open_header(line, self._recovery_key)
        sections = Sections(self._body(file, len(line), file_key))
        keys: dict[str, bytes] = {}
        if tx is not None:
            # The mark goes back with the rest: what was decided since is gone through again at the next start.
            await tx.execute(f"TRUNCATE {', '.join(TABLES)}, touched")
            # A rotation that was under way is not any more, and the next one makes these tables anew.
            if await tx.fetchval(_IS_COPYING):
                await tx.execute(ABANDON)
            await tx.execute(DROP_OLD)
        while (name := await sections.next_name()) is not None:
            if name.startswith(_KEYRING):
                keys[name.removeprefix(_KEYRING)] = b"".join([part async for part in sections.pieces()])
            else:
                await _restore_table(tx, *_table_of(name), sections.pieces())
        await self._keyring.take_back(keys)
        if tx is not None:
            label = file_key.label
            await tx.execute(_RESTORED, label.generation, label.epoch_id, label.began_at)
            await tx.execute(_NEXT_LINE)
            await tx.execute(_ERASED_BY_NOW)
        return file_key.label

    def _body(self, file: Path, offset: int, file_key: FileKey) -> AsyncIterator[bytes]:
        async def fetch(start: int, length: int) -> AsyncGenerator[bytes, None]:
            with file.open("rb") as opened:
                opened.seek(offset + start)
                while length and (part := await asyncio.to_thread(opened.read, min(length, 1 << 20))):
                    length -= len(part)
                    yield part

        size = file.stat().st_size - offset
        return self._sealer.open_range(file_key.key, file_key.context, size, fetch)


def _first_line(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.readline(HEADER_BYTES_MOST)


def _label(file: Path) -> Label:
    return recovery.label_of(_first_line(file))


def _table_of(section: str) -> tuple[str, tuple[str, ...]]:
    """The table and the columns that a section holds."""
    table, _, named = section.removeprefix(_TABLE).partition("/")
    columns = tuple(named.split(",")) if named else _UNNAMED.get(table, ())
    if not columns or not set(columns) <= set(TABLES.get(table, ())):
        raise KeyBackupInvalid("The key backup holds what this version does not know.")
    return table, columns


async def _restore_table(
    tx: Transaction | None, table: str, columns: Sequence[str], pieces: AsyncGenerator[bytes, None]
) -> None:
    if tx is None:
        async for _ in pieces:
            pass
    else:
        await tx.connection.copy_to_table(table, columns=columns, source=pieces, format="binary")


async def _copied(connection: asyncpg.Connection, query: str) -> AsyncGenerator[bytes, None]:
    """What COPY sends, as it comes; it waits for whoever reads."""
    waiting: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED_PIECES)
    copying = asyncio.create_task(connection.copy_from_query(query, output=waiting.put, format="binary", timeout=None))
    try:
        while not copying.done() or not waiting.empty():
            getting = asyncio.create_task(waiting.get())
            await asyncio.wait({getting, copying}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()
        await copying
    finally:
        copying.cancel()


async def _write(target: Path, head: bytes, body: AsyncIterator[bytes]) -> None:
    """Whole or not at all, for the owner only, and on disk before the old generation goes."""
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(head)
        async for part in body:
            await asyncio.to_thread(opened.write, part)
        opened.flush()
        await asyncio.to_thread(os.fsync, opened.fileno())
    fresh.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
