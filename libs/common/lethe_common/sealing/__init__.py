"""Sealing: what is personal rests encrypted under its item's key, bound to whom and what it belongs to.

The format is final. Values have it in `values`, objects in `layout` and `segments`.
"""

from lethe_common.sealing.context import KEY_BYTES, SealContext
from lethe_common.sealing.errors import CannotOpen, CannotSeal, SealingError
from lethe_common.sealing.layout import plain_size, sealed_size
from lethe_common.sealing.objects import Fetch, with_first
from lethe_common.sealing.sealer import Sealer
from lethe_common.sealing.values import key_id_of
from lethe_common.sealing.wrapping import KeyLabel, unwrap, wrap, wrapping_context

__all__ = [
    "KEY_BYTES",
    "CannotOpen",
    "CannotSeal",
    "Fetch",
    "KeyLabel",
    "SealContext",
    "Sealer",
    "SealingError",
    "key_id_of",
    "plain_size",
    "sealed_size",
    "unwrap",
    "with_first",
    "wrap",
    "wrapping_context",
]
