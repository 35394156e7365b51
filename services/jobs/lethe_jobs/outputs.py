"""Outputs: sealed under the item's key and stored, each attempt under a prefix of its own.

`outputs/<random per subject>/<random per generation>-<random per attempt>-<variant>`.
The run's prefix is in its row before anything is stored, so whatever a dead or
superseded worker leaves lies where the next attempt, or the removal, takes it away.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from lethe_common.identifiers import AssetId
from lethe_common.sealing import SealContext, Sealer, sealed_size
from lethe_common.storage import Storage, Stored, nested_prefix
from lethe_jobs.providers import Delivery, Order, Piece
from lethe_jobs.verdicts import Asset

_CHUNK_BYTES = 1024 * 1024


class Outputs:
    """Seals and stores what providers delivered."""

    def __init__(self, sealer: Sealer, storage: Storage) -> None:
        self._sealer, self._storage = sealer, storage

    async def store(self, order: Order, delivery: Delivery, prefix: str) -> tuple[Asset, ...]:
        """Store every piece under a fresh prefix that begins with the run's.

        Raises:
            Unavailable, StorageError: the store did not take it.
        """
        mine = nested_prefix(prefix)
        return tuple([await self._store(order, delivery, piece, mine) for piece in delivery.pieces])

    async def clear(self, prefix: str) -> None:
        """Remove what earlier attempts left under the run's prefix."""
        await self._storage.remove_all_versions(prefix)

    async def drop(self, assets: tuple[Asset, ...]) -> None:
        """Remove a late result that nobody wants any more."""
        keys = {asset.object_key: asset.variant for asset in assets if asset.object_key is not None}
        for prefix in {key.removesuffix(variant) for key, variant in keys.items()}:
            await self._storage.remove_all_versions(prefix, list(keys))

    async def _store(self, order: Order, delivery: Delivery, piece: Piece, prefix: str) -> Asset:
        content = piece.content or b""
        key = f"{prefix}{piece.variant}"
        context = SealContext(f"output.{piece.variant}", order.run.subject_ref, order.run.generation_id, order.key_id)
        sealed = self._sealer.seal_stream(order.key, context, _chunks(content), len(content))
        stored = await self._storage.put_stream(key, sealed, sealed_size(len(content)))
        return asset_of(order, delivery, piece, stored, await asyncio.to_thread(_digest, content))


def asset_of(order: Order, delivery: Delivery, piece: Piece, stored: Stored | None, digest: str) -> Asset:
    """The row of one piece; None where nothing is stored."""
    size = len(piece.content or b"")
    return Asset(
        asset_id=AssetId.new(),
        variant=piece.variant,
        object_key=stored.key if stored else None,
        object_version=stored.version_id if stored else None,
        media_type=piece.media_type,
        size_bytes=size,
        sealed_size_bytes=sealed_size(size) if stored else 0,
        sha256=digest,
        key_id=order.key_id,
        width_px=delivery.width_px,
        height_px=delivery.height_px,
        frames=delivery.frames,
        duration_seconds=delivery.duration_seconds,
    )


def unstored(order: Order, delivery: Delivery) -> tuple[Asset, ...]:
    """Rows for pieces without content, which lie nowhere."""
    return tuple(asset_of(order, delivery, piece, None, _digest(b"")) for piece in delivery.pieces)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]
