"""Consents: what people chose, in an append-only ledger, and what of it counts beside the subject's keys.

Both stand in the key store and change in one transaction, so that a choice counts
with its commit for every lease of a key, on every replica, and no restored backup of
other data undoes a withdrawal (docs/decisions/0053).
"""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from lethe_common.clock import Clock
from lethe_common.consents import TERMS, Asked, Choice, Chosen, asked, choice_of
from lethe_common.database import Database, Transaction
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import Policy, PolicyBook
from lethe_common.purposes import Standing
from lethe_common.rpc.consents import ConsentsChangeQuestion, LastChoice
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_privacy import key_queries as queries
from lethe_privacy.errors import PolicyUnknown, PurposeUnknown, SubjectGone, SubjectUnknown, TooManyChoices

Texts = Callable[[], frozenset[tuple[str, str]]]
Record = Callable[[Sequence[NewFact]], Awaitable[None]]
"""Records facts; they are on disk when it returns."""


class Consents:
    """The ledger of choices."""

    def __init__(
        self, database: Database, book: PolicyBook, texts: Texts, clock: Clock, record: Record, *, lines_most: int
    ) -> None:
        self._database, self._clock, self._texts, self._record, self._lines_most = (
            database,
            clock,
            texts,
            record,
            lines_most,
        )
        self._by_hash: Mapping[str, Policy] = {policy.hash: policy for policy in book.versions}

    async def show(self, subject_ref: SubjectRef) -> tuple[LastChoice, ...]:
        """What a subject decided last about each purpose; of nobody, nothing.

        Raises:
            SubjectUnknown, SubjectGone: there is none, or it is being forgotten.
        """
        async with self._database.transaction() as tx:
            return await self._last(tx, await self._subject(tx, subject_ref))

    async def change(self, question: ConsentsChangeQuestion) -> tuple[LastChoice, ...]:
        """Record what is new among the wishes, and what then stands.

        Raises:
            SubjectUnknown, SubjectGone: there is none, or it is being forgotten.
            PolicyUnknown: no version that was asked from is known here.
            PurposeUnknown: one of the wishes is about what nobody is asked.
            TooManyChoices: so many were recorded that a yes is taken no more; a no always is.
        """
        policy = self._by_hash.get(question.policy_hash)
        if policy is None:
            raise PolicyUnknown
        about = asked(policy, question.language)
        if not question.wishes.keys() <= about.keys():
            raise PurposeUnknown
        async with self._database.transaction() as tx:
            row = await self._subject(tx, question.subject_ref)
            holder = row["holder_ref"] or secrets.token_hex(16)
            said = {one["purpose"]: one for one in await tx.fetch(queries.LAST_CHOICES, holder)}
            chosen, lines = _decided(question.wishes, about, chosen_of(row), said)
            if question.accepts_terms and (TERMS not in said or said[TERMS]["policy_hash"] != policy.hash):
                lines.append((TERMS, Choice.ACCEPTED, policy.hash))
            if any(choice in _YES for _, choice, _ in lines):
                await self._must_have_room(tx, holder)
            if said_no := _facts(question.subject_ref, lines, self._clock.now()):
                # First: a crash in between leaves the fact, never a withdrawal without one.
                await self._record(said_no)
            language = question.language if question.language in policy.languages else policy.languages[0]
            for purpose, choice, text_hash in lines:
                await tx.execute(
                    queries.ADD_CHOICE, holder, purpose, choice, policy.version, policy.hash, text_hash, language,
                    question.way, self._clock.now(),
                )  # fmt: skip
            await tx.execute(
                queries.SET_CHOSEN, question.subject_ref, list(chosen.consents), list(chosen.objections), holder
            )
            return await self._last(tx, await self._subject(tx, question.subject_ref))

    async def _subject(self, tx: Transaction, subject_ref: SubjectRef) -> asyncpg.Record:
        row = await tx.fetchrow(queries.LOCK_CHOSEN, subject_ref)
        if row is None:
            raise SubjectUnknown
        if row["state"] != "active":
            raise SubjectGone
        return row

    async def _must_have_room(self, tx: Transaction, holder: str) -> None:
        if await tx.fetchval(queries.COUNT_CHOICES, holder) >= self._lines_most:
            raise TooManyChoices

    async def _last(self, tx: Transaction, row: asyncpg.Record) -> tuple[LastChoice, ...]:
        if row["holder_ref"] is None:
            return ()
        standing = chosen_of(row).standing(self._texts())
        return tuple(
            LastChoice(
                purpose=line["purpose"],
                choice=Choice(line["choice"]),
                is_allowed=_counts(line["purpose"], Choice(line["choice"]), standing),
                policy_version=line["policy_version"],
                at=line["at"],
            )
            for line in await tx.fetch(queries.LAST_CHOICES, row["holder_ref"])
        )


_NO = {Choice.WITHDRAWN: FactKind.WITHDRAWN, Choice.OBJECTED: FactKind.OBJECTED}
_YES = frozenset({Choice.CONSENTED, Choice.OBJECTION_ENDED, Choice.ACCEPTED})
Line = tuple[str, Choice, str]
"""A purpose, what was decided about it, and the digest of the words shown."""


def _decided(
    wishes: Mapping[str, bool], about: Mapping[str, Asked], chosen: Chosen, said: Collection[str]
) -> tuple[Chosen, list[Line]]:
    lines: list[Line] = []
    for purpose, is_allowed in sorted(wishes.items()):
        one = about[purpose]
        choice = choice_of(one, chosen, is_allowed=is_allowed, is_new=purpose not in said)
        if choice is not None:
            chosen = chosen.after(purpose, one.text_hash, choice)
            lines.append((purpose, choice, one.text_hash))
    return chosen, lines


def _facts(subject_ref: SubjectRef, lines: Sequence[Line], at: datetime) -> list[NewFact]:
    return [
        NewFact(kind=_NO[choice], subject_ref=subject_ref, ref=purpose, at=at)
        for purpose, choice, _ in lines
        if choice in _NO
    ]


def chosen_of(row: asyncpg.Record) -> Chosen:
    """What a subject's row says it chose."""
    return Chosen(tuple(row["consents"]), tuple(row["objections"]))


def _counts(purpose: str, choice: Choice, standing: Standing) -> bool:
    if choice in {Choice.OBJECTED, Choice.OBJECTION_ENDED}:
        return purpose not in standing.objections
    return choice is Choice.ACCEPTED or purpose in standing.consents
