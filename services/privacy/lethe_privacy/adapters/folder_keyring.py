"""A keyring in a folder: one file per epoch, readable by this service alone.

Unlinking a file on an SSD or a copy-on-write file system is no destruction of its
bytes: put the folder on tmpfs (with the sealed key backup) or on a volume of its
own, or use a vault.
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import KEY_BYTES, SealContext, unwrap, wrap
from lethe_privacy.errors import EpochUnknown, KeyringBroken

_INDEX_FILE = "index.key"
_EPOCH_SUFFIX = ".epoch"


class FolderKeyring:
    """Epoch keys as files `<day>.epoch`, held in memory once read."""

    destroy_delay = timedelta(0)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._epochs: dict[SealKeyId, bytes] = {}
        self._by_day: dict[date, SealKeyId] = {}
        self._index_key: bytes | None = None

    async def epoch_of(self, day: date) -> SealKeyId:
        """The day's epoch; of several processes that make it at once, one wins and all use it."""
        if day not in self._by_day:
            epoch_id, key = await asyncio.to_thread(self._find_or_make, f"{day.isoformat()}{_EPOCH_SUFFIX}")
            self._epochs[epoch_id], self._by_day[day] = key, epoch_id
        return self._by_day[day]

    async def wrap(self, keys: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        """Wrap keys under the epochs their contexts name."""
        return [wrap(await self._epoch(context.key_id), context, key) for context, key in keys]

    async def unwrap(self, wrapped: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        """Open keys with the epochs their contexts name."""
        return [unwrap(await self._epoch(context.key_id), context, sealed) for context, sealed in wrapped]

    async def index_digest(self, login_index: bytes) -> bytes:
        """The blind index of a login."""
        if self._index_key is None:
            self._index_key = (await asyncio.to_thread(self._find_or_make, _INDEX_FILE))[1]
        return hmac.digest(self._index_key, login_index, hashlib.sha256)

    async def destroy(self, epoch_id: SealKeyId) -> None:
        """Forget the key and unlink its file."""
        self._epochs.pop(epoch_id, None)
        self._by_day = {day: known for day, known in self._by_day.items() if known != epoch_id}
        await asyncio.to_thread(self._unlink, epoch_id)

    async def _epoch(self, epoch_id: SealKeyId) -> bytes:
        if epoch_id not in self._epochs:
            # Another process may have begun this epoch, or this one was just started.
            self._epochs |= await asyncio.to_thread(self._read_all)
        try:
            return self._epochs[epoch_id]
        except KeyError as error:
            raise EpochUnknown from error

    def _find_or_make(self, name: str) -> tuple[SealKeyId, bytes]:
        file = self._folder / name
        if not file.exists():
            self._make(file)
        return _read(file)

    def _make(self, file: Path) -> None:
        """Write a fresh key, whole or not at all, and only when there is none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f".{secrets.token_hex(8)}.new"
        content = json.dumps({"key_id": SealKeyId.new(), "key": secrets.token_hex(KEY_BYTES)})
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            _link_first(fresh, file)
        finally:
            fresh.unlink()
        _sync_folder(self._folder)

    def _read_all(self) -> dict[SealKeyId, bytes]:
        return dict(_read(file) for file in self._folder.glob(f"*{_EPOCH_SUFFIX}"))

    def _unlink(self, epoch_id: SealKeyId) -> None:
        for file in self._folder.glob(f"*{_EPOCH_SUFFIX}"):
            if _read(file)[0] == epoch_id:
                file.unlink()
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
