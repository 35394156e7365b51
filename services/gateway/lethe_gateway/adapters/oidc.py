"""An OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0, RFC 7636), reached through the egress only.

The browser goes to the provider by itself; from here go the look at its metadata, at its
keys, and the exchange of the code, to the recipient that the policy declares for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from lethe_common.clock import monotonic_seconds
from lethe_common.egress import Egress, EgressTransport
from lethe_common.errors import Unavailable
from lethe_gateway.errors import ProviderAway, SignInRefused
from lethe_gateway.external import Journey

_PURPOSE = "service"
_METADATA_SECONDS = 3600.0
_LEEWAY_SECONDS = 60
_ALGORITHMS = ["RS256", "PS256", "ES256"]
"""Signatures by a key that the provider alone has: never `none`, never one with the client's own secret."""
_NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows this deployment by. `recipient` tells the policy's id of it, if there is one now."""

    issuer: str
    id: str
    secret: str
    redirect_uri: str
    recipient: Callable[[], str | None]


class Provider:
    """One OpenID provider.

    A key that is not known may be a new one; `keys_again_seconds` is how often they are fetched
    for that at most, whoever makes tokens up.
    """

    def __init__(
        self, egress: Egress, client: Client, now: Callable[[], datetime], *, keys_again_seconds: float = 5.0
    ) -> None:
        self._egress, self._client, self._now, self._keys_again_seconds = egress, client, now, keys_again_seconds
        self._metadata: Mapping[str, Any] = {}
        self._metadata_until = 0.0
        self._keys: KeySet | None = None
        self._keys_again_at = 0.0

    @property
    def issuer(self) -> str:
        """Who vouches; a subject is unique within it."""
        return self._client.issuer

    async def address(self, journey: Journey, scope: str) -> str:
        """Where the browser has to go.

        Raises:
            ProviderAway: its metadata cannot be had.
        """
        endpoint = (await self._known())["authorization_endpoint"]
        async with self._session(scope) as session:
            url, _ = session.create_authorization_url(
                endpoint, state=journey.state, nonce=journey.nonce, code_verifier=journey.verifier
            )
        return str(url)

    async def claims(self, code: str, journey: Journey) -> Mapping[str, Any]:
        """What the provider says of who came back with this code, once its signature and every bound of it hold.

        Raises:
            SignInRefused: the code or the token is not what was begun here.
            ProviderAway: it does not answer.
        """
        endpoint = (await self._known())["token_endpoint"]
        try:
            async with self._session("") as session:
                token = await session.fetch_token(endpoint, code=code, code_verifier=journey.verifier)
        except OAuthError as error:
            raise SignInRefused from error
        except (Unavailable, httpx2.HTTPError, ValueError) as error:
            raise ProviderAway from error
        if not isinstance(token.get("id_token"), str):
            raise SignInRefused
        return await self._checked(token["id_token"], journey.nonce)

    async def _checked(self, id_token: str, nonce: str) -> Mapping[str, Any]:
        try:
            claims = (await self._decoded(id_token)).claims
            self._bounds(nonce).validate(claims)
        except (JoseError, ValueError) as error:
            raise SignInRefused from error
        # With several audiences the token names the one it was made for (OpenID Connect Core, 3.1.3.7).
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self._client.id:
            raise SignInRefused
        return claims

    async def _decoded(self, id_token: str) -> jwt.Token:
        keys = self._keys or await self._fetch_keys()
        try:
            return jwt.decode(id_token, keys, algorithms=_ALGORITHMS)
        except InvalidKeyIdError:
            if monotonic_seconds() < self._keys_again_at:
                raise
            return jwt.decode(id_token, await self._fetch_keys(), algorithms=_ALGORITHMS)

    def _bounds(self, nonce: str) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._client.issuer},
            aud={"essential": True, "value": self._client.id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )

    async def _fetch_keys(self) -> KeySet:
        found = await self._get((await self._known())["jwks_uri"])
        self._keys_again_at = monotonic_seconds() + self._keys_again_seconds
        try:
            self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # what it is shows when it is read
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderAway from error
        return self._keys

    async def _known(self) -> Mapping[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0): as it says itself, and of itself."""
        if monotonic_seconds() >= self._metadata_until:
            found = await self._get(f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration")
            if any(not isinstance(found.get(name), str) for name in _NEEDED) or found["issuer"] != self._client.issuer:
                raise ProviderAway
            self._metadata, self._metadata_until = found, monotonic_seconds() + _METADATA_SECONDS
        return self._metadata

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with self._session("") as session:
                answer = await session.request("GET", url, withhold_token=True)
                answer.raise_for_status()
                found = answer.json()
        except (Unavailable, httpx2.HTTPError, ValueError) as error:
            raise ProviderAway from error
        if not isinstance(found, dict):
            raise ProviderAway
        return found

    def _session(self, scope: str) -> AsyncOAuth2Client:
        """A client whose only way out is the egress. Without a declared recipient there is nobody to speak to."""
        client, recipient = self._client, self._client.recipient()
        if recipient is None:
            raise ProviderAway
        return AsyncOAuth2Client(
            client.id,
            client.secret,
            scope=scope or None,
            redirect_uri=client.redirect_uri,
            code_challenge_method="S256",
            transport=EgressTransport(self._egress, recipient, _PURPOSE),
            trust_env=False,
        )
