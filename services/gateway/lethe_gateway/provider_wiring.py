"""Builds the way in by an external provider, where the settings name one."""

from fastapi import APIRouter

from lethe_common.policy import Policy
from lethe_common.process import Frame
from lethe_gateway.adapters.oidc import Client, Provider
from lethe_gateway.domain import Domain
from lethe_gateway.endpoints.external import CALLBACK, External, external_routes
from lethe_gateway.endpoints.newcomers import Entrance
from lethe_gateway.identity import provider_of
from lethe_gateway.pages import Pages
from lethe_gateway.settings import GatewaySettings
from lethe_gateway.throttle import Throttle


def external_way(
    frame: Frame, settings: GatewaySettings, domain: Domain, entrance: Entrance, signins: Throttle, pages: Pages
) -> APIRouter:
    """The routes of signing in by the provider that the settings name."""

    def in_force() -> Policy:
        return frame.book.governing(frame.clock.now())

    def recipient() -> str | None:
        declared = provider_of(in_force())
        return None if declared is None else declared.id

    secret = settings.oidc_client_secret.get_secret_value()
    redirect_uri = f"{settings.public_url.rstrip('/')}{CALLBACK}"
    client = Client(settings.oidc_issuer_url or "", settings.oidc_client_id, secret, redirect_uri, recipient)
    provider = Provider(frame.egress, client, frame.clock.now)
    return external_routes(
        External(provider, domain.accounts, domain.blinding, in_force, frame.clock),
        entrance,
        domain.callers,
        domain.ways,
        domain.blinding,
        signins,
        pages,
        session_period=domain.session_period,
        is_https=settings.is_https,
    )
