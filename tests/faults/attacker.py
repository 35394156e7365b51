"""Somebody who copies everything there is, hour by hour, and later tries every key on every copy.

What rests wrapped or sealed is copied as rows and objects; what is a key, as files of
the keyring and as sealed key backups, for which the attacker has the recovery key too.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from lethe_cli.local.folder import DataFolder
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, KeyLabel, SealContext, Sealer, unwrap, wrapping_context
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.keybackups import KeyRestoration
from tests.flows.outside import objects, store
from tests.suite import RunningSuite

_CLASSES = "SELECT subject_ref, key_class, key_id, wrapped, epoch_id FROM keys.class_keys"
_ITEMS = "SELECT item_id, subject_ref, key_class, wrapped FROM keys.item_keys"
_PROMPTS = "SELECT generation_id, subject_ref, key_id, prompt_sealed FROM gateway.generations"
_ASSETS = "SELECT generation_id, subject_ref, key_id, variant, object_key FROM jobs.assets"
_UPLOADS = "SELECT upload_id, subject_ref, key_id, object_key FROM gateway.uploads"


@dataclass(frozen=True, slots=True)
class ClassCopy:
    """A wrapped class key as it was somewhere at some hour."""

    subject_ref: str
    key_class: str
    key_id: str
    wrapped: bytes
    epoch_id: str


@dataclass(frozen=True, slots=True)
class ItemCopy:
    """A wrapped item key."""

    item_id: str
    subject_ref: str
    key_class: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value or object, and what it is bound to."""

    context: SealContext
    content: bytes
    is_object: bool

    async def opens_with(self, key: bytes) -> bool:
        sealer = Sealer(is_on=True)
        try:
            if not self.is_object:
                sealer.open(key, self.context, self.content)
                return True

            async def fetch(start: int, length: int) -> AsyncGenerator[bytes, None]:
                yield self.content[start : start + length]

            async for _ in sealer.open_range(key, self.context, len(self.content), fetch):
                pass
        except CannotOpen:
            return False
        return True


@dataclass
class Attacker:
    """The notebook: everything that was ever copied."""

    suite: RunningSuite
    recovery_key: Path
    epochs: dict[str, bytes] = field(default_factory=dict)
    classes: set[ClassCopy] = field(default_factory=set)
    items: set[ItemCopy] = field(default_factory=set)
    sealed: dict[str, set[Sealed]] = field(default_factory=dict)
    """By item."""
    copies: int = 0

    def copy(self) -> None:
        """Everything there is now."""
        self.epochs |= self.surviving_epochs()
        self.classes |= {ClassCopy(*row) for row in self.suite.look_at_keys(_CLASSES)}
        self.items |= {ItemCopy(*row) for row in self.suite.look_at_keys(_ITEMS)}
        for generation, subject, key_id, prompt in self.suite.look(_PROMPTS):
            self._keep(SealContext("content.prompt", subject, generation, key_id), prompt, is_object=False)
        contents = {one.name for one in objects(self.suite) if not one.is_marker}
        for generation, subject, key_id, variant, name in self.suite.look(_ASSETS):
            self._keep_object(SealContext(f"output.{variant}", subject, generation, key_id), name, contents)
        for upload, subject, key_id, name in self.suite.look(_UPLOADS):
            self._keep_object(SealContext("upload.image", subject, upload, key_id), name, contents)
        self.copies += 1

    def surviving_epochs(self) -> dict[str, bytes]:
        """The epoch keys that lie in the keyring now, and in the key backups, opened with the recovery key."""
        folder = DataFolder(self.suite.data)
        found = dict(FolderKeyring(folder.keyring)._read_all())
        for file in sorted(folder.key_backups.glob("*.keys")):
            with TemporaryDirectory() as place:
                keyring = FolderKeyring(Path(place))
                asyncio.run(KeyRestoration(keyring, self.recovery_key.read_bytes()).restore(file, None))
                found |= keyring._read_all()
        return {str(name): key for name, key in found.items()}

    def item_keys(self, epochs: Mapping[str, bytes]) -> dict[str, set[bytes]]:
        """Every item key that can be had with these epoch keys from everything ever copied."""
        classes: dict[tuple[str, str], set[tuple[str, bytes]]] = {}
        for one in self.classes:
            context = wrapping_context(KeyLabel.CLASS, one.subject_ref, one.key_id, SealKeyId(one.epoch_id))
            for key in _opened(epochs.values(), context, one.wrapped):
                classes.setdefault((one.subject_ref, one.key_class), set()).add((one.key_id, key))
        found: dict[str, set[bytes]] = {}
        for item in self.items:
            for key_id, class_key in classes.get((item.subject_ref, item.key_class), ()):
                context = wrapping_context(KeyLabel.ITEM, item.subject_ref, item.item_id, SealKeyId(key_id))
                found.setdefault(item.item_id, set()).update(_opened([class_key], context, item.wrapped))
        return {item_id: keys for item_id, keys in found.items() if keys}

    def opened_with(self, epochs: Mapping[str, bytes]) -> set[str]:
        """The items of which anything opens, every key that can be had tried on everything that was copied of each."""
        keys = {key for some in self.item_keys(epochs).values() for key in some}
        return {item for item, sealed in self.sealed.items() if asyncio.run(_any_opens(sealed, keys))}

    def _keep(self, context: SealContext, content: bytes, *, is_object: bool) -> None:
        self.sealed.setdefault(context.item_id, set()).add(Sealed(context, content, is_object))

    def _keep_object(self, context: SealContext, name: str, there: set[str]) -> None:
        if name in there:
            content = store(self.suite).get_object(self.suite.runtime.s3_bucket, name).read()
            self._keep(context, content, is_object=True)


def _opened(keys: Iterable[bytes], context: SealContext, wrapped: bytes) -> list[bytes]:
    opened = []
    for key in keys:
        try:
            opened.append(unwrap(key, context, wrapped))
        except CannotOpen:
            continue
    return opened


async def _any_opens(sealed: Iterable[Sealed], keys: Iterable[bytes]) -> bool:
    for one in sealed:
        for key in keys:
            if await one.opens_with(key):
                return True
    return False
