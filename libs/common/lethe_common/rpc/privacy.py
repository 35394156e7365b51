"""What the privacy service answers: keys, look-ups by e-mail, erasures.

An e-mail never travels: the gateway sends an HMAC of it under its own pepper, and
the privacy service indexes an HMAC of that.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Base64Bytes, Field

from lethe_common.identifiers import CertificateId, ErasureId, RequestId, SealKeyId, SubjectRef
from lethe_common.rpc.acts import ActOpening
from lethe_common.rpc.envelope import Call, Message
from lethe_common.rpc.retention import REMOVALS_MOST
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
_PROCESS = "^[0-9a-f]{16}$"


class KeyClass(StrEnum):
    """The kinds of key a subject has; each wraps the item keys of its kind."""

    IDENTITY = "identity"
    CONTENT = "content"
    TECHNICAL = "technical"
    SUPPORT = "support"


class Purpose(StrEnum):
    """What a key is leased for. Which service may ask for which is listed in the privacy service."""

    SIGN_IN = "sign_in"
    SHOW = "show"
    MAIL = "mail"
    GENERATE = "generate"
    STORE = "store"
    SERVE = "serve"
    REQUEST = "request"
    SUPPORT = "support"
    EXPORT = "export"
    REGISTER = "register"
    ACT = "act"
    TRAIN = "train"


class SubjectOpenQuestion(Message):
    """A new subject with its login's index."""

    subject_ref: SubjectRef
    login_index: str = Field(pattern="^[0-9a-f]{64}$")


class SubjectOpenAnswer(Message):
    """False when the login is taken by another subject."""

    is_opened: bool


class SubjectOpen(Call[SubjectOpenQuestion, SubjectOpenAnswer]):
    name: ClassVar[str] = "subject.open"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = SubjectOpenQuestion, SubjectOpenAnswer
    idempotency: ClassVar[str] = "opening the same subject with the same index again is true again"


class IndexLookupQuestion(Message):
    login_index: str = Field(pattern="^[0-9a-f]{64}$")


class IndexLookupAnswer(Message):
    subject_ref: SubjectRef | None


class IndexLookup(Call[IndexLookupQuestion, IndexLookupAnswer]):
    name: ClassVar[str] = "index.lookup"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = IndexLookupQuestion, IndexLookupAnswer
    idempotency: ClassVar[str] = "reads only"


class LoginMoveQuestion(Message):
    """A subject signs in by another login from now on; `request_id` is the request for it, which is answered by that."""

    subject_ref: SubjectRef
    login_index: str = Field(pattern="^[0-9a-f]{64}$")
    request_id: RequestId


class LoginMoveAnswer(Message):
    """False when the login is another subject's."""

    is_moved: bool


class LoginMove(Call[LoginMoveQuestion, LoginMoveAnswer]):
    name: ClassVar[str] = "login.move"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LoginMoveQuestion, LoginMoveAnswer
    idempotency: ClassVar[str] = "moved there already, it is true again"


class KeyWish(Message):
    """A key for one item of one subject."""

    subject_ref: SubjectRef
    item_id: str = Field(max_length=64)
    key_class: KeyClass


class ItemKey(Message):
    """An item's key, in memory only. `key` is 32 bytes; None with a refusal's code."""

    item_id: str
    key_id: SealKeyId | None = None
    key: Base64Bytes | None = None
    refusal: str | None = None


class KeyIssueQuestion(Message):
    wishes: tuple[KeyWish, ...] = Field(min_length=1, max_length=256)


class KeysAnswer(Message):
    """One per wish, in their order.

    Refusals: `subject_unknown`, `subject_fenced`, `subject_restricted`, `key_unknown`, `purpose_refused`.
    """

    keys: tuple[ItemKey, ...]


class KeyIssue(Call[KeyIssueQuestion, KeysAnswer]):
    """Make (or find) the keys of new items."""

    name: ClassVar[str] = "key.issue"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS)
    question, answer = KeyIssueQuestion, KeysAnswer
    idempotency: ClassVar[str] = "unique item_id; the first key is answered"


class LeaseWish(Message):
    subject_ref: SubjectRef
    item_id: str = Field(max_length=64)


class KeyLeaseQuestion(Message):
    """`use` is the policy's purpose in whose service the items are opened; consents and objections to it decide.

    `process` is the name of whoever has the keys in memory then (`lethe_common.leased_keys`).
    """

    purpose: Purpose
    process: str = Field(pattern=_PROCESS)
    use: str = Field(default="service", max_length=64)
    wishes: tuple[LeaseWish, ...] = Field(min_length=1, max_length=256)


