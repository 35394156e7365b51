"""What the endpoints and handlers of the gateway stand on: each object once."""

from collections.abc import Callable
from datetime import timedelta

from lethe_common.announcements import Record
from lethe_common.egress.declared import is_own, words
from lethe_common.leased_keys import LeasedKeys
from lethe_common.policy import Policy
from lethe_common.process import Frame
from lethe_common.sealing import Sealer
from lethe_common.storage import Storage
from lethe_gateway.absences import Absences
from lethe_gateway.accounts import Accounts
from lethe_gateway.acts import Acts
from lethe_gateway.adapters.smtp import Smtp
from lethe_gateway.announcements import Announcements
from lethe_gateway.blinding import Blinding
from lethe_gateway.breaches import Breaches
from lethe_gateway.browser import (
    GUEST_COOKIE,
    SECURE_GUEST_COOKIE,
    SECURE_SESSION_COOKIE,
    SESSION_COOKIE,
)
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Consents
from lethe_gateway.corrections import Corrections
from lethe_gateway.correspondents import Correspondents
from lethe_gateway.disclosures import Disclosures
from lethe_gateway.erasures import Erasures
from lethe_gateway.export_wiring import ExportParts
from lethe_gateway.facts import Facts
from lethe_gateway.gallery import Gallery
from lethe_gateway.gauges import Gauges
from lethe_gateway.holds import Holds
from lethe_gateway.identity import Ways
from lethe_gateway.intake import Intake
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.legal_holds import LegalHolds
from lethe_gateway.mails import Mails
from lethe_gateway.passwords import Passwords
from lethe_gateway.positions import Positions
from lethe_gateway.purses import Purses
from lethe_gateway.requests import Requests
from lethe_gateway.settings import GatewaySettings
from lethe_gateway.training import Training
from lethe_gateway.training_records import TrainingRecords
from lethe_gateway.uploads import Uploads
from lethe_gateway.watchers import Watchers


class Domain:
    """What the endpoints and handlers stand on."""

    def __init__(self, frame: Frame, settings: GatewaySettings) -> None:
        database, bus, clock = frame.database, frame.bus, frame.clock
        self.storage = _storage(settings)
        self.sealer, self.blinding = Sealer(is_on=settings.sealing), Blinding(settings.pepper)
        self.leased = LeasedKeys(bus, frame.service, settings.process_name)
        self.keys = ItemKeys(bus, self.leased)
        cookie = SECURE_SESSION_COOKIE if settings.is_https else SESSION_COOKIE
        guest_cookie = SECURE_GUEST_COOKIE if settings.is_https else GUEST_COOKIE
        self.callers = Callers(
            database, clock, cookie=cookie, guest_cookie=guest_cookie, public_url=settings.public_url
        )
        self.ways = Ways(frame.book, clock, settings.identity_stand_in, has_provider=settings.has_provider)
        self.session_period = timedelta(days=settings.session_days)
        self.mails = _mails(frame, settings, self.keys, self.sealer)
        self.announcements = Announcements(database, Record(bus), frame.book, clock, self.mails)
        self.training_records = TrainingRecords(database, bus, self.keys, frame.book)
        said_no = self.training_records.said_no
        self.facts, self.consents = Facts(bus, clock), Consents(bus, in_force(frame), clock, said_no)
        self.accounts = Accounts(
            database,
            bus,
            clock,
            self.keys,
            self.sealer,
            self.blinding,
            Passwords(settings.password_hashes_at_once, settings.password_cost),
            self.mails,
            self.consents,
            self.facts,
            plan=frame.catalogue.opening_plan.id,
            session_period=self.session_period,
            is_verifying=settings.verify_email,
        )
        orphan, legal_holds = timedelta(minutes=settings.upload_orphan_minutes), LegalHolds(bus)
        self.uploads = Uploads(database, clock, self.keys, self.sealer, self.storage, legal_holds, orphan=orphan)
        self.holds = Holds(bus, max_batch=settings.hold_batch_most, subject_wait_seconds=settings.subject_wait_seconds)
        self.purses = Purses(bus, subject_wait_seconds=settings.subject_wait_seconds)
        self.intake = self._intake(frame, settings)
        self.watchers, self.positions = Watchers(bus), Positions(bus)
        self.gallery = Gallery(
            database,
            clock,
            self.keys,
            self.sealer,
            self.watchers,
            legal_holds,
            self.facts,
            delete_wait_seconds=settings.delete_wait_seconds,
        )
        self.requests = Requests(bus, self.keys, self.sealer, database, self.mails, said_no)
        self.breaches = Breaches(bus, self.keys, self.sealer, database, self.mails)
        self.disclosures = Disclosures(bus, self.keys, self.sealer, database, self.mails)
        self.corrections = Corrections(
            database, bus, clock, self.keys, self.sealer, self.blinding, self.mails, self.requests,
            valid=timedelta(minutes=settings.proof_token_minutes),
        )  # fmt: skip
        self.acts = Acts(bus, self.keys, self.sealer, database, in_force(frame))
        self.erasures = Erasures(bus, self.acts, wait_seconds=settings.erasure_wait_seconds)
        self.correspondents = self._correspondents(frame, settings)
        self.absences = Absences(database, frame.book, self.requests, self.erasures)
        self.exports = ExportParts(frame, settings, self.keys, self.sealer, self.storage)
        self.training = Training(
            database, bus, clock, self.keys, self.sealer, self.storage, in_force(frame), frame.egress.must_be_open
        )

    def _intake(self, frame: Frame, settings: GatewaySettings) -> Intake:
        return Intake(
            frame.database,
            frame.clock,
            frame.catalogue,
            self.holds,
            self.keys,
            self.sealer,
            self.blinding,
            self.uploads,
            writers=settings.accept_writers,
        )

    def _correspondents(self, frame: Frame, settings: GatewaySettings) -> Correspondents:
        return Correspondents(
            frame.database,
            frame.bus,
            frame.clock,
            self.keys,
            self.sealer,
            self.blinding,
            self.accounts,
            self.mails,
            self.requests,
            self.erasures,
            plan=frame.catalogue.opening_plan.id,
            valid=timedelta(minutes=settings.proof_token_minutes),
            period=timedelta(hours=settings.correspondent_session_hours),
        )


def _mails(frame: Frame, settings: GatewaySettings, keys: ItemKeys, sealer: Sealer) -> Mails:
    return Mails(
        frame.database,
        frame.clock,
        keys,
        sealer,
        _smtp(frame, settings),
        public_url=settings.public_url,
        valid=timedelta(minutes=settings.proof_token_minutes),
        book=frame.book,
        attempts_most=settings.mail_attempts_most,
        gauges=Gauges(frame.metrics),
    )


def _storage(settings: GatewaySettings) -> Storage:
    secret = settings.s3_secret_key.get_secret_value()
    return Storage(
        settings.s3_endpoint, settings.s3_access_key, secret, settings.s3_bucket, is_secure=settings.s3_secure
    )


def in_force(frame: Frame) -> Callable[[], Policy]:
    """The policy that counts whenever it is asked for."""
    return lambda: frame.book.governing(frame.clock.now())


def _smtp(frame: Frame, settings: GatewaySettings) -> Smtp | None:
    """The mail server: one of our own is dialled, one outside is a recipient and reached as such."""
    if settings.smtp_url is None:
        return None
    smtp = Smtp(settings.smtp_url, settings.mail_from)
    if is_own(smtp.host, words(settings.own_hosts)):
        return smtp
    return Smtp(settings.smtp_url, settings.mail_from, frame.egress.tunnel)
