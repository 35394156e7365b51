"""What every request/reply has in common.

A call travels on `rpc.<callee>.<name>.<caller>`: the last word is the caller, and
the permissions table lets only that service publish it, so the callee knows who
asks. Refusals come back as `Nats-Service-Error-Code` (a stable code) and
`Nats-Service-Error` (a sentence), as the NATS micro protocol has them (ADR-32).
"""

from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from lethe_common.errors import LetheError, Unavailable
from lethe_common.services import Service


class Message(BaseModel):
    """A request, a reply, or a value inside one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


class Call(Generic[Q, A]):
    """One kind of request. Subclasses are never instantiated; they are names with schemas.

    `idempotency` says why repeating the call is safe: every call is retried once
    after a lost answer.
    """

    name: ClassVar[str]
    callee: ClassVar[Service]
    callers: ClassVar[tuple[Service, ...]]
    question: ClassVar[type[Message]]
    answer: ClassVar[type[Message]]
    timeout_seconds: ClassVar[float] = 5.0
    idempotency: ClassVar[str]

    @classmethod
    def subject(cls, caller: Service | str) -> str:
        """The subject this caller asks on; `*` for the responder."""
        return f"rpc.{cls.callee}.{cls.name}.{caller}"


class Refused(LetheError):
    """The callee answered no. `code` is its error's code, `status` the HTTP status it suggests."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.refusal_code, self.refusal_status = code, status


class NoAnswer(Unavailable):
    """The callee is away or too slow. The call may or may not have had its effect."""

    code = "service_away"

    def __init__(self, call: str) -> None:
        super().__init__(f"No answer to {call} in time. Try again in a few seconds.")
