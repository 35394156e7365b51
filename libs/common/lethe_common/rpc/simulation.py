"""What would go when, if a version of the policy took effect: counted from live deadlines, changing nothing."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from lethe_common.rpc.envelope import Call, Message
from lethe_common.services import Service

POLICY_CHARACTERS_MOST = 240_000
"""Of at most four bytes each, so that the question stays inside one message of the broker (1 MiB)."""

PolicyText = Annotated[str, StringConstraints(min_length=1, max_length=POLICY_CHARACTERS_MOST)]
"""A policy's file as it is published. It names its controller and nobody else."""


class SimulationQuestion(Message):
    policy: PolicyText


class Going(Message):
    """Items whose time is over at an instant, and within so much after it; each number has those before it in it."""

    at_once: int = 0
    day: int = 0
    week: int = 0
    month: int = 0
    """Thirty days."""


class SimulatedCount(Message):
    """The items of one category, plan and fate.

    `plan`: their owner's newest plan; None where the period does not go by plan.
    `is_held`: a legal hold keeps them whatever their deadline says.
    `passed`: due before the version takes effect, which it does not change. All others are in exactly one of
    `same`, `earlier`, `later`, `gained` (a deadline where none was) and `lost`. `kept`: of all these, those that
    cannot be computed any more and stay as they are.
    `as_is` and `simulated`: what is due from the instant on, without and with the version, beyond `passed`.
    `oldest_at`, `newest_at`: when the first and the last of them began.
    """

    category: str
    plan: str | None
    is_held: bool
    on_policy_change: str
    open: int
    passed: int
    same: int
    earlier: int
    later: int
    gained: int
    lost: int
    kept: int
    as_is: Going
    simulated: Going
    oldest_at: datetime
    newest_at: datetime


class SimulationAnswer(Message):
    """`takes_effect_at`: the version's own instant; now, if that has passed."""

    profile: str
    version: int
    policy_hash: str
    governing_version: int
    now: datetime
    takes_effect_at: datetime
    counts: tuple[SimulatedCount, ...]


class PolicySimulate(Call[SimulationQuestion, SimulationAnswer]):
    name: ClassVar[str] = "policy.simulate"
    callee: ClassVar[Service] = Service.RETENTION
    callers: ClassVar[tuple[Service, ...]] = (Service.GATEWAY,)
    question, answer = SimulationQuestion, SimulationAnswer
    timeout_seconds: ClassVar[float] = 240.0
    idempotency: ClassVar[str] = "reads only"


CALLS = (PolicySimulate,)
