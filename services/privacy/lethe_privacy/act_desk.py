"""The register of acts of destruction: begun and written by the saga, shown to operators, gone after their period."""

from datetime import datetime

from lethe_common.database import Database, Transaction
from lethe_common.identifiers import REGISTERS, ErasureId
from lethe_common.policy import PolicyBook
from lethe_common.rpc import acts as rpc
from lethe_common.rpc.privacy import LeaseWish
from lethe_common.services import Service
from lethe_privacy import act_queries as queries
from lethe_privacy.acts import content_of
from lethe_privacy.erasures import Erasure, State
from lethe_privacy.errors import ActUnknown
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.schemas import ErasureStatement


class Acts:
    """Acts of one deployment; there are some only where the policy has their category."""

    def __init__(self, database: Database, keys: ItemKeys, book: PolicyBook, *, batch: int) -> None:
        self._database, self._keys, self._book, self._batch = database, keys, book, batch

    async def begin(self, tx: Transaction, erasure: Erasure, opening: rpc.ActOpening) -> None:
        """Keep who is being erased. One opening of an erasure counts; another is spare, and its key goes."""
        # What is to stay is counted at the fence, so nothing joins later.
        is_early = erasure.state is State.REQUESTED
        if not (is_early and await queries.begin(tx, erasure.erasure_id, opening)):
            await self._keys.destroy([LeaseWish(subject_ref=REGISTERS, item_id=opening.act_id)])

    async def write(self, tx: Transaction, erasure_id: ErasureId, statement: ErasureStatement) -> None:
        """Write the act with the certificate; where nobody was named for one, there is none."""
        policy = self._book.governing(statement.completed_at)
        document = content_of(policy, statement).model_dump_json()
        await tx.execute(queries.WRITE, erasure_id, statement.completed_at, document)

    async def list(self, question: rpc.ActListQuestion, _caller: Service) -> rpc.ActListAnswer:
        """The newest."""
        async with self._database.transaction() as tx:
            return rpc.ActListAnswer(acts=await queries.find(tx, queries.NEWEST, question.limit))

    async def show(self, question: rpc.ActShowQuestion, _caller: Service) -> rpc.ActAnswer:
        """One act.

        Raises:
            ActUnknown: there is none.
        """
        async with self._database.transaction() as tx:
            found = await queries.find(tx, queries.FIND, question.act_id)
        if not found:
            raise ActUnknown
        return rpc.ActAnswer(act=found[0])

    async def sweep(self, now: datetime) -> None:
        """Acts whose period is over go, first their keys."""
        kept = self._book.kept(rpc.CATEGORY, now)
        while kept is not None and await self._remove_some(now - kept) == self._batch:
            continue

    async def _remove_some(self, destroyed_at_or_before: datetime) -> int:
        async with self._database.transaction() as tx:
            over = [row["act_id"] for row in await tx.fetch(queries.OVER, destroyed_at_or_before, self._batch)]
        if over:
            await self._keys.destroy([LeaseWish(subject_ref=REGISTERS, item_id=act_id) for act_id in over])
            async with self._database.transaction() as tx:
                await tx.execute(queries.REMOVE, over)
        return len(over)
