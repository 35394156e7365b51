"""The saga of an erasure: takes the outstanding step, again and again, until the certificate is signed.

The key store is a database of its own, so no transaction spans both. Its step
comes first and may be repeated; the row here moves on only afterwards.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common import certificates, crashes
from lethe_common.bells import Bell
from lethe_common.clock import Clock
from lethe_common.database import UNFLUSHED, Database, Transaction
from lethe_common.errors import LetheError
from lethe_common.events.privacy import ErasureCompleted, ErasureFenced, ErasureStepRequested, StoreCount
from lethe_common.exports import CATEGORY as EXPORT
from lethe_common.identifiers import ErasureId, LegalHoldId, SubjectRef
from lethe_common.logging import describe
from lethe_common.rpc.acts import CATEGORY as ACT
from lethe_common.rpc.acts import ActOpening
from lethe_common.rpc.facts import FactKind, NewFact
from lethe_common.services import Service
from lethe_privacy import access_queries, fact_queries, queries
from lethe_privacy.act_desk import Acts
from lethe_privacy.certificates import CHOICES, Attestor, pseudonym_of
from lethe_privacy.disclosure_desk import RECORD as DISCLOSURES
from lethe_privacy.erasures import OUTSTANDING, Erasure, Finding, Report, State, Step, left_over, retry_delay
from lethe_privacy.errors import SubjectUnknown, TooManyClaims
from lethe_privacy.exports import end_all
from lethe_privacy.facts import Facts
from lethe_privacy.grants import CATEGORY as ACCESSES
from lethe_privacy.subjects import KeyCounts, Subjects
from lethe_privacy.transparency import CertificateLog
from lethe_privacy.verification import Verifier

log = structlog.get_logger()

_OPENED = crashes.point("erasure.opened", Service.PRIVACY)
_KEYS_FENCED = crashes.point("erasure.keys_fenced", Service.PRIVACY)
_CALLED_IN = crashes.point("erasure.called_in", Service.PRIVACY)
_QUIESCED = crashes.point("erasure.quiesced", Service.PRIVACY)
_KEYS_DESTROYED = crashes.point("erasure.keys_destroyed", Service.PRIVACY)
_VERIFIED = crashes.point("erasure.verified", Service.PRIVACY)
_CERTIFIED = crashes.point("erasure.certified", Service.PRIVACY)

_AT_ONCE = timedelta(0)
_CLEAR_SECONDS = 0.25
"""How long a fence waits for retention: whoever asked to be erased is waiting."""
HeldBy = Callable[[SubjectRef], Awaitable[Sequence[LegalHoldId]]]
"""Which legal holds keep anything of a subject? Once the answer was none, none can be placed on it."""
CallIn = Callable[[SubjectRef], Awaitable[None]]
"""Have every process say so that has none of a subject's keys in memory; the call may be lost."""
Hint = Callable[[ErasureId], Awaitable[None]]
"""Have whoever waits for an erasure look at it; the hint may be lost."""
IsKept = Callable[[datetime], bool]
"""Whether it is on record who was handed keys at an instant of policy time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is outstanding is tried."""

    poll_seconds: float
    step_retry: timedelta
    retry_first: timedelta
    retry_most: timedelta
    claims_per_erasure: int
    hold_retry: timedelta
    """How often a held erasure asks again, should it not have heard of the hold's end."""
    call_again: timedelta
    """How often a subject's keys are called in until all have let go."""
    lease: timedelta
    """How long who does not answer is waited for: no piece of work begins with a key that is older."""
    lookback: timedelta
    """Who was handed keys within that time before the fence is waited for."""


