"""To whom and to what a sealed thing belongs.

A context is never stored with the sealed bytes: whoever opens must already know
it. It names no table or column, so a value may move from one service to another
and survive a rename.
"""

from dataclasses import dataclass

from lethe_common.identifiers import SealKeyId

KEY_BYTES = 32
KEY_ID_BYTES = 16
TAG_BYTES = 16
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class SealContext:
    """Bound into everything sealed under it: opening with any other fails.

    Args:
        category: of the policy's catalogue, for instance `content.prompt`.
        subject_ref: whose it is; empty for what has no subject.
        item_id: the generation, upload or account it belongs to.
        key_id: the key that seals it.
    """

    category: str
    subject_ref: str
    item_id: str
    key_id: SealKeyId


def key_id_bytes(key_id: SealKeyId) -> bytes:
    """The 16 raw bytes of a key's id."""
    return bytes.fromhex(key_id.removeprefix(f"{SealKeyId.prefix}_"))


def key_id_from_bytes(raw: bytes) -> SealKeyId:
    """The key's id of its 16 raw bytes."""
    return SealKeyId(f"{SealKeyId.prefix}_{raw.hex()}")


def binding(version: int, context: SealContext) -> bytes:
    """The associated data of a sealed value: format version, category, subject, item, key."""
    return length_prefixed(
        bytes((version,)),
        context.category.encode(),
        context.subject_ref.encode(),
        context.item_id.encode(),
        key_id_bytes(context.key_id),
    )


def length_prefixed(*parts: bytes) -> bytes:
    """The parts one after the other, each behind its length in 4 bytes, so that no two lists look alike."""
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)


def check_key(key: bytes) -> None:
    """Refuse what is no 256-bit key.

    Raises:
        ValueError: the key is not 32 bytes long.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
