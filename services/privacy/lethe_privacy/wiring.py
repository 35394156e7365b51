"""Builds the privacy service: every object once, each handed what it needs."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lethe_common import certificates
from lethe_common.bus.requests import Answer
from lethe_common.clock import Sweep
from lethe_common.consents import texts_in_force
from lethe_common.database import Database, Transaction
from lethe_common.database.migration import Schema, migrate
from lethe_common.errors import ConfigurationError
from lethe_common.events.privacy import ErasureStepReported, ExportStepReported
from lethe_common.events.retention import ExportsRemoved, LegalHoldLifted
from lethe_common.identifiers import SubjectRef
from lethe_common.policy import PolicyBook
from lethe_common.process import Frame, Parts, Worker
from lethe_common.purposes import uses_in_force
from lethe_common.rpc import exports as export_calls
from lethe_common.rpc.announcements import PolicyAnnounce, PolicyAnnounced
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service
from lethe_common.storage import Storage
from lethe_privacy.access_log import AccessLog
from lethe_privacy.accesses import Accesses
from lethe_privacy.act_desk import Acts
from lethe_privacy.adapters.folder_keyring import FolderKeyring
from lethe_privacy.adapters.processes import Processes
from lethe_privacy.adapters.retention import Retention
from lethe_privacy.announcements import Announcements
from lethe_privacy.certificates import Attestor
from lethe_privacy.classkeys import ClassKeys
from lethe_privacy.consents import Consents
from lethe_privacy.desk import Desk
from lethe_privacy.endpoints import ConsentAnswers, ErasureAnswers, KeyAnswers, RequestAnswers
from lethe_privacy.expiries import Expiries, RecordExpiries
from lethe_privacy.exported import Exported
from lethe_privacy.exports import ExportPace, Exports
from lethe_privacy.fact_endpoints import FactAnswers
from lethe_privacy.facts import Facts
from lethe_privacy.finals import FinalCertificates
from lethe_privacy.gauges import Gauges
from lethe_privacy.handlers import ErasureHandlers
from lethe_privacy.itemkeys import ItemKeys
from lethe_privacy.key_models import KeysTable
from lethe_privacy.key_replays import KeyReplay
from lethe_privacy.keybackups import KeyBackups
from lethe_privacy.keyring import Keyring
from lethe_privacy.leases import Gate, Gates, staffed
from lethe_privacy.register_wiring import registers_of
from lethe_privacy.request_sweeps import RequestSweeps
from lethe_privacy.rotation import Rotation, Rules, begin_first
from lethe_privacy.saga import ErasureSaga, Pace
from lethe_privacy.settings import PrivacySettings
from lethe_privacy.subjects import Subjects
from lethe_privacy.transparency import CertificateLog
from lethe_privacy.verification import Cluster, Verifier

KEYS_SCHEMA = "keys"
# One holds the rotator's lock, the other one works.
_ROTATION_CONNECTIONS = 2


async def build(frame: Frame, settings: PrivacySettings) -> Parts:
    """All parts of the service.

    Raises:
        ConfigurationError: the signing key cannot be read, or the keyring destroys later than the policy promises.
        DatabaseAway: the key store's database is away.
    """
    signing_key = _signing_key(settings.signing_key)
    keys_database = await _key_store(settings)
    keyring = FolderKeyring(settings.keyring)
    must_destroy_in_time(keyring.destroy_delay, frame.book)
    subjects, keys = Subjects(keys_database, keyring), ItemKeys(keys_database, ClassKeys(keyring), frame.clock)
    await begin_first(keys_database, keyring, frame.clock)
    await subjects.begin_registers()
    log = _access_log(frame, settings, keys, signing_key)
    key_answers = _key_answers(frame, settings, subjects, keys, log)
    facts = Facts(frame.database, frame.book, frame.clock)
    consents = _consents(frame, settings, keys_database, facts)

    async def on_copy_ready(tx: Transaction, subject_ref: SubjectRef) -> None:
        await desk.answer_copies(tx, subject_ref)

    exports = Exports(frame.database, frame.clock, _export_pace(settings), on_copy_ready)
    desk = Desk(
        frame.database, subjects, consents, frame.book, frame.clock, facts,
        open_most=settings.requests_open_most, begin_export=exports.begin,
    )  # fmt: skip
    gauges = Gauges(frame.metrics)
    sweeps = RequestSweeps(frame.database, keys, frame.book, gauges, batch=settings.request_sweep_batch)
    registers = registers_of(frame, settings, keys, gauges)
    attestor = Attestor(frame.book, frame.clock.kind, frame.version)
    certificate_log, public_pem = CertificateLog(signing_key, frame.clock), certificates.public_pem(signing_key)
    saga = await _saga(frame, settings, subjects, attestor, signing_key, certificate_log, facts, log, registers.acts)
    erasures = ErasureHandlers(saga.wake)
    aging = await _aging(frame, settings, keyring, attestor, signing_key, certificate_log)
    await facts.begin()
    held_of = Retention(frame.bus).held_of
    key_replay = KeyReplay(keys_database, facts, held_of, every_seconds=settings.facts_follow_seconds)
    await key_replay.catch_up()
    return Parts(
        handlers={
            ErasureStepReported: erasures.on_step_reported,
            LegalHoldLifted: erasures.on_hold_lifted,
            ExportStepReported: exports.on_step_reported,
            ExportsRemoved: exports.on_exports_removed,
        },
        answers={
            **key_answers.answers(),
            **ConsentAnswers(consents).answers(),
            **RequestAnswers(desk).answers(),
            **ErasureAnswers(saga, frame.database, certificate_log, public_pem).answers(),
            **FactAnswers(facts, saga.open_again).answers(),
            **registers.answers,
            **_export_answers(exports, Exported(frame.database, keys_database, Accesses(frame.database, keys))),
        },
        first_answers={**_first_answers(frame.database, subjects), **registers.first_answers},
        workers=[*key_answers.workers, log.run, facts.run, key_replay.follow, saga.run, exports.run],
        sweeps=[*aging.sweeps, sweeps.warn, *registers.sweeps],
        rare_sweeps=[
            sweeps.remove,
            *registers.rare_sweeps,
            *_expiries(frame, keys_database, settings.expiry_batch),
            facts.sweep,
            log.sweep,
        ],
        on_close=[keys_database.close, aging.close, saga.close],
    )


async def _saga(
    frame: Frame,
    settings: PrivacySettings,
    subjects: Subjects,
    attestor: Attestor,
    signing_key: Ed25519PrivateKey,
    certificate_log: CertificateLog,
    facts: Facts,
    log: AccessLog,
    acts: Acts,
) -> ErasureSaga:
    verifier = await Verifier.open(_verifier_urls(settings), _storage(settings))
    processes = Processes(frame.bus)
    return ErasureSaga(
        frame.database, subjects, verifier, attestor, signing_key, certificate_log, frame.clock, _pace(settings),
        Retention(frame.bus).held_by, facts, processes.call_in, log.is_kept, acts, processes.hint,
    )  # fmt: skip


def _access_log(frame: Frame, settings: PrivacySettings, keys: ItemKeys, signing_key: Ed25519PrivateKey) -> AccessLog:
    return AccessLog(
        frame.database, keys, frame.book, frame.clock, signing_key, max_waiting=settings.keys_waiting_questions
    )


@dataclass(frozen=True, slots=True)
class _Aging:
    """What happens to keys with time."""

    sweeps: tuple[Sweep, ...]
    close: Worker


async def _aging(
    frame: Frame,
    settings: PrivacySettings,
    keyring: Keyring,
    attestor: Attestor,
    signing_key: Ed25519PrivateKey,
    certificate_log: CertificateLog,
) -> _Aging:
    """Rotation, and after it the certificates that can only be issued then; on connections of their own."""
    database = await _open_key_store(
        settings, size=_ROTATION_CONNECTIONS, timeout_seconds=settings.rotation_statement_timeout_seconds
    )
    backups = KeyBackups(settings.key_backups, settings.recovery_key, keyring)
    rotation = Rotation(database, keyring, backups, rotation_rules(frame.book))
    finals = FinalCertificates(frame.database, database, keyring, backups, attestor, signing_key, certificate_log)
    return _Aging((rotation.sweep, finals.sweep), database.close)


def _key_answers(
    frame: Frame, settings: PrivacySettings, subjects: Subjects, keys: ItemKeys, log: AccessLog
) -> KeyAnswers:
    return KeyAnswers(
        subjects,
        keys,
        _gates(frame),
        log,
        max_batch=settings.key_batch_questions,
        max_waiting=settings.keys_waiting_questions,
        writers=settings.key_writers,
    )


def _consents(frame: Frame, settings: PrivacySettings, keys_database: Database, facts: Facts) -> Consents:
    return Consents(
        keys_database,
        frame.book,
        texts_in_force(frame.book, frame.clock),
        frame.clock,
        facts.record,
        lines_most=settings.choices_per_subject_most,
    )


def _first_answers(database: Database, subjects: Subjects) -> dict[type[Call[Any, Any]], Answer]:
    record = Announcements(database, subjects)
    return {PolicyAnnounce: record.announce, PolicyAnnounced: record.announced}


def _expiries(frame: Frame, keys_database: Database, batch: int) -> tuple[Sweep, ...]:
    choices = Expiries(keys_database, frame.book, batch=batch)
    return choices.sweep, RecordExpiries(frame.database, keys_database, frame.book, batch=batch).sweep


def _gates(frame: Frame) -> Gates:
    uses, texts = uses_in_force(frame.book, frame.clock), texts_in_force(frame.book, frame.clock)
    staffs = {policy.hash: staffed(policy) for policy in frame.book.versions}
    return lambda: Gate(uses(), texts(), staffs[frame.book.governing(frame.clock.now()).hash])


async def migrate_keys(owner_url: str) -> None:
    """Bring the key store's schema up to date."""
    revisions = Path(importlib.import_module("lethe_privacy.migrations.keys").__path__[0])
    schema = Schema(KEYS_SCHEMA, Service.PRIVACY, revisions, KeysTable.metadata, has_frame_tables=False)
    await migrate(owner_url, schema)