class ErasureSaga:
    """Opens erasures and carries them to their end."""

    def __init__(
        self,
        database: Database,
        subjects: Subjects,
        verifier: Verifier,
        attestor: Attestor,
        signing_key: Ed25519PrivateKey,
        certificate_log: CertificateLog,
        clock: Clock,
        pace: Pace,
        held_by: HeldBy,
        facts: Facts,
        call_in: CallIn,
        is_kept: IsKept,
        acts: Acts,
        hint: Hint,
    ) -> None:
        self._database, self._subjects, self._verifier, self._held_by = database, subjects, verifier, held_by
        self._attestor, self._signing_key, self._log = attestor, signing_key, certificate_log
        self._clock, self._pace, self._facts = clock, pace, facts
        self._call_in, self._is_kept, self._acts, self._hint = call_in, is_kept, acts, hint
        self._bell = Bell()
        self._steps = {
            Step.FENCE: self._fence,
            Step.QUIESCE: self._quiesce,
            Step.CLEAR: self._clear,
            Step.ASK_OWNERS: self._ask_owners,
            Step.DESTROY_KEYS: self._destroy_keys,
            Step.VERIFY: self._verify,
        }

    async def open(self, subject_ref: SubjectRef, claim_hash: str, act: ActOpening | None = None) -> ErasureId:
        """Begin a subject's erasure, or join the one under way, and fence the subject before answering.

        Raises:
            SubjectUnknown: there is no such subject, or it is forgotten already.
            TooManyClaims: the erasure has enough links.
        """
        is_known = await self._subjects.is_known(subject_ref)
        async with self._database.transaction() as tx:
            claimed = await tx.fetchval(queries.CLAIMED, claim_hash)
            if claimed is not None:
                return ErasureId.trusted(claimed)
            if not is_known:
                raise SubjectUnknown
            erasure = await self._begin(tx, subject_ref)
            claims = self._pace.claims_per_erasure
            if await tx.fetchval(queries.ADD_CLAIM, claim_hash, erasure.erasure_id, claims) is None:
                raise TooManyClaims
            if act is not None:
                await self._acts.begin(tx, erasure, act)
        _OPENED.reached()
        if erasure.state is State.REQUESTED:
            await self._fence(erasure)
        return erasure.erasure_id

    async def open_again(self, subject_refs: Sequence[SubjectRef]) -> int:
        """Erase subjects once more of whom a restored backup brought something back; how many erasures were opened.

        Who was never erased is left alone, whoever asks.
        """
        async with self._database.transaction() as tx:
            erased = await tx.fetch(fact_queries.ERASED, list(subject_refs))
            opened = 0
            for (subject_ref,) in erased:
                tag = await tx.execute(
                    queries.OPEN, ErasureId.new(), subject_ref, pseudonym_of(subject_ref), self._clock.now(), _AT_ONCE
                )
                opened += int(tag.rpartition(" ")[2])
        self.wake()
        log.info("erasures_opened_again", count=opened)
        return opened

    def wake(self) -> None:
        """A step is outstanding."""
        self._bell.ring()

    async def close(self) -> None:
        """Let go of what the verifier looks with."""
        await self._verifier.close()

    async def run(self) -> None:
        """Take what is outstanding, for ever; a worker of the frame. Woken by commits, with a poll as safety net."""
        while True:
            while await self.take_step():
                pass
            await self._bell.wait(self._pace.poll_seconds)

    async def take_step(self) -> bool:
        """Take one outstanding step; False when none is due. A step that fails comes back after a while."""
        async with self._database.transaction(UNFLUSHED) as tx:
            erasure = await queries.take_due(tx, self._pace.step_retry)
        if erasure is None:
            return False
        try:
            await self._steps[OUTSTANDING[erasure.state]](erasure)
        except LetheError as error:
            log.warning(
                "erasure_step_failed", erasure_id=erasure.erasure_id, state=erasure.state, error=describe(error)
            )
        return True

    async def _begin(self, tx: Transaction, subject_ref: SubjectRef) -> Erasure:
        now = self._clock.now()
        await tx.execute(
            queries.OPEN, ErasureId.new(), subject_ref, pseudonym_of(subject_ref), now, self._pace.step_retry
        )
        await self._facts.append(tx, [NewFact(kind=FactKind.ERASURE_REQUESTED, subject_ref=subject_ref, at=now)])
        erasure = await queries.lock_of_subject(tx, subject_ref)
        if erasure is None:
            # It was completed between the look at the key store and here.
            raise SubjectUnknown
        return erasure

    async def _fence(self, erasure: Erasure) -> None:
        """Close the key store for the subject, count what it has, and have the owners refuse new work."""
        counts, is_clear = await asyncio.gather(
            self._subjects.fence(erasure.subject_ref), self._is_clear(erasure.subject_ref)
        )
        _KEYS_FENCED.reached()
        async with self._database.transaction(access_queries.LOCK) as tx:
            if await self._has_moved(tx, erasure):
                return
            ground = self._attestor.ground_of(CHOICES, self._clock.now())
            filed, logged, asked, named = await queries.at_fence(tx, erasure.subject_ref)
            disclosed = _kept_of(DISCLOSURES, "pg:privacy.disclosures", asked, self._attestor, self._clock.now())
            acted = _kept_of(ACT, "pg:privacy.acts", named, self._attestor, self._clock.now())
            exports = await end_all(tx, erasure.subject_ref)
            report = _own_report(counts, filed, exports, logged, ground)
            await queries.put_report(
                tx, erasure.erasure_id, replace(report, counts=(*report.counts, *disclosed, *acted))
            )
            tx.tell(
                ErasureFenced(
                    erasure_id=erasure.erasure_id, subject_ref=erasure.subject_ref, fenced_at=self._clock.now()
                )
            )
            is_quiet = await self._begin_call(tx, erasure, is_clear=is_clear)
        _CALLED_IN.reached()
        if not is_quiet:
            await self._call(erasure)

    async def _is_clear(self, subject_ref: SubjectRef) -> bool:
        """Whether retention says at once that no legal hold keeps anything; else it is asked when all is quiet."""
        with contextlib.suppress(LetheError, TimeoutError):
            async with asyncio.timeout(_CLEAR_SECONDS):
                return not await self._held_by(subject_ref)
        return False

    async def _begin_call(self, tx: Transaction, erasure: Erasure, *, is_clear: bool) -> bool:
        """Find who was handed keys of the subject, under the access log's lock; whether nobody was.

        Nobody is handed any after this commit.
        """
        now = self._clock.now()
        is_by_record = self._is_kept(now) and self._is_kept(now - self._pace.lookback)
        await queries.call_in(tx, erasure, self._pace.lookback, is_by_record=is_by_record, is_clear=is_clear)
        if await self._goes_quiet(tx, erasure):
            return True
        await tx.execute(queries.MOVE, erasure.erasure_id, State.FENCED, self._pace.call_again)
        return False

    async def _call(self, erasure: Erasure) -> None:
        """Call the subject's keys in, once; and again soon, if somebody has not let go by then."""
        await self._call_in(erasure.subject_ref)
        # Sooner than the poll: whoever was just using a key has let go of it by then.
        asyncio.get_running_loop().call_later(self._pace.call_again.total_seconds(), self.wake)

    async def let_go(self, subject_ref: SubjectRef, service: Service, process: str) -> None:
        """Note that a process has none of a subject's keys; with the last one the erasure goes on."""
        async with self._database.transaction() as tx:
            erasure = await queries.let_go(tx, subject_ref, service, process)
            if erasure is not None:
                await self._goes_quiet(tx, erasure)

    async def _quiesce(self, erasure: Erasure) -> None:
        """Call the subject's keys in, again and again; whoever does not answer is waited for as long as a lease lasts."""
        async with self._database.transaction() as tx:
            if await self._has_moved(tx, erasure) or await self._goes_quiet(tx, erasure):
                return
            await tx.execute(queries.MOVE, erasure.erasure_id, State.FENCED, self._pace.call_again)
        await self._call(erasure)

    async def _goes_quiet(self, tx: Transaction, erasure: Erasure) -> bool:
        """Move on when no key is waited for any more."""
        calling = await queries.calling_of(tx, erasure.erasure_id, self._pace.lease)
        if calling.is_quiet:
            if calling.is_clear:
                await self._begin_erasing(tx, erasure)
            else:
                await tx.execute(queries.MOVE, erasure.erasure_id, State.QUIET, _AT_ONCE)
                tx.after_commit(self.wake)
            tx.after_commit(_QUIESCED.reached)
        return calling.is_quiet

    async def _begin_erasing(self, tx: Transaction, erasure: Erasure) -> None:
        await tx.execute(queries.MOVE, erasure.erasure_id, State.ERASING, self._pace.step_retry)
        tx.tell(ErasureStepRequested(erasure_id=erasure.erasure_id, subject_ref=erasure.subject_ref))
        tx.after_commit(self._approach)

    def _approach(self) -> None:
        """Connect while the owners erase: signing in to three databases takes as long as looking into them."""
        self._approaching = asyncio.ensure_future(self._verifier.approach())

    async def _clear(self, erasure: Erasure) -> None:
        """Ask retention whether a legal hold keeps anything of the subject; only without one do owners erase."""
        held_by = await self._held_by(erasure.subject_ref)
        async with self._database.transaction() as tx:
            if await self._has_moved(tx, erasure):
                return
            if held_by:
                await tx.execute(queries.MOVE, erasure.erasure_id, State.HELD, self._pace.hold_retry)
                log.info("erasure_held", erasure_id=erasure.erasure_id, count=len(held_by))
            else:
                await self._begin_erasing(tx, erasure)
        if held_by:
            await self._hint(erasure.erasure_id)

    async def _ask_owners(self, erasure: Erasure) -> None:
        """Ask again: a message may be parked, or something was left."""
        async with self._database.transaction() as tx:
            if not await self._has_moved(tx, erasure):
                tx.tell(ErasureStepRequested(erasure_id=erasure.erasure_id, subject_ref=erasure.subject_ref))

    async def _destroy_keys(self, erasure: Erasure) -> None:
        newest = await self._subjects.destroy(erasure.subject_ref, self._clock.now())
        _KEYS_DESTROYED.reached()
        # The certificate is flushed, and with it what was committed before it.
        async with self._database.transaction(access_queries.APPENDING) as tx:
            if await self._has_moved(tx, erasure):
                return
            await tx.execute(queries.FORGET_SUBJECT, erasure.subject_ref)
            await tx.execute(queries.KEYS_DESTROYED, erasure.erasure_id, newest)
        await self._verify(replace(erasure, state=State.VERIFYING))

    async def _verify(self, erasure: Erasure) -> None:
        """Look with the verifier's eyes; certify when nothing is left, else ask the owners again later."""
        async with self._database.single() as tx:
            reports, _ = await queries.reports_of(tx, erasure.erasure_id)
        prefixes = sorted({prefix for report in reports for prefix in report.prefixes})
        seen = await self._verifier.look(erasure.subject_ref, prefixes)
        _VERIFIED.reached()
        left = left_over(reports, seen)
        async with self._database.transaction() as tx:
            if await self._has_moved(tx, erasure):
                return
            if left:
                delay = retry_delay(erasure.failures + 1, self._pace.retry_first, self._pace.retry_most)
                await queries.fail(tx, erasure.erasure_id, left, delay)
                log.warning("erasure_verification_failed", erasure_id=erasure.erasure_id, count=len(left))
            else:
                await self._certify(tx, erasure, reports, seen)
        if not left:
            await self._hint(erasure.erasure_id)

    async def _certify(self, tx: Transaction, erasure: Erasure, reports: list[Report], seen: list[Finding]) -> None:
        now = self._clock.now()
        calling = await queries.calling_of(tx, erasure.erasure_id, self._pace.lease)
        statement = self._attestor.statement(erasure, calling, reports, seen, now)
        signed = certificates.sign(statement.model_dump(mode="json"), self._signing_key)
        document = certificates.render(certificates.issued(signed, await self._log.append(tx, signed))).decode()
        await queries.complete(tx, erasure, statement.certificate_id, document, now, statement.horizon.at)
        await self._acts.write(tx, erasure.erasure_id, statement)
        await self._facts.append(tx, [NewFact(kind=FactKind.ERASED, subject_ref=erasure.subject_ref, at=now)])
        tx.tell(
            ErasureCompleted(
                erasure_id=erasure.erasure_id,
                subject_ref=erasure.subject_ref,
                certificate_id=statement.certificate_id,
                completed_at=now,
            )
        )
        _CERTIFIED.reached()
        log.info("erasure_completed", erasure_id=erasure.erasure_id, certificate_id=statement.certificate_id)

    async def _has_moved(self, tx: Transaction, erasure: Erasure) -> bool:
        """Whether somebody else took the step meanwhile; if not, the row is locked."""
        now = await queries.lock_erasure(tx, erasure.erasure_id)
        return now is None or now.state is not erasure.state


