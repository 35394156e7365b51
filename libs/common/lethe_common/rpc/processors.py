"""The register of processors: what only the operator knows of each recipient of the policy, its contract above all."""

from datetime import date, datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from lethe_common.rpc.envelope import Call, Message
from lethe_common.rpc.legal_holds import OperatorName
from lethe_common.services import Service

_GATEWAY = (Service.GATEWAY,)
RecipientId = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_-]{0,31}$")]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""Where the contract is found. No person's name: all operators see it."""
Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
"""A line of the operator's; empty where there is none. No person's name."""
RECIPIENTS_MOST = 1000


class ContractSpan(Message):
    """The days on which the contract with a recipient stands, both included."""

    recipient_id: RecipientId
    starts_on: date
    ends_on: date | None


class ContractsQuestion(Message):
    """Which contracts were entered?"""


class ContractsAnswer(Message):
    contracts: tuple[ContractSpan, ...] = Field(max_length=RECIPIENTS_MOST)


class ProcessorContracts(Call[ContractsQuestion, ContractsAnswer]):
    """Asked by every service at its start and every few seconds, by the privacy service of itself too."""

    name: ClassVar[str] = "processor.contracts"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = tuple(Service)
    question, answer = ContractsQuestion, ContractsAnswer
    idempotency: ClassVar[str] = "reads only"


class ProcessorEntry(Message):
    """What was entered last about a recipient. `subprocessors` and `contact` may be empty."""

    reference: Reference
    starts_on: date
    ends_on: date | None = None
    subprocessors: Remark = ""
    contact: Remark = ""


class EnteredBy(Message):
    """Who made the entry, and when."""

    operator: str
    at: datetime


class Processor(Message):
    """A recipient of the policy in force with its entry.

    `stated_end` is the policy's own `contract_expires`, `ends_on` what counts of both; `state` is one of
    `lethe_common.egress.contracts.ContractState`, and `is_open` whether anything goes there by it.
    """

    recipient_id: RecipientId
    name: str
    role: str
    country: str
    is_demanded: bool
    stated_end: date | None
    ends_on: date | None
    days_left: int | None
    state: str
    is_open: bool
    is_ending: bool
    entry: ProcessorEntry | None
    entered: EnteredBy | None


class ProcessorListQuestion(Message):
    """All recipients of the version in force."""


class ProcessorListAnswer(Message):
    processors: tuple[Processor, ...]


class ProcessorList(Call[ProcessorListQuestion, ProcessorListAnswer]):
    name: ClassVar[str] = "processor.list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ProcessorListQuestion, ProcessorListAnswer
    idempotency: ClassVar[str] = "reads only"


class ProcessorEnterQuestion(Message):
    recipient_id: RecipientId
    operator: OperatorName
    entry: ProcessorEntry


class ProcessorAnswer(Message):
    processor: Processor


class ProcessorEnter(Call[ProcessorEnterQuestion, ProcessorAnswer]):
    """Write down a contract, or its end; the newest entry counts, the older ones stay to be seen."""

    name: ClassVar[str] = "processor.enter"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ProcessorEnterQuestion, ProcessorAnswer
    idempotency: ClassVar[str] = "the same entry again says the same"


CALLS = (ProcessorContracts, ProcessorList, ProcessorEnter)
