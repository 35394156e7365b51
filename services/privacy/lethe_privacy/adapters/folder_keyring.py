"""A keyring in a folder: one file per epoch, readable by this service alone.

Unlinking a file on an SSD or a copy-on-write file system is no destruction of its
bytes: put the folder on tmpfs (with the sealed key backup) or on a volume of its
own, or use a vault.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import KEY_BYTES, SealContext, unwrap, wrap
from lethe_privacy.errors import EpochUnknown, KeyringBroken

_INDEX_FILE = "index.key"
_EPOCH_SUFFIX, _FRESH_SUFFIX = ".epoch", ".new"


class FolderKeyring:
    """Epoch keys as files `<its id>.epoch`, held in memory once read."""

    destroy_delay = timedelta(0)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._epochs: dict[SealKeyId, bytes] = {}
        self._index_key: bytes | None = None

    async def new_epoch(self) -> SealKeyId:
        """A fresh key in a file of its own, read back from there."""
        epoch_id = SealKeyId.new()
        file = self._folder / f"{epoch_id}{_EPOCH_SUFFIX}"
        await asyncio.to_thread(self._make, file, epoch_id)
        _, self._epochs[epoch_id] = await asyncio.to_thread(_read, file)
        return epoch_id

    async def epochs(self) -> frozenset[SealKeyId]:
        """What lies in the folder now; nothing else stays in memory."""
        self._epochs = await asyncio.to_thread(self._read_all)
        return frozenset(self._epochs)

    async def wrap(self, keys: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        """Wrap keys under the epochs their contexts name."""
        return [wrap(await self._epoch(context.key_id), context, key) for context, key in keys]

    async def unwrap(self, wrapped: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        """Open keys with the epochs their contexts name."""
        return [unwrap(await self._epoch(context.key_id), context, sealed) for context, sealed in wrapped]

    async def index_digest(self, login_index: bytes) -> bytes:
        """The blind index of a login."""
        if self._index_key is None:
            self._index_key = (await asyncio.to_thread(self._find_or_make_index))[1]
        return hmac.digest(self._index_key, login_index, hashlib.sha256)

    async def destroy(self, epoch_id: SealKeyId) -> None:
        """Forget the key and unlink its file."""
        self._epochs.pop(epoch_id, None)
        await asyncio.to_thread(self._unlink, epoch_id)

    async def keys_to_back_up(self, epoch_id: SealKeyId) -> Mapping[str, bytes]:
        """The files of this epoch and of the index key. No other epoch's: it is about to be destroyed."""
        return await asyncio.to_thread(self._files_of, epoch_id)

    async def take_back(self, keys: Mapping[str, bytes]) -> None:
        """Write key files that are missing."""
        for name, content in keys.items():
            if (name != _INDEX_FILE and not name.endswith(_EPOCH_SUFFIX)) or "/" in name:
                raise KeyringBroken("The backup holds what is no key file.")
            await asyncio.to_thread(self._write, self._folder / name, content)
            if await asyncio.to_thread((self._folder / name).read_bytes) != content:
                raise KeyringBroken(f"The keyring has another {name} already. Move it away first.")
        await self.epochs()
        self._index_key = None

    async def _epoch(self, epoch_id: SealKeyId) -> bytes:
        if epoch_id not in self._epochs:
            # Another process may have begun this epoch, or this one was just started.
            await self.epochs()
        try:
            return self._epochs[epoch_id]
        except KeyError as error:
            raise EpochUnknown from error

    def _files_of(self, epoch_id: SealKeyId) -> dict[str, bytes]:
        self._find_or_make_index()
        files = [self._folder / _INDEX_FILE, *self._folder.glob(f"*{_EPOCH_SUFFIX}")]
        return {
            file.name: file.read_bytes() for file in files if file.name == _INDEX_FILE or _read(file)[0] == epoch_id
        }

    def _find_or_make_index(self) -> tuple[SealKeyId, bytes]:
        file = self._folder / _INDEX_FILE
        if not file.exists():
            self._make(file, SealKeyId.new())
        return _read(file)

    def _make(self, file: Path, key_id: SealKeyId) -> None:
        self._write(file, json.dumps({"key_id": key_id, "key": secrets.token_hex(KEY_BYTES)}).encode())

    def _write(self, file: Path, content: bytes) -> None:
        """Write a key file, whole or not at all, and only when there is none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f".{secrets.token_hex(8)}{_FRESH_SUFFIX}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            _link_first(fresh, file)
        finally:
            fresh.unlink()
        _sync_folder(self._folder)

    def _read_all(self) -> dict[SealKeyId, bytes]:
        found = {}
        for file in self._folder.glob(f"*{_EPOCH_SUFFIX}"):
            # Another process may destroy it between the look and the reading.
            with contextlib.suppress(FileNotFoundError):
                epoch_id, found_key = _read(file)
                found[epoch_id] = found_key
        return found

    def _unlink(self, epoch_id: SealKeyId) -> None:
        # A process that died while it made the key may have left it under its first name, too.
        for file in (*self._folder.glob(f"*{_EPOCH_SUFFIX}"), *self._folder.glob(f".*{_FRESH_SUFFIX}")):
            if epoch_id.encode() in file.read_bytes():
                file.unlink(missing_ok=True)
                _sync_folder(self._folder)


def _link_first(fresh: Path, file: Path) -> None:
    try:
        os.link(fresh, file)
    except FileExistsError:
        return


def _read(file: Path) -> tuple[SealKeyId, bytes]:
    if file.stat().st_mode & 0o077:
        raise KeyringBroken("A key file is open to others than its owner. Make it 0600.")
    try:
        content = json.loads(file.read_bytes())
        key_id, key = SealKeyId(content["key_id"]), bytes.fromhex(content["key"])
    except (ValueError, KeyError, TypeError) as error:
        raise KeyringBroken("A key file does not hold a key.") from error
    if len(key) != KEY_BYTES:
        raise KeyringBroken("A key file does not hold a key.")
    return key_id, key


def _sync_folder(folder: Path) -> None:
    # Without this a power failure can lose the file's name, and with it every key it wraps.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