def _own_report(counts: KeyCounts, filed: int, exports: int, logged: int, ground: str) -> Report:
    """What the key store and the desk had at the fence. After the destruction they have nothing, which is verified.

    But for the ledger of choices, of which nobody can tell any more whose they were.
    """
    lines = (
        ("pg:keys.item_keys", "key.material", counts.item_keys),
        ("pg:keys.class_keys", "key.material", counts.class_keys),
        ("pg:keys.login_index", "identity.credentials", counts.login_index),
        ("pg:privacy.requests", "support.ticket", filed),
        ("pg:privacy.exports", EXPORT, exports),
        ("pg:privacy.access_bodies", ACCESSES, logged),
    )
    gone = tuple(
        StoreCount(store=store, category=category, before=before, after=0) for store, category, before in lines
    )
    n = counts.consents
    kept = StoreCount(store="pg:keys.consents", category=CHOICES, before=n, after=n, retained_ground=ground)
    return Report(Service.PRIVACY, (*gone, kept) if n else gone)


def _kept_of(category: str, store: str, count: int, attestor: Attestor, now: datetime) -> tuple[StoreCount, ...]:
    """That something was, stays for its period, by a law; nothing is said where nothing was."""
    if not count:
        return ()
    ground = attestor.ground_of(category, now)
    return (StoreCount(store=store, category=category, before=count, after=count, retained_ground=ground),)
