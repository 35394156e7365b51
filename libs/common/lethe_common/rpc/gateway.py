"""What the gateway answers to the other services."""

from typing import ClassVar

from pydantic import Base64Bytes, Field

from lethe_common.identifiers import GenerationId, SealKeyId, UploadId
from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service


class InputQuestion(Message):
    """The inputs of the runs that were just leased."""

    generation_ids: tuple[GenerationId, ...] = Field(min_length=1, max_length=256)


class SealedUpload(Message):
    """Where a reference file lies, sealed under its own item key (item id: the upload's)."""

    upload_id: UploadId
    object_key: str
    media_type: str
    size_bytes: int


class SealedInput(Message):
    """A generation's input, sealed under its item key (category `content.prompt`)."""

    generation_id: GenerationId
    prompt: Base64Bytes
    key_id: SealKeyId
    seed: int
    upload: SealedUpload | None = None


class InputAnswer(Message):
    """Those that still exist, as many as fit into one message; one that is in neither list was deleted meanwhile."""

    inputs: tuple[SealedInput, ...]
    # Left out where there is none: a caller of an older version does not know the field.
    later: tuple[GenerationId, ...] = Field(default=(), exclude_if=lambda later: not later)
    """Those to ask for again. There is none without an input, so whoever asks again comes to an end."""


class GenerationInput(Call[InputQuestion, InputAnswer]):
    name: ClassVar[str] = "generation.input"
    callee: ClassVar[Service] = Service.GATEWAY
    callers: ClassVar[tuple[Service, ...]] = (Service.JOBS,)
    question, answer = InputQuestion, InputAnswer
    idempotency: ClassVar[str] = "reads only"


class AcceptedQuestion(Message):
    """Were these generations accepted? Asked before their holds expire."""

    generation_ids: tuple[GenerationId, ...] = Field(min_length=1, max_length=256)


class AcceptedAnswer(Message):
    accepted: tuple[GenerationId, ...]


class GenerationAccepted(Call[AcceptedQuestion, AcceptedAnswer]):
    name: ClassVar[str] = "generation.accepted"
    callee: ClassVar[Service] = Service.GATEWAY
    callers: ClassVar[tuple[Service, ...]] = (Service.BILLING,)
    question, answer = AcceptedQuestion, AcceptedAnswer
    idempotency: ClassVar[str] = "reads only"


CALLS = (GenerationInput, GenerationAccepted)