def must_destroy_in_time(delay: timedelta, book: PolicyBook) -> None:
    """See that no version promises a shorter `forgetting.destroy_delay` than the keyring takes.

    Raises:
        ConfigurationError: one does.
    """
    for policy in book.versions:
        if delay > (policy.content.forgetting.destroy_delay or timedelta(0)):
            raise ConfigurationError(
                f"The keyring takes {delay} to destroy a key, and version {policy.version} of the policy promises less. "
                "Write it into forgetting.destroy_delay."
            )


def rotation_rules(book: PolicyBook) -> Callable[[datetime], Rules]:
    """What the policy in force at an instant says of rotation."""

    def rules(now: datetime) -> Rules:
        forgetting = book.governing(now).content.forgetting
        return Rules(forgetting.rotation, forgetting.key_backups)

    return rules


async def _key_store(settings: PrivacySettings) -> Database:
    await migrate_keys(settings.keys_database_owner_url.get_secret_value())
    return await _open_key_store(
        settings, size=settings.keys_database_pool_size, timeout_seconds=settings.database_statement_timeout_seconds
    )


async def _open_key_store(settings: PrivacySettings, *, size: int, timeout_seconds: float) -> Database:
    return await Database.open(
        settings.keys_database_url.get_secret_value(),
        Service.PRIVACY,
        schema=KEYS_SCHEMA,
        size=size,
        statement_timeout_seconds=timeout_seconds,
    )


