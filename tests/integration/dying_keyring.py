"""A keyring whose owner dies at a call, for tests that try every one."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import SealContext
from lethe_privacy.adapters.folder_keyring import FolderKeyring


class Died(Exception):
    """What a process that is killed would not have survived."""


class DyingKeyring(FolderKeyring):
    """A folder whose owner dies at a call: before it, or right after it."""

    def __init__(self, folder: Path, dies_at: int, *, is_after: bool) -> None:
        super().__init__(folder)
        self._calls, self._dies_at, self._is_after = count(), dies_at, is_after

    def _count(self, *, is_after: bool) -> None:
        if is_after is self._is_after and (next(self._calls)) == self._dies_at:
            raise Died

    async def new_epoch(self) -> SealKeyId:
        self._count(is_after=False)
        made = await super().new_epoch()
        self._count(is_after=True)
        return made

    async def wrap(self, keys: Sequence[tuple[SealContext, bytes]]) -> list[bytes]:
        self._count(is_after=False)
        wrapped = await super().wrap(keys)
        self._count(is_after=True)
        return wrapped

    async def keys_to_back_up(self, epoch_id: SealKeyId) -> Mapping[str, bytes]:
        self._count(is_after=False)
        found = await super().keys_to_back_up(epoch_id)
        self._count(is_after=True)
        return found

    async def destroy(self, epoch_id: SealKeyId) -> None:
        self._count(is_after=False)
        await super().destroy(epoch_id)
        self._count(is_after=True)
