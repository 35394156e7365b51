"""The Merkle tree of RFC 6962 (section 2.1): roots, proofs that an entry is in it, proofs that it only grew.

Pure. Whoever keeps the tree stores the hash of every complete subtree once, as a node
(level, position): a leaf is at level 0, node (l, p) covers leaves p * 2^l up to the next.
A proof is a list of ranges of leaves; each range is made of few complete subtrees, so
one look fetches all the nodes of a proof, however large the tree.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

Node: TypeAlias = tuple[int, int]
Range: TypeAlias = tuple[int, int]
"""Leaves from the first number up to, and without, the second."""


def leaf_hash(entry: bytes) -> bytes:
    """A leaf's hash, 32 bytes; the prefix keeps leaves and inner nodes apart."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """An inner node's hash, 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def siblings(index: int) -> list[Node]:
    """The nodes that adding leaf `index` completes a parent with, from the leaf upwards."""
    found, level = [], 0
    while index >> level & 1:
        found.append((level, (index >> level) - 1))
        level += 1
    return found


def appended(index: int, leaf: bytes, left: Sequence[bytes]) -> list[tuple[Node, bytes]]:
    """The nodes to be stored for leaf `index`; `left` are the hashes of its `siblings`."""
    made, current = [((0, index), leaf)], leaf
    for level, sibling in enumerate(left, start=1):
        current = node_hash(sibling, current)
        made.append(((level, index >> level), current))
    return made


def peaks(leaves: Range) -> list[Node]:
    """The complete subtrees that make up a range which begins where one of its size may begin, largest first."""
    start, end = leaves
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def range_hash(leaves: Range, nodes: Mapping[Node, bytes]) -> bytes:
    """The hash over a range, from the nodes of its `peaks`; over none it is that of nothing."""
    hashes = [nodes[node] for node in peaks(leaves)]
    if not hashes:
        return sha256(b"").digest()
    current = hashes[-1]
    for left in reversed(hashes[:-1]):
        current = node_hash(left, current)
    return current


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves that are all at hand (RFC 6962, 2.1); over none it is that of nothing."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"").digest()
    middle = _split(len(leaves))
    return node_hash(root_of(leaves[:middle]), root_of(leaves[middle:]))


def inclusion(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that a leaf is entry `index` of the first `size` (RFC 6962, 2.1.1)."""
    return list(_path(index, (0, size)))


def consistency(old: int, new: int) -> list[Range]:
    """The ranges whose hashes prove that the first `old` entries are the beginning of the first `new` (2.1.2)."""
    return list(_grown(old, (0, new), is_whole=True)) if 0 < old < new else []


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf is entry `index` of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == root


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a tree only grew from one root to the other (RFC 9162, 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 < old < new or not proof:
        return False
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _path(index: int, leaves: Range) -> Iterator[Range]:
    start, end = leaves
    if end - start <= 1:
        return
    middle = start + _split(end - start)
    if index < middle:
        yield from _path(index, (start, middle))
        yield middle, end
    else:
        yield from _path(index, (middle, end))
        yield start, middle


def _grown(old: int, leaves: Range, *, is_whole: bool) -> Iterator[Range]:
    start, end = leaves
    if old == end:
        if not is_whole:
            yield leaves
        return
    middle = start + _split(end - start)
    if old <= middle:
        yield from _grown(old, (start, middle), is_whole=is_whole)
        yield middle, end
    else:
        yield from _grown(old, (middle, end), is_whole=False)
        yield start, middle


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
