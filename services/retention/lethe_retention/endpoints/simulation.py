"""A coming version of the policy as operators try it out, before anybody publishes it."""

import asyncio

from lethe_common.clock import Clock
from lethe_common.database import Database
from lethe_common.policy import Catalogue, Policy, PolicyBook, PolicyError
from lethe_common.policy.policy import FILE_NAME, parse_version
from lethe_common.policy.profile import check_agreement
from lethe_common.rpc import simulation as rpc
from lethe_common.services import Service
from lethe_retention import schemas, simulation_queries
from lethe_retention.errors import PlanUnstated, PolicyMisplaced, PolicyUnreadable
from lethe_retention.simulation import Simulation


class Simulations:
    """Counts what a version would move; one at a time, since each reads every open deadline."""

    def __init__(self, database: Database, book: PolicyBook, catalogue: Catalogue, clock: Clock) -> None:
        self._database, self._book, self._catalogue, self._clock = database, book, catalogue, clock
        self._turn = asyncio.Lock()

    async def simulate(self, question: rpc.SimulationQuestion, _caller: Service) -> rpc.SimulationAnswer:
        """What would go when if this version took effect at its instant, or now if that has passed.

        Raises:
            SimulationRefused: it cannot be read, is not the next version here, or lacks a plan.
        """
        policy = await asyncio.to_thread(_read, question.policy)
        now = self._clock.now()
        governing = self._book.governing(now)
        candidate = self._with(policy, governing)
        simulation = Simulation(
            self._book.without(policy.version), candidate, self._catalogue, max(now, policy.effective_at)
        )
        async with self._turn, self._database.transaction(simulation_queries.OPENING) as tx:
            spans = simulation.starts, simulation.instants, simulation.ends
            async for group in simulation_queries.groups(tx, *spans):
                simulation.add(group)
        return rpc.SimulationAnswer(
            profile=policy.profile,
            version=policy.version,
            policy_hash=policy.hash,
            governing_version=governing.version,
            now=now,
            takes_effect_at=simulation.at,
            counts=schemas.simulated(simulation.tallies, policy),
        )

    def _with(self, policy: Policy, governing: Policy) -> PolicyBook:
        if policy.version <= governing.version:
            raise PolicyMisplaced
        try:
            check_agreement(policy, self._catalogue)
        except PolicyError:
            raise PlanUnstated from None
        try:
            return self._book.with_candidate(policy)
        except PolicyError:
            raise PolicyMisplaced from None


def _read(text: str) -> Policy:
    """Off the event loop: a long file with its lines takes a while."""
    try:
        return parse_version(FILE_NAME, text.encode())
    except PolicyError:
        raise PolicyUnreadable from None
