"""Certificates: what is attested about an erasure, in words that say no more than was done.

Pure. Signing and checking are in `lethe_common.certificates`.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any, Literal

from lethe_common.events.catalogue import STREAMS
from lethe_common.events.privacy import StoreCount
from lethe_common.identifiers import CertificateId, SubjectRef
from lethe_common.policy import Policy, PolicyBook, PolicyError
from lethe_common.rpc.acts import CATEGORY as ACT
from lethe_privacy.erasures import Calling, Erasure, Finding, Report
from lethe_privacy.schemas import (
    CheckLine,
    ErasureStatement,
    FinalStatement,
    Horizon,
    PolicyName,
    Quiesced,
    QuiescedLine,
    Residual,
    RetainedLine,
    StoreLine,
    Verifier,
)
from lethe_privacy.verification import NOT_LOOKED_INTO

RECORD = "erasure.record"
"""The category of what proves the erasure itself."""
CHOICES = "consent.record"
"""The category of what proves consents, objections and the acceptance of the terms."""

_GROUNDS = {
    RECORD: "proof that this erasure was carried out",
    CHOICES: "proof of choices that were made",
    ACT: "the act of destruction that a law wants",
}
_DELETED = "deleted; the keys that open its remains were deleted"
_PSEUDONYMISED = "kept by law under a pseudonym of its own"
_NAMED = "kept by law with the name or address of the person, sealed under a key of its own"
_NOT_SCANNED = (
    "bytes of data files, logs and free space (see docs/operate.md for drills that scan them)",
    "the message streams and the services' outboxes and inboxes, which hold random references only",
)
_HORIZON = (
    "Keys and data were deleted and their absence was seen. The next rotation wraps all other keys anew and destroys "
    "the key above the deleted ones; from the date here on the key backups made before it are gone, too. Until then "
    "somebody who had the keyring, or a key backup with the offline recovery key, and raw files of the key store and "
    "of the data could open remains; from then on nothing that Lethe keeps opens them. Copies of the keyring or of "
    "the key store that were made elsewhere are not covered."
)

_BYTES = (
    Residual(
        place="data files and write-ahead logs of the databases",
        holds="sealed bytes and wrapped keys of deleted rows, and random references",
        ends="opened by nothing after the horizon; the bytes go when the database reuses their space",
        until=None,
    ),
    Residual(
        place="volumes of the object store",
        holds="sealed bytes of deleted objects",
        ends="opened by nothing after the horizon; the bytes go when the object store compacts its volumes",
        until=None,
    ),
)


@dataclass(frozen=True, slots=True)
class Attestor:
    """What every certificate of this process has in common; each names the policy in force when its erasure was completed."""

    book: PolicyBook
    clock: Literal["real", "virtual"]
    build: str

    def ground_of(self, category: str, at: datetime) -> str:
        """Why a category outlives an erasure, in the words of the policy that counts at a policy time."""
        return _ground(self.book.governing(at), category)

    def statement(
        self,
        erasure: Erasure,
        calling: Calling,
        reports: Sequence[Report],
        seen: Sequence[Finding],
        completed_at: datetime,
    ) -> ErasureStatement:
        """What is attested now that nothing was left."""
        policy = self.book.governing(completed_at)
        return ErasureStatement(
            certificate_id=CertificateId.new(),
            erasure_id=erasure.erasure_id,
            subject=erasure.pseudonym,
            requested_at=erasure.requested_at,
            completed_at=completed_at,
            clock=self.clock,
            policy=PolicyName(profile=policy.profile, hash=policy.hash),
            quiesced=_quiesced(calling),
            stores=tuple(_store_lines(reports)),
            checked=tuple(CheckLine(store=one.store, method=one.method, found=one.found) for one in seen),
            retained=tuple(_retained(self.book, reports, completed_at)),
            residuals=tuple(_residuals(policy, completed_at)),
            horizon=_horizon(policy, completed_at),
            verifier=Verifier(
                id="lethe-privacy, database role and store key of the verifier",
                build=f"lethe-privacy {self.build}",
                not_scanned=(*_NOT_SCANNED, *(f"pg:{table}: {why}" for table, why in NOT_LOOKED_INTO.items())),
            ),
        )

    def final_statement(
        self, interim: Mapping[str, Any], seen: Sequence[Finding], final_at: datetime
    ) -> FinalStatement:
        """What is attested after the horizon, beside the payload of the first certificate."""
        policy = self.book.governing(final_at)
        return FinalStatement(
            certificate_id=CertificateId.new(),
            interim=interim["certificate_id"],
            erasure_id=interim["erasure_id"],
            subject=interim["subject"],
            completed_at=interim["completed_at"],
            horizon_at=interim["horizon"]["at"],
            final_at=final_at,
            clock=self.clock,
            policy=PolicyName(profile=policy.profile, hash=policy.hash),
            seen=tuple(CheckLine(store=one.store, method=one.method, found=one.found) for one in seen),
            residuals=_BYTES,
            verifier=Verifier(
                id="lethe-privacy, which keeps keyring, key store and key backups",
                build=f"lethe-privacy {self.build}",
                not_scanned=(_NOT_SCANNED[0], "copies of keyring, key store or key backups that were made elsewhere"),
            ),
        )


def pseudonym_of(subject_ref: SubjectRef) -> str:
    """A name for one certificate: HMAC-SHA256 under a key that exists in this call only.

    Nobody can tell whose it is, or that two certificates are about the same person.
    """
    return digest(secrets.token_bytes(32), subject_ref.encode(), sha256).hex()


def _quiesced(calling: Calling) -> Quiesced:
    lines = []
    for service in sorted({one.service for one in calling.called}):
        of_service = [one for one in calling.called if one.service is service]
        let_go = sum(one.is_let_go for one in of_service)
        lines.append(
            QuiescedLine(service=service, processes=len(of_service), let_go=let_go, time_over=len(of_service) - let_go)
        )
    return Quiesced(is_by_record=calling.is_by_record, services=tuple(lines))


def kept(book: PolicyBook, category: str, at: datetime) -> timedelta | None:
    """After how long what outlives an erasure goes: what certificates name and sweeps do. None: never."""
    period = book.kept(category, at)
    if period is None or category != RECORD:
        return period
    # As long as a backup can bring somebody's data back, it has to be known that they were erased.
    return max(period, book.facts_kept(at))


def _retained(book: PolicyBook, reports: Sequence[Report], completed_at: datetime) -> list[RetainedLine]:
    by_law = [
        RetainedLine(
            store=count.store,
            category=count.category,
            count=count.after,
            ground=count.retained_ground,
            until=_until(book, count.category, completed_at),
        )
        for report in reports
        for count in report.counts
        if count.after and count.retained_ground is not None
    ]
    own = RetainedLine(
        store="pg:privacy.facts",
        category=RECORD,
        count=2,
        ground=_ground(book.governing(completed_at), RECORD),
        until=_until(book, RECORD, completed_at),
    )
    return [*by_law, own]


def _until(book: PolicyBook, category: str, completed_at: datetime) -> datetime | None:
    period = kept(book, category, completed_at)
    return None if period is None else completed_at + period


def _ground(policy: Policy, category: str) -> str:
    try:
        ground = policy.rule(category).ground
    except PolicyError:
        ground = None
    return ground or _GROUNDS[category]


def _store_lines(reports: Sequence[Report]) -> list[StoreLine]:
    return [
        StoreLine(
            owner=report.owner,
            store=count.store,
            category=count.category,
            before=count.before,
            after=count.after,
            method=_method(count),
        )
        for report in sorted(reports, key=lambda report: report.owner)
        for count in report.counts
    ]


def _method(count: StoreCount) -> str:
    if count.retained_ground is None:
        return _DELETED
    return _NAMED if count.category == ACT else _PSEUDONYMISED


def _horizon(policy: Policy, completed_at: datetime) -> Horizon:
    forgetting = policy.content.forgetting
    delay = forgetting.destroy_delay
    return Horizon(
        is_key_rotation_running=True,
        at=policy.unreadable_by(completed_at),
        rotation=str(forgetting.rotation),
        key_backups=forgetting.key_backups,
        destroy_delay=None if delay is None else str(delay),
        statement=_HORIZON,
    )


def _residuals(policy: Policy, completed_at: datetime) -> list[Residual]:
    longest = max(stream.max_age for stream in STREAMS.values())
    return [
        Residual(
            place="message streams",
            holds="random references and amounts, no content and no identity",
            ends="by the streams' age limit, in machine time",
            until=completed_at + longest,
        ),
        Residual(
            place="key backups, sealed to an offline recovery key, where the operator has them made",
            holds="wrapped keys of before the deletion",
            ends="with the horizon: only the last ones are kept",
            until=policy.unreadable_by(completed_at),
        ),
        *_BYTES,
    ]
