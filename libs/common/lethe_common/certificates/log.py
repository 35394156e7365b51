"""The log of certificates: a Merkle tree of all that were ever issued, whose heads are signed and published.

An entry is a signed certificate in canonical form. A head says how many entries there
are and the root over them. Each certificate carries its place, the proof of it, and the
head it is proven against; a second head, from wherever one trusts, shows whether the
log was forked or shortened since (RFC 6962).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import JsonValue

from lethe_common.certificates import merkle
from lethe_common.certificates.reasons import CertificateInvalid, Reason
from lethe_common.certificates.signatures import payload_of, sign

HEAD_FORMAT: Final = "lethe.log-head/1"
_HASH = re.compile(r"[0-9a-f]{64}")
_LONGEST_PROOF = 64


@dataclass(frozen=True, slots=True)
class Head:
    """How many entries, and the root over them (32 bytes)."""

    size: int
    root: bytes


def leaf_of(signed: Mapping[str, JsonValue]) -> bytes:
    """The leaf's hash of a signed certificate."""
    return merkle.leaf_hash(rfc8785.dumps(dict(signed)))


def signed_head(head: Head, at: datetime, key: Ed25519PrivateKey) -> dict[str, JsonValue]:
    """A head as it is published."""
    payload: dict[str, JsonValue] = {"format": HEAD_FORMAT, "size": head.size, "root": head.root.hex()}
    return sign({**payload, "at": at.isoformat()}, key)


def entry(index: int, proof: Sequence[bytes], head: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What a certificate carries of the log."""
    return {"index": index, "proof": [part.hex() for part in proof], "head": dict(head)}


def published(head: Mapping[str, JsonValue], since: int | None, proof: Sequence[bytes]) -> dict[str, JsonValue]:
    """A head for others to keep, with the proof that leads to it from an earlier one of `since` entries."""
    grown: JsonValue = None if since is None else {"since": since, "proof": [part.hex() for part in proof]}
    return {"head": dict(head), "grown": grown}


def check_entry(signed: Mapping[str, JsonValue], carried: JsonValue, key: Ed25519PublicKey) -> Head:
    """The head under which a certificate is an entry of the log.

    Raises:
        CertificateInvalid: the head is not the key's, or the proof does not fit.
    """
    if not isinstance(carried, dict) or carried.keys() != {"index", "proof", "head"}:
        raise CertificateInvalid(Reason.UNKNOWN_FORMAT)
    head = _head(carried["head"], key, Reason.CHANGED_HEAD)
    index, proof = carried["index"], _proof(carried["proof"], Reason.NOT_IN_LOG)
    if not isinstance(index, int) or not merkle.is_included(leaf_of(signed), index, head.size, proof, head.root):
        raise CertificateInvalid(Reason.NOT_IN_LOG)
    return head


def check_other_head(known: Head, other: JsonValue, key: Ed25519PublicKey) -> Head:
    """Another head of the same log: what one stands for is the beginning of what the other one stands for.

    Raises:
        CertificateInvalid: it is no head of this key, cannot be compared, or contradicts.
    """
    if not isinstance(other, dict) or other.keys() != {"head", "grown"}:
        raise CertificateInvalid(Reason.NO_HEAD)
    found = _head(other["head"], key, Reason.CHANGED_HEAD)
    if found.size == known.size:
        if found.root != known.root:
            raise CertificateInvalid(Reason.FORKED)
        return found
    older, newer = sorted((known, found), key=lambda head: head.size)
    grown = other["grown"]
    if not isinstance(grown, dict) or grown.keys() != {"since", "proof"} or grown["since"] != older.size:
        raise CertificateInvalid(Reason.NOT_COMPARABLE)
    proof = _proof(grown["proof"], Reason.FORKED)
    if not merkle.is_consistent(older.size, older.root, newer.size, newer.root, proof):
        raise CertificateInvalid(Reason.FORKED)
    return found


def _head(signed: JsonValue, key: Ed25519PublicKey, otherwise: Reason) -> Head:
    try:
        payload = payload_of(signed, HEAD_FORMAT, key)
    except CertificateInvalid as error:
        raise CertificateInvalid(otherwise) from error
    size, root = payload.get("size"), payload.get("root")
    if not isinstance(size, int) or not isinstance(root, str) or _HASH.fullmatch(root) is None:
        raise CertificateInvalid(otherwise)
    return Head(size, bytes.fromhex(root))


def _proof(parts: JsonValue, otherwise: Reason) -> list[bytes]:
    if not isinstance(parts, list) or len(parts) > _LONGEST_PROOF:
        raise CertificateInvalid(otherwise)
    if not all(isinstance(part, str) and _HASH.fullmatch(part) for part in parts):
        raise CertificateInvalid(otherwise)
    return [bytes.fromhex(str(part)) for part in parts]
