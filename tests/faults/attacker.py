"""Somebody who copies everything there is, hour by hour, and later tries every key on every copy.

What rests wrapped or sealed is copied as rows and objects, and now and then carved out of
the raw files of all servers; what is a key, as files of the keyring and as sealed key
backups, for which the attacker has the recovery key too.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lethe_cli.local.folder import DataFolder
from lethe_common.database.roles import DATABASES
from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import CannotOpen, KeyLabel, SealContext, Sealer, unwrap, wrapping_context
from lethe_common.sealing.context import KEY_ID_BYTES, TAG_BYTES, key_id_from_bytes
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.keybackups import KeyRestoration
from tests.faults.carving import Value, files_of, objects_of, values, wrapped_keys
from tests.flows.outside import objects, store
from tests.suite import RunningSuite

_CLASSES = "SELECT subject_ref, key_class, key_id, wrapped, epoch_id FROM keys.class_keys"
_ITEMS = "SELECT item_id, subject_ref, key_class, key_id, wrapped FROM keys.item_keys"
# By category: item, subject, key, sealed value.
_VALUES = {
    "content.prompt": "SELECT generation_id, subject_ref, key_id, prompt_sealed FROM gateway.generations",
    "identity.email": "SELECT account_id, subject_ref, key_id, email_sealed FROM gateway.accounts",
    "training.record": "SELECT handover_id, subject_ref, key_id, record_sealed FROM gateway.training_records",
    "mail.queue": "SELECT mail_id, subject_ref, key_id, secret_sealed FROM gateway.mails",
    "support.ticket": """
        SELECT request_id, r.subject_ref, s.key_id, s.text_sealed
          FROM privacy.request_steps s JOIN privacy.requests r USING (request_id) WHERE s.text_sealed IS NOT NULL
    """,
}
_ASSETS = "SELECT generation_id, subject_ref, key_id, variant, object_key FROM jobs.assets"
_UPLOADS = "SELECT upload_id, subject_ref, key_id, object_key FROM gateway.uploads"
_ACCESSES = "SELECT item_id, subject_ref, sealed FROM privacy.access_bodies WHERE sealed IS NOT NULL"
_EXPORTS = "SELECT export_id, subject_ref, key_id, object_key FROM gateway.exports WHERE state = 'ready'"


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
    key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value or object, and what it is bound to."""

    context: SealContext
    content: bytes
    is_object: bool
    is_whole: bool = True
    """Whether it is all of an object, or its beginning."""

    async def opens_with(self, key: bytes) -> bool:
        sealer = Sealer(is_on=True)
        try:
            if not self.is_object:
                sealer.open(key, self.context, self.content)
                return True

            async def fetch(start: int, length: int) -> AsyncGenerator[bytes, None]:
                yield self.content[start : start + length]

            # A beginning is a segment of something longer, by however little.
            size, end = (len(self.content), None) if self.is_whole else (len(self.content) + TAG_BYTES + 1, 1)
            async for _ in sealer.open_range(key, self.context, size, fetch, end=end):
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
    carved: dict[str, set[Value | Sealed]] = field(default_factory=dict)
    """The same by item, out of raw files."""
    names: set[str] = field(default_factory=set)
    """Of the objects that are copied: none of them ever changes."""
    copies: int = 0
    logs: dict[str, bytes] = field(default_factory=dict)
    """Every log file there ever was, as it was copied last."""

    def copy(self) -> None:
        """Everything there is now. Keys twice: what goes meanwhile had its key before, what is written meanwhile has it after."""
        self._copy_keys()
        self._copy_contents()
        self._copy_keys()
        self.logs |= {file.name: file.read_bytes() for file in DataFolder(self.suite.data).logs.iterdir()}
        self.copies += 1

    def _copy_keys(self) -> None:
        self.epochs |= self.surviving_epochs()
        self.classes |= {ClassCopy(*row) for row in self.suite.look_at_keys(_CLASSES)}
        self.items |= {ItemCopy(*row) for row in self.suite.look_at_keys(_ITEMS)}

    def _copy_contents(self) -> None:
        for category, sql in _VALUES.items():
            for item, subject, key_id, value in self.suite.look(sql):
                self._keep(SealContext(category, subject, item, key_id), value, is_object=False)
        for item, subject, value in self.suite.look(_ACCESSES):
            key_id = key_id_from_bytes(value[1 : 1 + KEY_ID_BYTES])
            self._keep(SealContext("access.log", subject, item, key_id), value, is_object=False)
        contents = {one.name for one in objects(self.suite) if not one.is_marker} - self.names
        for generation, subject, key_id, variant, name in self.suite.look(_ASSETS):
            self._keep_object(SealContext(f"output.{variant}", subject, generation, key_id), name, contents)
        for upload, subject, key_id, name in self.suite.look(_UPLOADS):
            self._keep_object(SealContext("upload.image", subject, upload, key_id), name, contents)
        for export, subject, key_id, name in self.suite.look(_EXPORTS):
            self._keep_object(SealContext("export.archive", subject, export, key_id), name, contents)

    def carve(self) -> None:
        """What lies in the raw files now, after a copy: wrapped keys, values and objects of all items ever copied."""
        for database in DATABASES:
            self.suite.look("CHECKPOINT", database=database)
        kinds = {one.key_id: one.item_id for one in self.items}
        around = {*self.epochs, *(one.key_id for one in self.classes)}
        wrapped: set[tuple[str, bytes]] = set()
        for content in files_of(self.suite.data):
            wrapped.update(wrapped_keys(content, around))
            for value in values(content, kinds):
                self.carved.setdefault(kinds[value.key_id], set()).add(value)
            for key_id, sealed, is_whole in objects_of(content):
                for context in self._contexts(kinds.get(key_id), key_id):
                    carved = Sealed(context, sealed, is_object=True, is_whole=is_whole)
                    self.carved.setdefault(context.item_id, set()).add(carved)
        self._keep_wrapped(wrapped)

    def _contexts(self, item_id: str | None, key_id: str) -> set[SealContext]:
        """What an object under this key may be bound to."""
        known = self.sealed.get(item_id or "", ())
        return {one.context for one in known if one.is_object and one.context.key_id == key_id}

    def _keep_wrapped(self, carved: set[tuple[str, bytes]]) -> None:
        """Wrapped keys out of files, told apart by whose they open as: ids are no secret, and all keys live or are noted."""
        for epoch_id, wrapped in carved:
            for name in {(one.subject_ref, one.key_class, one.key_id) for one in self.classes}:
                context = wrapping_context(KeyLabel.CLASS, name[0], name[2], SealKeyId(epoch_id))
                if epoch_id in self.epochs and _opened([self.epochs[epoch_id]], context, wrapped):
                    self.classes.add(ClassCopy(*name, wrapped, epoch_id))
        owners = {one.key_id: (one.subject_ref, one.key_class) for one in self.classes}
        keys = self._class_keys(self.epochs)
        for class_key_id, wrapped in carved:
            owner = owners.get(class_key_id)
            of_class = [key for key_id, key in keys.get(owner, ()) if key_id == class_key_id] if owner else []
            for item in {
                replace(one, wrapped=wrapped) for one in self.items if (one.subject_ref, one.key_class) == owner
            }:
                context = wrapping_context(KeyLabel.ITEM, item.subject_ref, item.item_id, SealKeyId(class_key_id))
                if _opened(of_class, context, wrapped):
                    self.items.add(item)

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
        classes = self._class_keys(epochs)
        found: dict[str, set[bytes]] = {}
        for item in self.items:
            for key_id, class_key in classes.get((item.subject_ref, item.key_class), ()):
                context = wrapping_context(KeyLabel.ITEM, item.subject_ref, item.item_id, SealKeyId(key_id))
                found.setdefault(item.item_id, set()).update(_opened([class_key], context, item.wrapped))
        return {item_id: keys for item_id, keys in found.items() if keys}

    def opened_with(self, epochs: Mapping[str, bytes]) -> set[str]:
        """The items of which anything opens, every key that can be had tried on everything that was copied of each."""
        return self._opened_of(self.sealed, epochs)

    def opened_of_files(self, epochs: Mapping[str, bytes]) -> set[str]:
        """The same of what was carved out of raw files."""
        return self._opened_of(self.carved, epochs)

    def _opened_of(self, copied: Mapping[str, Collection[Value | Sealed]], epochs: Mapping[str, bytes]) -> set[str]:
        keys = {key for some in self.item_keys(epochs).values() for key in some}
        return {item for item, sealed in copied.items() if asyncio.run(_any_opens(sealed, keys))}

    def _class_keys(self, epochs: Mapping[str, bytes]) -> dict[tuple[str, str], set[tuple[str, bytes]]]:
        """By subject and class: ids and keys."""
        found: dict[tuple[str, str], set[tuple[str, bytes]]] = {}
        for one in self.classes:
            context = wrapping_context(KeyLabel.CLASS, one.subject_ref, one.key_id, SealKeyId(one.epoch_id))
            for key in _opened(epochs.values(), context, one.wrapped):
                found.setdefault((one.subject_ref, one.key_class), set()).add((one.key_id, key))
        return found

    def _keep(self, context: SealContext, content: bytes, *, is_object: bool) -> None:
        self.sealed.setdefault(context.item_id, set()).add(Sealed(context, content, is_object))

    def _keep_object(self, context: SealContext, name: str, there: set[str]) -> None:
        if name in there:
            content = store(self.suite).get_object(self.suite.runtime.s3_bucket, name).read()
            self._keep(context, content, is_object=True)
            self.names.add(name)


def _opened(keys: Iterable[bytes], context: SealContext, wrapped: bytes) -> list[bytes]:
    opened = []
    for key in keys:
        try:
            opened.append(unwrap(key, context, wrapped))
        except CannotOpen:
            continue
    return opened


async def _any_opens(sealed: Iterable[Value | Sealed], keys: Iterable[bytes]) -> bool:
    for one in sealed:
        for key in keys:
            if one.shows_text_with(key) if isinstance(one, Value) else await one.opens_with(key):
                return True
    return False
