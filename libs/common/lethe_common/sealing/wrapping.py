"""Keys sealed under keys: item key under class key under epoch key.

The same seal as a value's, with a category of its own, so that a wrapped key
never passes for a value nor an item's key for a class's. Always sealed, whatever
the setting: the canary control is about content, not about keys.
"""

from enum import StrEnum

from lethe_common.identifiers import SealKeyId
from lethe_common.sealing.context import SealContext, check_key
from lethe_common.sealing.errors import CannotOpen
from lethe_common.sealing.values import open_value, seal_value


class KeyLabel(StrEnum):
    """What kind of key is wrapped; the category of its context."""

    ITEM = "key.item"
    CLASS = "key.class"


_LABELS = frozenset(KeyLabel)


def wrapping_context(label: KeyLabel, subject_ref: str, wrapped_id: str, kek_id: SealKeyId) -> SealContext:
    """The context of a wrapped key: `wrapped_id` names the key inside, `kek_id` the key around it."""
    return SealContext(category=label, subject_ref=subject_ref, item_id=wrapped_id, key_id=kek_id)


def wrap(kek: bytes, context: SealContext, key: bytes) -> bytes:
    """The 32-byte `key` sealed under the 32-byte `kek`, 77 bytes.

    Raises:
        ValueError: a key has the wrong length, or the context is not that of a key.
    """
    _check_label(context)
    check_key(key)
    return seal_value(kek, context, key)


def unwrap(kek: bytes, context: SealContext, wrapped: bytes) -> bytes:
    """The 32-byte key inside.

    Raises:
        CannotOpen: it was wrapped under another key or context, or was changed since.
        ValueError: `kek` has the wrong length, or the context is not that of a key.
    """
    _check_label(context)
    key = open_value(kek, context, wrapped)
    try:
        check_key(key)
    except ValueError:
        raise CannotOpen("it holds no key") from None
    return key


def _check_label(context: SealContext) -> None:
    if context.category not in _LABELS:
        raise ValueError("the category of a wrapped key is a KeyLabel")
