"""The published sentences: what they say, what keeps them true, and how that is proven."""

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from lethe_common.policy.languages import Text
from lethe_common.policy.source import Section

Part = Literal[
    "intro", "collect", "use", "share", "keep", "rights", "security", "transfers", "children", "cookies",
    "changes", "contact",
]  # fmt: skip
"""The headings of the policy page, in their order."""

Mechanism = Literal[
    "CAT", "COL", "RET", "EPH", "ERA", "RTS", "EXP", "CON", "PUR", "EGR", "PAY", "AUT", "ENC", "ACL", "LOG",
    "PUB", "AGE", "CKE", "DIS", "ORG", "MAIL", "AGG", "TXT",
]  # fmt: skip
"""What keeps a clause true; docs/policy.md says what each stands for."""


class Proof(StrEnum):
    """How a clause is proven on the running system."""

    CLOCK = "clk"
    CANARY = "can"
    CAPTURE = "cap"
    SCHEMA = "sch"
    API = "api"
    NEGATIVE = "neg"
    SERVICE_LEVEL = "sla"
    CONFIGURATION = "cfg"
    DOCUMENT = "doc"
    RESTORE = "res"
    ATTESTATION = "att"
    STATEMENT = "stmt"


NEGATIVE_PROOFS = frozenset({Proof.CANARY, Proof.CAPTURE, Proof.SCHEMA, Proof.NEGATIVE})
"""Proofs that can show an absence."""


class Clause(Section):
    """One numbered promise. Numbers in its text are references such as `{data.output.video.keep.exactly.free}`.

    `about` names the places of the file it speaks of without quoting them.
    """

    must_state: ClassVar[tuple[str, ...]] = ("text",)

    id: str = Field(pattern="^[a-z][a-z0-9_-]*-[0-9]{2,3}$")
    part: Part = "intro"
    text: Text = Field(default_factory=dict)
    about: tuple[str, ...] = ()
    mechanism: tuple[Mechanism, ...] = ()
    proof: tuple[Proof, ...] = ()
