"""Builds every object of the gateway, once, and hands each what it needs."""

from collections.abc import Callable
from datetime import datetime, timedelta

from lethe_common.clock import Sweep
from lethe_common.events import billing, identity, jobs, notice, privacy, retention
from lethe_common.events.gateway import GenerationChanged
from lethe_common.process import Frame, Parts, Worker
from lethe_common.rpc.gateway import GenerationAccepted, GenerationInput
from lethe_common.rpc.orphans import ExportOrphansRemove, UploadOrphansRemove
from lethe_gateway import account_queries, queries
from lethe_gateway.apps import console_app, public_app, videos_of
from lethe_gateway.domain import Domain
from lethe_gateway.endpoints.rpc import Answers
from lethe_gateway.express import Express, route_of
from lethe_gateway.gate import Gate
from lethe_gateway.handlers import GenerationHandlers, SubjectHandlers, on_plan_changed
from lethe_gateway.identity import must_be_made
from lethe_gateway.outcomes import TELLING
from lethe_gateway.pages import Pages, terms_in_force
from lethe_gateway.published import Published
from lethe_gateway.replays import bring_about
from lethe_gateway.seal import Seal, SealedApp, seal_routes
from lethe_gateway.server import Server
from lethe_gateway.settings import GatewaySettings

_FORM_OVERHEAD_BYTES = 256 * 1024


async def build(frame: Frame, settings: GatewaySettings) -> Parts:
    """The gateway's parts for the frame.

    Raises:
        ConfigurationError: the policy lets people in by a way that nobody implements.
    """
    must_be_made(frame.book, settings.identity_stand_in, has_provider=settings.has_provider)
    domain = Domain(frame, settings)
    terms = terms_in_force(frame.book, frame.catalogue, frame.clock)
    pages = Pages(terms, lambda: frame.book.next_after(frame.clock.now()))
    published = Published(frame.book, frame.clock, stylesheet=pages.address("lethe.css"))
    videos = videos_of(frame, settings, domain)
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
    subjects = SubjectHandlers(frame.bus, domain.storage, domain.mails)
    answers, watchers = Answers(frame.database), domain.watchers

    async def on_access_revoked(event: identity.AccessRevoked) -> None:
        watchers.close_all_of(event.subject_ref)

    return Parts(
        handlers={
            jobs.UploadProcessed: generations.on_upload_processed,
            billing.CreditsGranted: subjects.on_credits_granted,
            billing.PlanChanged: on_plan_changed,
            retention.ItemsRemoved: generations.on_removed,
            privacy.ErasureFenced: subjects.on_erasure_fenced,
            privacy.ErasureStepRequested: subjects.on_erasure_step_requested,
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
            privacy.KeysCalledIn: domain.leased.on_called_in,
            privacy.ErasureMoved: domain.erasures.on_moved,
        },
        workers=_workers(domain),
        announce=domain.announcements.register,
        replay=bring_about,
        waits_for_all=True,
        faces=[server.run for server in servers],
        on_open=[seal.open],
        sweeps=_sweeps(domain),
        rare_sweeps=_rare_sweeps(frame, settings, domain),
        on_stop=[server.stop for server in servers],
        on_close=[domain.storage.close],
    )


def _workers(domain: Domain) -> list[Worker]:
    own = [domain.holds.run, domain.intake.run, domain.exports.packing.run]
    return [*domain.keys.workers, *domain.callers.workers, *own]


def _servers(settings: GatewaySettings, public: Gate, console: Gate) -> list[Server]:
    return [
        Server(app, host, port, stop_seconds=settings.stop_streams_seconds, is_behind_door=settings.behind_door)
        for app, host, port in (
            (public, settings.host, settings.port),
            (console, settings.console_host, settings.console_port),
        )
    ]


def _body_limit(settings: GatewaySettings) -> Callable[[str, str], int]:
    def limit_of(method: str, path: str) -> int:
        if method == "POST" and path.rstrip("/") == "/v1/videos":
            return settings.upload_limit_bytes + _FORM_OVERHEAD_BYTES
        return settings.body_limit_bytes

    return limit_of


def _sweeps(domain: Domain) -> list[Sweep]:
    told = [domain.announcements.sweep, domain.breaches.sweep, domain.disclosures.sweep]
    return [domain.callers.flush, domain.uploads.sweep, *told, domain.mails.sweep]


def _rare_sweeps(frame: Frame, settings: GatewaySettings, domain: Domain) -> list[Sweep]:
    own = _sweep_of(frame, settings)
    return [
        domain.corrections.sweep,
        domain.absences.sweep,
        domain.correspondents.sweep,
        domain.training_records.sweep,
        own,
    ]


def _sweep_of(frame: Frame, settings: GatewaySettings) -> Sweep:
    async def sweep(now: datetime) -> None:
        async with frame.database.transaction() as tx:
            await tx.execute(account_queries.SWEEP_SESSIONS, now)
            await tx.execute(account_queries.SWEEP_TOKENS, now)
            await tx.execute(queries.SWEEP_IDEMPOTENCY, now - timedelta(hours=settings.idempotency_hours))

    return sweep
