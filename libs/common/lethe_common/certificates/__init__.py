"""Certificates of erasure: how one is signed, logged, written down and checked offline."""

from lethe_common.certificates.documents import (
    ERASURE_FORMAT,
    FINAL_FORMAT,
    MAX_DOCUMENT_BYTES,
    Checked,
    issued,
    render,
    verify,
    verify_document,
)
from lethe_common.certificates.log import HEAD_FORMAT, Head, entry, leaf_of, published, signed_head
from lethe_common.certificates.reasons import CertificateInvalid, Reason
from lethe_common.certificates.signatures import key_id, public_pem, sign, signing_key

__all__ = [
    "ERASURE_FORMAT",
    "FINAL_FORMAT",
    "HEAD_FORMAT",
    "MAX_DOCUMENT_BYTES",
    "CertificateInvalid",
    "Checked",
    "Head",
    "Reason",
    "entry",
    "issued",
    "key_id",
    "leaf_of",
    "public_pem",
    "published",
    "render",
    "sign",
    "signed_head",
    "signing_key",
    "verify",
    "verify_document",
]
