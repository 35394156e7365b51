"""The two applications of the gateway: what the world sees, and what operators see."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import APIRouter, FastAPI, Request
from fastapi.telemetry import TelemetryConfig

from lethe_common.process import Frame
from lethe_gateway.browser import CONSOLE_COOKIE
from lethe_gateway.domain import Domain, in_force
from lethe_gateway.endpoints.accounts import account_routes
from lethe_gateway.endpoints.acts import act_routes
from lethe_gateway.endpoints.breaches import breach_routes
from lethe_gateway.endpoints.calendar import calendar_routes
from lethe_gateway.endpoints.consents import consent_routes, unsubscribe_routes
from lethe_gateway.endpoints.console import console_routes
from lethe_gateway.endpoints.content import Contents, content_routes
from lethe_gateway.endpoints.correspondents import correspondent_routes
from lethe_gateway.endpoints.credits import credit_routes
from lethe_gateway.endpoints.disclosures import disclosure_routes, own_disclosure_routes
from lethe_gateway.endpoints.erasure import erasure_routes
from lethe_gateway.endpoints.events import Streams, event_routes
from lethe_gateway.endpoints.exports import export_routes
from lethe_gateway.endpoints.keys import key_routes
from lethe_gateway.endpoints.legal_holds import legal_hold_routes
from lethe_gateway.endpoints.models import model_routes
from lethe_gateway.endpoints.newcomers import Entrance, newcomer_routes
from lethe_gateway.endpoints.policy import policy_pages
from lethe_gateway.endpoints.record import record_routes
from lethe_gateway.endpoints.registers import processor_routes
from lethe_gateway.endpoints.requests import correction_routes, desk_routes, request_routes
from lethe_gateway.endpoints.retention import retention_routes
from lethe_gateway.endpoints.sessions import session_routes
from lethe_gateway.endpoints.simulation import simulation_routes
from lethe_gateway.endpoints.training import own_training_routes, training_routes
from lethe_gateway.endpoints.videos import video_routes
from lethe_gateway.media import PictureLimits, Pictures
from lethe_gateway.operators import Operators
from lethe_gateway.pages import Pages
from lethe_gateway.provider_wiring import external_way
from lethe_gateway.published import Published
from lethe_gateway.refusals import install
from lethe_gateway.screens import console_screens, studio_screens
from lethe_gateway.settings import GatewaySettings
from lethe_gateway.throttle import Throttle

_RESETS_AN_HOUR = 20
_CLAIMS_AN_HOUR = 600
# Numbers are our own (prometheus), lines are structlog's: the framework's would only cost time.
_TRACES_ONLY: TelemetryConfig = {"metrics": False, "logs": False}


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
    requests = request_routes(
        domain.requests, domain.corrections, domain.erasures, domain.consents, callers, blinding, resets,
        is_https=settings.is_https,
    )  # fmt: skip
    for router in (
        videos,
        content_routes(callers, contents),
        event_routes(callers, domain.gallery, streams, domain.watchers, streams_most=settings.streams_per_account_most),
        newcomer_routes(entrance, domain.accounts, callers, is_https=settings.is_https),
        account_routes(domain.accounts, callers, blinding, resets, domain.ways),
        consent_routes(domain.consents, callers, domain.ways),
        requests,
        own_disclosure_routes(bus, callers),
        own_training_routes(domain.training_records, callers, in_force(frame)),
        correction_routes(domain.corrections, blinding, resets),
        correspondent_routes(domain.correspondents, callers, blinding, resets, is_https=settings.is_https),
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
        calendar_routes(bus, frame.database, callers, in_force(frame)),
        model_routes(frame.catalogue, frame.clock),
        erasure_routes(domain.erasures, callers, blinding, claims, is_https=settings.is_https),
        export_routes(domain.exports.desk, callers, domain.consents, blinding, copies),
        studio_screens(pages, callers.has_session, domain.erasures.newest_head),
        policy_pages(published),
    ):
        app.include_router(router)
    if settings.has_provider:
        app.include_router(external_way(frame, settings, domain, entrance, signins, pages))
    return app


def console_app(frame: Frame, settings: GatewaySettings, domain: Domain, pages: Pages, published: Published) -> FastAPI:
    """The application that operators see, on an internal port."""
    app = FastAPI(title="Lethe console", version=frame.version, docs_url=None, redoc_url=None, openapi_url=None)
    install(app, pages)
    period = timedelta(hours=settings.console_session_hours)
    operators = Operators(settings.operator_token, period, cookie=CONSOLE_COOKIE)
    app.include_router(console_routes(frame.bus, frame.database, operators))
    app.include_router(record_routes(published, operators))
    app.include_router(legal_hold_routes(frame.bus, frame.database, operators))
    app.include_router(desk_routes(domain.requests, domain.gallery, domain.mails, frame.database, operators))
    app.include_router(processor_routes(frame.bus, operators))
    app.include_router(breach_routes(frame.bus, domain.breaches, operators, in_force(frame)))
    app.include_router(disclosure_routes(frame.bus, domain.disclosures, frame.database, operators))
    app.include_router(act_routes(domain.acts, operators))
    app.include_router(training_routes(domain.training, operators))
    app.include_router(retention_routes(frame.bus, operators))
    app.include_router(simulation_routes(frame.bus, operators))

    async def is_operator(request: Request) -> bool:
        return operators.has_session(request)

    app.include_router(console_screens(pages, is_operator))
    return app


def videos_of(frame: Frame, settings: GatewaySettings, domain: Domain) -> APIRouter:
    """The routes of videos, of which one is also reached by a shorter way."""
    return video_routes(
        domain.callers,
        domain.intake,
        domain.gallery,
        domain.watchers,
        domain.positions,
        frame.catalogue,
        _horizon(frame),
        Pictures(settings.pictures_cleaned_at_once, PictureLimits(size_bytes=settings.upload_limit_bytes)),
        page_most=settings.page_most,
        upload_limit_bytes=settings.upload_limit_bytes,
    )


def _horizon(frame: Frame) -> Callable[[], datetime]:
    """By when nothing opens what is deleted now."""

    def unreadable_by() -> datetime:
        now = frame.clock.now()
        return frame.book.governing(now).unreadable_by(now)

    return unreadable_by