class KeyLease(Call[KeyLeaseQuestion, KeysAnswer]):
    """Open existing items for one purpose."""

    name: ClassVar[str] = "key.lease"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS)
    question, answer = KeyLeaseQuestion, KeysAnswer
    idempotency: ClassVar[str] = "reads only (each grant is logged)"


class KeysLetGoQuestion(Message):
    """A process has no key of a subject in memory, after the subject's keys were called in."""

    subject_ref: SubjectRef
    process: str = Field(pattern=_PROCESS)


class KeysLetGoAnswer(Message):
    """It is noted."""


class KeysLetGo(Call[KeysLetGoQuestion, KeysLetGoAnswer]):
    name: ClassVar[str] = "keys.let_go"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS)
    question, answer = KeysLetGoQuestion, KeysLetGoAnswer
    idempotency: ClassVar[str] = "once let go is let go; of a subject that is not fenced it says nothing"


class KeyDestroyQuestion(Message):
    """The items' keys are to be destroyed; what they sealed can never be opened again."""

    wishes: tuple[LeaseWish, ...] = Field(min_length=1, max_length=REMOVALS_MOST)


class KeyDestroyAnswer(Message):
    destroyed: int


class KeyDestroy(Call[KeyDestroyQuestion, KeyDestroyAnswer]):
    name: ClassVar[str] = "key.destroy"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY, Service.JOBS)
    question, answer = KeyDestroyQuestion, KeyDestroyAnswer
    idempotency: ClassVar[str] = "destroying what is gone counts nothing"


class ErasureOpenQuestion(Message):
    """The owner, signed in, asks to be forgotten. `claim_hash` is SHA-256 of the link's secret.

    `act` names the person for the act of destruction, where the policy keeps one.
    """

    subject_ref: SubjectRef
    claim_hash: str = Field(pattern="^[0-9a-f]{64}$")
    act: ActOpening | None = None


class ErasureOpenAnswer(Message):
    erasure_id: ErasureId


class ErasureOpen(Call[ErasureOpenQuestion, ErasureOpenAnswer]):
    name: ClassVar[str] = "erasure.open"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ErasureOpenQuestion, ErasureOpenAnswer
    idempotency: ClassVar[str] = "one open erasure per subject; a further claim_hash is added to it"


class ErasureStateQuestion(Message):
    claim_hash: str = Field(pattern="^[0-9a-f]{64}$")


class ErasureStateAnswer(Message):
    """How far an erasure is; the certificate (an RFC 8785 document with its signature) when done.

    And the final one, when the horizon has passed and nothing above the deleted keys was left.
    """

    erasure_id: ErasureId | None = None
    state: str = "unknown"
    requested_at: datetime | None = None
    certificate_id: CertificateId | None = None
    certificate: dict[str, Any] | None = None
    final_certificate: dict[str, Any] | None = None


class ErasureState(Call[ErasureStateQuestion, ErasureStateAnswer]):
    name: ClassVar[str] = "erasure.state"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ErasureStateQuestion, ErasureStateAnswer
    idempotency: ClassVar[str] = "reads only"


class PublicKeyQuestion(Message):
    pass


class PublicKeyAnswer(Message):
    """The Ed25519 key that signs certificates, as PEM."""

    pem: str


class PublicKey(Call[PublicKeyQuestion, PublicKeyAnswer]):
    name: ClassVar[str] = "public_key.get"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = PublicKeyQuestion, PublicKeyAnswer
    idempotency: ClassVar[str] = "reads only"


class LogHeadQuestion(Message):
    """`since`: a number of entries that the log is to be shown to have grown from."""

    since: int | None = Field(default=None, ge=1)


class LogHeadAnswer(Message):
    """The newest signed head of the log of certificates, with its proof; None while no certificate was issued."""

    document: dict[str, Any] | None


class LogHead(Call[LogHeadQuestion, LogHeadAnswer]):
    name: ClassVar[str] = "certificate_log.head"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = LogHeadQuestion, LogHeadAnswer
    idempotency: ClassVar[str] = "reads only"


CALLS = (
    SubjectOpen,
    IndexLookup,
    LoginMove,
    KeyIssue,
    KeyLease,
    KeysLetGo,
    KeyDestroy,
    ErasureOpen,
    ErasureState,
    PublicKey,
    LogHead,
)