def _storage(settings: PrivacySettings) -> Storage:
    return Storage(
        settings.s3_endpoint,
        settings.s3_verifier_access_key,
        settings.s3_verifier_secret_key.get_secret_value(),
        settings.s3_bucket,
        is_secure=settings.s3_secure,
    )


def _signing_key(file: Path) -> Ed25519PrivateKey:
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise ConfigurationError("LETHE_SIGNING_KEY names no readable file.") from error
    return certificates.signing_key(pem)


def _verifier_urls(settings: PrivacySettings) -> dict[Cluster, str]:
    return {
        Cluster.DATA: settings.verifier_database_url.get_secret_value(),
        Cluster.KEYS: settings.verifier_keys_database_url.get_secret_value(),
        Cluster.FACTS: settings.verifier_facts_database_url.get_secret_value(),
    }


def _pace(settings: PrivacySettings) -> Pace:
    return Pace(
        poll_seconds=settings.erasure_poll_seconds,
        step_retry=timedelta(seconds=settings.erasure_step_retry_seconds),
        retry_first=timedelta(seconds=settings.erasure_retry_first_seconds),
        retry_most=timedelta(seconds=settings.erasure_retry_most_seconds),
        claims_per_erasure=settings.claims_per_erasure,
        hold_retry=timedelta(seconds=settings.erasure_hold_retry_seconds),
        call_again=timedelta(seconds=settings.erasure_call_again_seconds),
        lease=timedelta(seconds=settings.erasure_lease_seconds),
        lookback=timedelta(seconds=settings.erasure_lookback_seconds),
    )


def _export_pace(settings: PrivacySettings) -> ExportPace:
    return ExportPace(
        poll_seconds=settings.export_poll_seconds,
        again_first=timedelta(seconds=settings.export_again_first_seconds),
        again_most=timedelta(seconds=settings.export_again_most_seconds),
        per_subject=settings.exports_per_subject,
    )


def _export_answers(exports: Exports, exported: Exported) -> dict[type[Call[Any, Any]], Answer]:
    return {
        export_calls.ExportOpen: exports.open,
        export_calls.ExportList: exports.list,
        export_calls.ExportEnd: exports.end,
        export_calls.PrivacyExportPage: exported.page,
    }
