"""The statutory acts of destruction, which the privacy service keeps and only the gateway can name anybody in.

Roskomnadzor's order No. 179 of 28 October 2022 says what an act has to contain: the operator's name and address;
whoever processed on its behalf; the person's name, or something else that tells who it was; who destroyed, with
position and signature; the categories; the information system; way, ground and date. Where a machine
destroyed, an extract of its log of events belongs to it. Both are kept for three years. Read in digests of the order
(delo-press.ru/news/62626, api.nnov.ru/akt-unichtozheniya-personalnyh-dannyh), not in its own text.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from lethe_common.identifiers import ActId, CertificateId
from lethe_common.rpc.envelope import Call, Message
from lethe_common.rpc.requests import SealedText
from lethe_common.services import Service

CATEGORY = "destruction.act"
"""The category of the policy that names the person whose data were destroyed."""
_GATEWAY = (Service.GATEWAY,)


class ActGround(StrEnum):
    """Why somebody's data were destroyed."""

    DEMANDED = "demanded"
    PURPOSE_REACHED = "purpose_reached"


class ActOpening(Message):
    """Who is being erased, sealed under the act's own key, which is nobody's class of keys; and on which ground."""

    act_id: ActId
    name: SealedText
    ground: ActGround


class ActProcessor(Message):
    """Somebody who processed on the operator's behalf, as the policy names them."""

    name: str
    country: str


class ActCategory(Message):
    """A category of which something was destroyed; `ru` and `en` are its names in the policy, where it has them."""

    category: str
    ru: str | None
    en: str | None


class ActStore(Message):
    """One line of the log's extract: how many things of a category a store had, and how many a law keeps."""

    store: str
    category: str
    before: int
    after: int


class ActContent(Message):
    """What an act says beside the name, frozen when the erasure was completed. `build` is what destroyed."""

    operator: str
    address: str
    processors: tuple[ActProcessor, ...]
    profile: str
    service_url: str
    categories: tuple[ActCategory, ...]
    stores: tuple[ActStore, ...]
    certificate_id: CertificateId
    build: str
    clock: Literal["real", "virtual"]


class Act(Message):
    """An act of destruction. `name` is sealed."""

    act_id: ActId
    ground: ActGround
    destroyed_at: datetime
    name: SealedText
    content: ActContent


class ActListQuestion(Message):
    limit: int = Field(default=100, ge=1, le=500)


class ActListAnswer(Message):
    """The newest first."""

    acts: tuple[Act, ...]


class ActList(Call[ActListQuestion, ActListAnswer]):
    """Acts of erasures that are completed."""

    name: ClassVar[str] = "act.list"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ActListQuestion, ActListAnswer
    idempotency: ClassVar[str] = "reads only"


class ActShowQuestion(Message):
    act_id: ActId


class ActAnswer(Message):
    act: Act


class ActShow(Call[ActShowQuestion, ActAnswer]):
    name: ClassVar[str] = "act.show"
    callee: ClassVar[Service] = Service.PRIVACY
    callers: ClassVar[tuple[Service, ...]] = _GATEWAY
    question, answer = ActShowQuestion, ActAnswer
    idempotency: ClassVar[str] = "reads only"


CALLS = (ActList, ActShow)
