"""Builds every object of the gateway, once, and hands each what it needs."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import APIRouter, FastAPI, Request
from fastapi.telemetry import TelemetryConfig

from lethe_common.clock import Sweep
from lethe_common.egress.declared import is_own, words
from lethe_common.events import billing, identity, jobs, notice, privacy, retention
from lethe_common.events.gateway import GenerationChanged
from lethe_common.policy import Policy
from lethe_common.process import Frame, Parts
from lethe_common.rpc.gateway import GenerationAccepted, GenerationInput
from lethe_common.rpc.orphans import ExportOrphansRemove, UploadOrphansRemove
from lethe_common.sealing import Sealer
from lethe_common.storage import Storage
from lethe_gateway import account_queries, queries
from lethe_gateway.accounts import Accounts
from lethe_gateway.adapters.smtp import Smtp
from lethe_gateway.announcements import Announcements
from lethe_gateway.blinding import Blinding
from lethe_gateway.browser import (
    CONSOLE_COOKIE,
    GUEST_COOKIE,
    SECURE_GUEST_COOKIE,
    SECURE_SESSION_COOKIE,
    SESSION_COOKIE,
)
from lethe_gateway.callers import Callers
from lethe_gateway.consents import Consents
from lethe_gateway.corrections import Corrections
from lethe_gateway.endpoints.accounts import account_routes
from lethe_gateway.endpoints.calendar import calendar_routes
from lethe_gateway.endpoints.consents import consent_routes, unsubscribe_routes
from lethe_gateway.endpoints.console import console_routes
from lethe_gateway.endpoints.content import Contents, content_routes
from lethe_gateway.endpoints.credits import credit_routes
from lethe_gateway.endpoints.erasure import erasure_routes
from lethe_gateway.endpoints.events import Streams, event_routes
from lethe_gateway.endpoints.exports import export_routes
from lethe_gateway.endpoints.keys import key_routes
from lethe_gateway.endpoints.legal_holds import legal_hold_routes
from lethe_gateway.endpoints.models import model_routes
from lethe_gateway.endpoints.newcomers import Entrance, newcomer_routes
from lethe_gateway.endpoints.policy import policy_pages
from lethe_gateway.endpoints.record import record_routes
from lethe_gateway.endpoints.requests import correction_routes, desk_routes, request_routes
from lethe_gateway.endpoints.retention import retention_routes
from lethe_gateway.endpoints.rpc import Answers
from lethe_gateway.endpoints.sessions import session_routes
from lethe_gateway.endpoints.simulation import simulation_routes
from lethe_gateway.endpoints.videos import video_routes
from lethe_gateway.erasures import Erasures
from lethe_gateway.export_wiring import ExportParts
from lethe_gateway.express import Express, route_of
from lethe_gateway.facts import Facts
from lethe_gateway.gallery import Gallery
from lethe_gateway.gate import Gate
from lethe_gateway.gauges import Gauges
from lethe_gateway.handlers import GenerationHandlers, SubjectHandlers
from lethe_gateway.holds import Holds
from lethe_gateway.identity import Ways, must_be_made
from lethe_gateway.intake import Intake
from lethe_gateway.item_keys import ItemKeys
from lethe_gateway.legal_holds import LegalHolds
from lethe_gateway.mails import Mails
from lethe_gateway.operators import Operators
from lethe_gateway.outcomes import TELLING
from lethe_gateway.pages import Pages, terms_in_force
from lethe_gateway.passwords import Passwords
from lethe_gateway.positions import Positions
from lethe_gateway.provider_wiring import external_way
from lethe_gateway.published import Published
from lethe_gateway.purses import Purses
from lethe_gateway.refusals import install
from lethe_gateway.replays import bring_about
from lethe_gateway.requests import Requests
from lethe_gateway.screens import console_screens, studio_screens
from lethe_gateway.seal import Seal, SealedApp, seal_routes
from lethe_gateway.server import Server
from lethe_gateway.settings import GatewaySettings
from lethe_gateway.throttle import Throttle
from lethe_gateway.uploads import Uploads
from lethe_gateway.watchers import Watchers

_RESETS_AN_HOUR = 20
_CLAIMS_AN_HOUR = 600
_FORM_OVERHEAD_BYTES = 256 * 1024
# Numbers are our own (prometheus), lines are structlog's: the framework's would only cost time.
_TRACES_ONLY: TelemetryConfig = {"metrics": False, "logs": False}


class Domain:
    """What the endpoints and handlers stand on."""

    def __init__(self, frame: Frame, settings: GatewaySettings) -> None:
        database, bus, clock = frame.database, frame.bus, frame.clock
        self.storage = _storage(settings)
        self.sealer, self.blinding, self.keys = Sealer(is_on=settings.sealing), Blinding(settings.pepper), ItemKeys(bus)
        cookie = SECURE_SESSION_COOKIE if settings.is_https else SESSION_COOKIE
        guest_cookie = SECURE_GUEST_COOKIE if settings.is_https else GUEST_COOKIE
        self.callers = Callers(
            database, clock, cookie=cookie, guest_cookie=guest_cookie, public_url=settings.public_url
        )
        self.ways = Ways(frame.book, clock, settings.identity_stand_in, has_provider=settings.has_provider)
        self.session_period = timedelta(days=settings.session_days)
        self.mails = _mails(frame, settings, self.keys, self.sealer)
        self.announcements = Announcements(database, frame.book, clock, self.mails)
        self.facts, self.consents = Facts(bus, clock), Consents(bus, _in_force(frame), clock)
        self.accounts = Accounts(
            database,
            bus,
            clock,
            self.keys,
            self.sealer,
            self.blinding,
            Passwords(settings.password_hashes_at_once),
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
        self.intake = Intake(
            database,
            clock,
            frame.catalogue,
            self.holds,
            self.keys,
            self.sealer,
            self.blinding,
            self.uploads,
            writers=settings.accept_writers,
        )
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
        self.requests = Requests(bus, self.keys, self.sealer, database, self.mails)
        self.corrections = Corrections(
            database, bus, clock, self.keys, self.sealer, self.blinding, self.mails, self.requests,
            valid=timedelta(minutes=settings.proof_token_minutes),
        )  # fmt: skip
        self.erasures = Erasures(bus, wait_seconds=settings.erasure_wait_seconds)
        self.exports = ExportParts(frame, settings, self.keys, self.sealer, self.storage)


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


async def build(frame: Frame, settings: GatewaySettings) -> Parts:
    """The gateway's parts for the frame.

    Raises:
        ConfigurationError: the policy lets people in by a way that nobody implements.
    """
    must_be_made(frame.book, settings.identity_stand_in, has_provider=settings.has_provider)
    domain = Domain(frame, settings)
    await domain.announcements.register()
    terms = terms_in_force(frame.book, frame.catalogue, frame.clock)
    pages = Pages(terms, lambda: frame.book.next_after(frame.clock.now()))
    published = Published(frame.book, frame.clock, stylesheet=pages.address("lethe.css"))
    videos = _videos(frame, settings, domain)
    seal = Seal()
    app = public_app(frame, settings, domain, pages, published, videos)
    app.include_router(seal_routes(pages, seal))
    public = Gate(
        SealedApp(Express(app, route_of(videos, "POST", "/v1/videos")), seal),
        _body_limit(settings),
        is_https=settings.is_https,
    )
    inside = console_app(frame, settings, domain, pages, published)
    inside.include_router(seal_routes(pages, seal))
    console = Gate(SealedApp(inside, seal), lambda _method, _path: settings.body_limit_bytes, is_https=False)
    servers = _servers(settings, public, console)
    generations = GenerationHandlers(domain.watchers, frame.clock)
    subjects = SubjectHandlers(frame.bus, domain.uploads, domain.exports.desk, domain.erasures, domain.mails)
    answers, watchers = Answers(frame.database), domain.watchers

    async def on_access_revoked(event: identity.AccessRevoked) -> None:
        watchers.close_all_of(event.subject_ref)

    return Parts(
        handlers={
            jobs.UploadProcessed: generations.on_upload_processed,
            billing.CreditsGranted: subjects.on_credits_granted,
            billing.PlanChanged: subjects.on_plan_changed,
            retention.ItemsRemoved: generations.on_removed,
            privacy.ErasureFenced: subjects.on_erasure_fenced,
            privacy.ErasureStepRequested: subjects.on_erasure_step_requested,
            privacy.ErasureCompleted: subjects.on_erasure_completed,
            notice.MailRequested: subjects.on_mail_requested,
            retention.NoticeDue: subjects.on_notice_due,
            **domain.exports.handlers,
        },
        batch_handlers=dict.fromkeys(TELLING, generations.on_told),
        answers={
            GenerationInput: answers.generation_input,
            GenerationAccepted: answers.generation_accepted,
            UploadOrphansRemove: domain.uploads.remove_orphans,
            ExportOrphansRemove: domain.exports.desk.remove_orphans,
        },
        listeners={
            GenerationChanged: watchers.on_changed,
            jobs.GenerationProgressed: watchers.on_progressed,
            identity.AccessRevoked: on_access_revoked,
        },
        workers=[
            *domain.keys.workers,
            *domain.callers.workers,
            domain.holds.run,
            domain.intake.run,
            domain.exports.packing.run,
        ],
        replay=bring_about,
        waits_for_all=True,
        faces=[server.run for server in servers],
        on_open=[seal.open],
        sweeps=_sweeps(frame, settings, domain),
        on_stop=[server.stop for server in servers],
        on_close=[domain.storage.close],
    )


def _servers(settings: GatewaySettings, public: Gate, console: Gate) -> list[Server]:
    return [
        Server(app, host, port, stop_seconds=settings.stop_streams_seconds, is_behind_door=settings.behind_door)
        for app, host, port in (
            (public, settings.host, settings.port),
            (console, settings.console_host, settings.console_port),
        )
    ]


def public_app(
    frame: Frame, settings: GatewaySettings, domain: Domain, pages: Pages, published: Published, videos: APIRouter
) -> FastAPI:
    """The application that the world sees."""
    app = FastAPI(
        title="Lethe",
        version=frame.version,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        telemetry=_TRACES_ONLY,
    )
    install(app, pages)
    callers, blinding, bus = domain.callers, domain.blinding, frame.bus
    signups = Throttle(settings.signup_per_hour, 3600.0)
    signins = Throttle(settings.signin_per_minute, 60.0)
    resets = Throttle(_RESETS_AN_HOUR if settings.signin_per_minute else 0, 3600.0)
    copies = Throttle(settings.exports_per_hour, 3600.0)
    claims = Throttle(_CLAIMS_AN_HOUR if settings.signin_per_minute else 0, 3600.0)
    entrance = Entrance(domain.consents, domain.ways, blinding, signups, age_retry_seconds=settings.age_retry_seconds)
    streams = Streams(
        domain.gallery,
        domain.watchers,
        domain.positions,
        lambda: pages.terms().is_clocked,
        look_seconds=settings.look_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )
    contents = Contents(bus, domain.gallery, domain.keys, domain.sealer, domain.storage)
    for router in (
        videos,
        content_routes(callers, contents),
        event_routes(callers, domain.gallery, streams, domain.watchers, streams_most=settings.streams_per_account_most),
        newcomer_routes(entrance, domain.accounts, callers, is_https=settings.is_https),
        account_routes(domain.accounts, callers, blinding, resets, domain.ways),
        consent_routes(domain.consents, callers, domain.ways),
        request_routes(
            domain.requests, domain.corrections, domain.erasures, domain.consents, callers, is_https=settings.is_https
        ),
        correction_routes(domain.corrections, blinding, resets),
        unsubscribe_routes(frame.database, frame.clock, domain.consents),
        session_routes(
            domain.accounts,
            callers,
            blinding,
            signins,
            domain.ways,
            period=domain.session_period,
            is_https=settings.is_https,
        ),
        key_routes(frame.database, bus, frame.clock, callers, domain.facts, keys_most=settings.api_keys_most),
        credit_routes(domain.purses, callers, frame.catalogue),
        calendar_routes(bus, frame.database, callers, _in_force(frame)),
        model_routes(frame.catalogue, frame.clock),
        erasure_routes(domain.erasures, callers, blinding, claims, is_https=settings.is_https),
        export_routes(domain.exports.desk, callers, domain.consents, blinding, copies),
        studio_screens(pages, callers.has_session),
        policy_pages(published),
    ):
        app.include_router(router)
    if settings.has_provider:
        app.include_router(external_way(frame, settings, domain, entrance, signins, pages))
    return app


def _horizon(frame: Frame) -> Callable[[], datetime]:
    """By when nothing opens what is deleted now."""

    def unreadable_by() -> datetime:
        now = frame.clock.now()
        return frame.book.governing(now).unreadable_by(now)

    return unreadable_by


def _videos(frame: Frame, settings: GatewaySettings, domain: Domain) -> APIRouter:
    return video_routes(
        domain.callers,
        domain.intake,
        domain.gallery,
        domain.watchers,
        domain.positions,
        frame.catalogue,
        _horizon(frame),
        page_most=settings.page_most,
        upload_limit_bytes=settings.upload_limit_bytes,
    )


def console_app(frame: Frame, settings: GatewaySettings, domain: Domain, pages: Pages, published: Published) -> FastAPI:
    """The application that operators see, on an internal port."""
    app = FastAPI(title="Lethe console", version=frame.version, docs_url=None, redoc_url=None, openapi_url=None)
    install(app, pages)
    period = timedelta(hours=settings.console_session_hours)
    operators = Operators(settings.operator_token, period, cookie=CONSOLE_COOKIE)
    app.include_router(console_routes(frame.bus, frame.database, operators))
    app.include_router(record_routes(published, operators))
    app.include_router(legal_hold_routes(frame.bus, frame.database, operators))
    app.include_router(desk_routes(domain.requests, frame.database, operators))
    app.include_router(retention_routes(frame.bus, operators))
    app.include_router(simulation_routes(frame.bus, operators))

    async def is_operator(request: Request) -> bool:
        return operators.has_session(request)

    app.include_router(console_screens(pages, is_operator))
    return app


def _storage(settings: GatewaySettings) -> Storage:
    secret = settings.s3_secret_key.get_secret_value()
    return Storage(
        settings.s3_endpoint, settings.s3_access_key, secret, settings.s3_bucket, is_secure=settings.s3_secure
    )


def _in_force(frame: Frame) -> Callable[[], Policy]:
    return lambda: frame.book.governing(frame.clock.now())


def _smtp(frame: Frame, settings: GatewaySettings) -> Smtp | None:
    """The mail server: one of our own is dialled, one outside is a recipient and reached as such."""
    if settings.smtp_url is None:
        return None
    smtp = Smtp(settings.smtp_url, settings.mail_from)
    if is_own(smtp.host, words(settings.own_hosts)):
        return smtp
    return Smtp(settings.smtp_url, settings.mail_from, frame.egress.tunnel)


def _body_limit(settings: GatewaySettings) -> Callable[[str, str], int]:
    def limit_of(method: str, path: str) -> int:
        if method == "POST" and path.rstrip("/") == "/v1/videos":
            return settings.upload_limit_bytes + _FORM_OVERHEAD_BYTES
        return settings.body_limit_bytes

    return limit_of


def _sweeps(frame: Frame, settings: GatewaySettings, domain: Domain) -> list[Sweep]:
    announced, sent = domain.announcements.sweep, domain.mails.sweep
    mine = [domain.callers.flush, domain.uploads.sweep, domain.corrections.sweep]
    return [*mine, announced, sent, _sweep_of(frame, settings)]


def _sweep_of(frame: Frame, settings: GatewaySettings) -> Sweep:
    async def sweep(now: datetime) -> None:
        async with frame.database.transaction() as tx:
            await tx.execute(account_queries.SWEEP_SESSIONS, now)
            await tx.execute(account_queries.SWEEP_TOKENS, now)
            await tx.execute(queries.SWEEP_IDEMPOTENCY, now - timedelta(hours=settings.idempotency_hours))

    return sweep
