"""The tree against RFC 6962's own definitions, written down as plainly as they stand there."""

from collections.abc import Sequence
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from lethe_common.certificates import merkle
from lethe_common.certificates.merkle import Node, Range

ENTRIES = [f"entry {number}".encode() for number in range(70)]
# The eight inputs and their root that implementations of Certificate Transparency test themselves with.
KNOWN = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def defined_root(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return sha256(b"\x01" + defined_root(entries[:split]) + defined_root(entries[split:])).digest()


def stored(entries: Sequence[bytes]) -> dict[Node, bytes]:
    """The nodes, added entry by entry."""
    nodes: dict[Node, bytes] = {}
    for index, entry in enumerate(entries):
        left = [nodes[node] for node in merkle.siblings(index)]
        for node, made in merkle.appended(index, merkle.leaf_hash(entry), left):
            assert node not in nodes
            nodes[node] = made
    return nodes


NODES = stored(ENTRIES)


def hashes(ranges: Sequence[Range]) -> list[bytes]:
    return [merkle.range_hash(leaves, NODES) for leaves in ranges]


def root(size: int) -> bytes:
    return merkle.range_hash((0, size), NODES)


def test_the_root_of_every_size_is_the_defined_one() -> None:
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES]
    defined = [defined_root(ENTRIES[:size]) for size in range(71)]

    assert [root(size) for size in range(71)] == defined
    assert [merkle.root_of(leaves[:size]) for size in range(71)] == defined


def test_the_root_of_the_known_entries_is_the_known_one() -> None:
    nodes = stored([bytes.fromhex(entry) for entry in KNOWN])

    assert merkle.range_hash((0, 8), nodes).hex() == KNOWN_ROOT


def test_every_entry_of_every_size_is_proven_and_no_other_passes_for_it() -> None:
    for size in range(1, 71):
        for index in range(size):
            proof, leaf = hashes(merkle.inclusion(index, size)), merkle.leaf_hash(ENTRIES[index])
            assert merkle.is_included(leaf, index, size, proof, root(size))
            assert not merkle.is_included(merkle.leaf_hash(b"other"), index, size, proof, root(size))
            assert not merkle.is_included(leaf, (index + 1) % size, size, proof, root(size)) or size == 1
            assert not merkle.is_included(leaf, index, size, [*proof, leaf], root(size))


def test_every_growth_is_proven_and_no_other_root_passes_for_it() -> None:
    for new in range(1, 71):
        for old in range(1, new + 1):
            proof = hashes(merkle.consistency(old, new))
            assert merkle.is_consistent(old, root(old), new, root(new), proof)
            assert not merkle.is_consistent(old, root(old), new, defined_root(ENTRIES[1 : new + 1]), proof)
            assert not merkle.is_consistent(old, merkle.leaf_hash(b""), new, root(new), proof)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 200), st.integers(0, 255))
def test_a_changed_proof_of_growth_proves_nothing(one: int, other: int, place: int, flip: int) -> None:
    old, new = min(one, other), max(one, other)
    proof = [bytearray(part) for part in hashes(merkle.consistency(old, new))]
    if not proof or not flip:
        return
    part = proof[place % len(proof)]
    part[place % len(part)] ^= flip

    assert not merkle.is_consistent(old, root(old), new, root(new), [bytes(each) for each in proof])


def test_a_size_that_is_none_proves_nothing() -> None:
    assert not merkle.is_included(merkle.leaf_hash(b""), 0, 0, [], root(0))
    assert not merkle.is_consistent(0, root(0), 5, root(5), [])
    assert not merkle.is_consistent(6, root(6), 5, root(5), hashes(merkle.consistency(5, 6)))
