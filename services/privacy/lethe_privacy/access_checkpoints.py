"""Checkpoints of the access log: number and link of a batch, signed. One replaces what ended, others are kept outside.

Pure. A checkpoint in somebody else's hands fixes all that was logged before it.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import JsonValue

from lethe_common import certificates
from lethe_common.certificates import CertificateInvalid, Reason
from lethe_common.certificates.signatures import payload_of
from lethe_privacy.errors import AccessLogBroken

FORMAT: Final = "lethe.access-checkpoint/1"
_LINK = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A batch's number, and its link (32 bytes)."""

    number: int
    link: bytes


def signed(checkpoint: Checkpoint, at: datetime, key: Ed25519PrivateKey) -> bytes:
    """A checkpoint as it is kept: a signed statement in RFC 8785 canonical JSON."""
    payload: dict[str, JsonValue] = {"format": FORMAT, "number": checkpoint.number, "link": checkpoint.link.hex()}
    return certificates.render(certificates.sign({**payload, "at": at.isoformat()}, key))


def read(document: bytes, key: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint in a document that this key signed.

    Raises:
        AccessLogBroken: it is none, is another key's, or was changed.
    """
    try:
        payload = payload_of(json.loads(document.decode()), FORMAT, key)
    except (ValueError, RecursionError) as error:
        raise AccessLogBroken("The checkpoint is not JSON.") from error
    except CertificateInvalid as error:
        what = "it is no checkpoint" if error.reason is Reason.UNKNOWN_FORMAT else error.reason
        raise AccessLogBroken(f"The checkpoint does not pass: {what}.") from error
    number, link = payload.get("number"), payload.get("link")
    if not isinstance(number, int) or not isinstance(link, str) or _LINK.fullmatch(link) is None:
        raise AccessLogBroken("The checkpoint does not pass: it is no checkpoint.")
    return Checkpoint(number, bytes.fromhex(link))
