"""Recovery: key backups as sealed files, which only the holder of an offline key can open.

    header   one line of JSON: format, generation, epoch, beginning, recovery key's id, the file's key sealed to it (HPKE, hex)
    body     a sealed object (`lethe_common.sealing`) under the file's key: sections, one after the other
    section  length of its name (2) | name | pieces: length (4) | bytes … | length 0

The header is an addressed file's (`lethe_common.sealing.addressed`), which tells nobody who made it: whoever may write
into the folder of backups has to be trusted.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing import SealContext
from lethe_common.sealing.addressed import Addressed
from lethe_privacy.errors import KeyBackupInvalid

_BACKUP = Addressed("lethe.key-backup/1", "key backup", "recovery key", "lethe keys recovery-key new", KeyBackupInvalid)
_NAME_BYTES, _PIECE_BYTES = 2, 4
_PIECE_BYTES_MOST = 1 << 24


@dataclass(frozen=True, slots=True)
class Label:
    """Which generation a backup holds, whose key is around its class keys, and when it began."""

    generation: int
    epoch_id: SealKeyId
    began_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """The key of one backup's body."""

    label: Label
    key: bytes
    key_id: SealKeyId

    @property
    def context(self) -> SealContext:
        """What the body is bound to."""
        return SealContext("key.backup", "", str(self.label.generation), self.key_id)


def seal_header(label: Label, recovery_key: X25519PublicKey) -> tuple[bytes, FileKey]:
    """The header of a new backup, newline and all, and the key its body is sealed with."""
    said = {"generation": label.generation, "epoch_id": label.epoch_id, "began_at": label.began_at.isoformat()}
    line, key, key_id = _BACKUP.seal(said, recovery_key)
    return line, FileKey(label, key, key_id)


def label_of(line: bytes) -> Label:
    """What a backup's header says, not yet authenticated.

    Raises:
        KeyBackupInvalid: it is no backup.
    """
    return _label(_BACKUP.read(line))


def open_header(line: bytes, recovery_key: X25519PrivateKey) -> FileKey:
    """The key of a backup's body.

    Raises:
        KeyBackupInvalid: it is no backup, was changed, or is sealed to another recovery key.
    """
    header, key, key_id = _BACKUP.open(line, recovery_key)
    return FileKey(_label(header), key, key_id)


def _label(header: Mapping[str, Any]) -> Label:
    try:
        return Label(
            int(header["generation"]), SealKeyId(header["epoch_id"]), datetime.fromisoformat(header["began_at"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise KeyBackupInvalid("The header of this key backup does not say which generation it holds.") from error


def public_recovery_key(pem: bytes) -> X25519PublicKey:
    """The public half, as the service has it.

    Raises:
        KeyBackupInvalid: it is no X25519 public key in PEM form.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyBackupInvalid("The recovery key's file holds no public key in PEM form.") from error
    if not isinstance(key, X25519PublicKey):
        raise KeyBackupInvalid("The recovery key must be an X25519 key: `lethe keys recovery-key new` makes one.")
    return key


def private_recovery_key(pem: bytes) -> X25519PrivateKey:
    """The half that is kept offline.

    Raises:
        KeyBackupInvalid: it is no unencrypted X25519 private key in PEM form.
    """
    return _BACKUP.private_key(pem)


def section_head(name: str) -> bytes:
    """What begins a section."""
    encoded = name.encode()
    return len(encoded).to_bytes(_NAME_BYTES, "big") + encoded


def piece(content: bytes) -> bytes:
    """Bytes of a section; none end it."""
    return len(content).to_bytes(_PIECE_BYTES, "big") + content


class Sections:
    """Reads sections out of a body that comes in pieces cut anywhere."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body, self._waiting, self._is_over = body, bytearray(), False

    async def next_name(self) -> str | None:
        """The next section's name; None at the end. The section before must have been read to its end.

        Raises:
            KeyBackupInvalid: the body ends inside a section.
        """
        if not await self._fill(1):
            return None
        length = int.from_bytes(await self._take(_NAME_BYTES), "big")
        return (await self._take(length)).decode(errors="replace")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The section's bytes.

        Raises:
            KeyBackupInvalid: the body ends inside the section.
        """
        while length := int.from_bytes(await self._take(_PIECE_BYTES), "big"):
            if length > _PIECE_BYTES_MOST:
                raise KeyBackupInvalid("The key backup holds a piece that is larger than any that is written.")
            yield await self._take(length)

    async def _take(self, length: int) -> bytes:
        if not await self._fill(length):
            raise KeyBackupInvalid("The key backup ends too early.")
        taken = bytes(self._waiting[:length])
        del self._waiting[:length]
        return taken

    async def _fill(self, length: int) -> bool:
        while len(self._waiting) < length and not self._is_over:
            more = await anext(self._body, None)
            self._is_over = more is None
            self._waiting += more or b""
        return len(self._waiting) >= length
