"""The log of certificates as this service keeps it: append, prove, show. `lethe_common.certificates` says what it means."""

import json
from collections.abc import Iterable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from lethe_common import certificates
from lethe_common.certificates import merkle
from lethe_common.certificates.merkle import Node, Range
from lethe_common.clock import Clock
from lethe_common.database import Transaction
from lethe_privacy.errors import LogShorter

# Entries get their numbers one after the other; whoever appends holds this until the commit.
LOCK = "SELECT pg_advisory_xact_lock(7310580021)"
SIZE = "SELECT coalesce(max(position) + 1, 0) FROM log_nodes WHERE level = 0"
NODES = """
    SELECT n.level, n.position, n.hash
      FROM unnest($1::smallint[], $2::bigint[]) AS w (level, position) JOIN log_nodes n USING (level, position)
"""
ADD_NODES = """
    INSERT INTO log_nodes (level, position, hash) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
"""
ADD_HEAD = "INSERT INTO log_heads (size, document) VALUES ($1, $2)"
LAST_HEAD = "SELECT size, document FROM log_heads ORDER BY size DESC LIMIT 1"


class CertificateLog:
    """Appends certificates and proves what it holds."""

    def __init__(self, signing_key: Ed25519PrivateKey, clock: Clock) -> None:
        self._signing_key, self._clock = signing_key, clock

    async def append(self, tx: Transaction, signed: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Enter a signed certificate, and sign the head that has it; what the certificate carries of the log."""
        await tx.execute(LOCK)
        index = int(await tx.fetchval(SIZE))
        before = merkle.siblings(index)
        found = await _nodes(tx, before)
        made = merkle.appended(index, certificates.leaf_of(signed), [found[node] for node in before])
        levels, positions = [node[0] for node, _ in made], [node[1] for node, _ in made]
        await tx.execute(ADD_NODES, levels, positions, [hash_ for _, hash_ in made])
        size = index + 1
        root, *path = await _hashes(tx, [(0, size), *merkle.inclusion(index, size)])
        head = certificates.signed_head(certificates.Head(size, root), self._clock.now(), self._signing_key)
        await tx.execute(ADD_HEAD, size, certificates.render(head).decode())
        return certificates.entry(index, path, head)

    async def newest(self, tx: Transaction, since: int | None) -> dict[str, JsonValue] | None:
        """The newest head, with the proof that it only grew since it had `since` entries; None while there is none.

        Raises:
            LogShorter: it has fewer entries than that.
        """
        row = await tx.fetchrow(LAST_HEAD)
        if row is None:
            return None
        if since is not None and not 0 < since <= row["size"]:
            raise LogShorter(row["size"])
        ranges = [] if since is None else merkle.consistency(since, row["size"])
        return certificates.published(json.loads(row["document"]), since, await _hashes(tx, ranges))


async def _hashes(tx: Transaction, ranges: Sequence[Range]) -> list[bytes]:
    """The hash over each range of entries, in one look."""
    nodes = await _nodes(tx, [node for leaves in ranges for node in merkle.peaks(leaves)])
    return [merkle.range_hash(leaves, nodes) for leaves in ranges]


async def _nodes(tx: Transaction, wanted: Iterable[Node]) -> dict[Node, bytes]:
    pairs = list(wanted)
    rows = await tx.fetch(NODES, [level for level, _ in pairs], [position for _, position in pairs])
    return {(row[0], row[1]): row[2] for row in rows}
