"""Why a certificate, or a head of the log, does not pass."""

from enum import StrEnum

from lethe_common.errors import LetheError


class Reason(StrEnum):
    """Each as a sentence for whoever checks."""

    NO_KEY = "the key is not an Ed25519 public key in PEM form"
    TOO_LARGE = "the file is larger than any certificate"
    NOT_JSON = "the file is not JSON"
    UNKNOWN_FORMAT = "the file is not a certificate of a format this version knows"
    OTHER_KEY = "it was signed with another key than the one given"
    WRONG_SIGNATURE = "the signature does not fit: the content or the signature was changed after signing"
    CHANGED_BYTES = (
        "the signed statement is intact, but the file is not byte for byte what was issued: "
        "it was reformatted or changed around it"
    )
    CHANGED_HEAD = "the head of the log was changed after signing, or was signed with another key"
    NOT_IN_LOG = "the log's proof does not fit: this is not the entry that the head of the log stands for"
    NO_HEAD = "the other file is not a head of the log"
    NOT_COMPARABLE = (
        "the other head came without the proof that leads from one to the other: "
        "fetch it with `lethe certificate head --since CERTIFICATE`"
    )
    FORKED = (
        "the two heads contradict each other: an entry was removed or changed after it was logged, "
        "or two different logs are shown to different people"
    )


class CertificateInvalid(LetheError):
    """A certificate that does not pass; `reason` says why."""

    code, status = "certificate_invalid", 422

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"The certificate is not valid: {reason}.")
        self.reason = reason
