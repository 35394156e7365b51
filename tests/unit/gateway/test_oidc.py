"""The way to an OpenID provider and back: against a real one of the tests' own, through a real egress."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import CollectorRegistry

from lethe_common.egress import DirectWay, Egress, Recipient, Recipients, Refusals
from lethe_gateway.adapters.oidc import Client, Provider
from lethe_gateway.errors import ProviderAway, SignInRefused
from lethe_gateway.external import Journey, begun, kept, resumed, sealed
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, serving
from tests.unit.common.policy_files import shipped_policy

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
FIELDS = frozenset({"grant_type", "code", "redirect_uri", "code_verifier"})
POLICY = shipped_policy("videogen")


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with serving(OidcProvider(), 0) as running:
        yield running


def now() -> datetime:
    return datetime.now(UTC)


def of(provider: OidcProvider, recipient: str | None = "sign_in", keys_again_seconds: float = 3600.0) -> Provider:
    """Ours, whose egress lets through what videogen's policy lists."""
    port = urlsplit(provider.issuer).port or 0
    party = Recipient(
        "sign_in", frozenset({"127.0.0.1"}), frozenset({"service"}), FIELDS, frozenset({port}),
        is_plain_http=True, is_private=True,
    )  # fmt: skip
    recipients = Recipients(lambda: [party])
    egress = Egress(recipients, DirectWay(recipients, lambda: now().date()), Refusals(CollectorRegistry(), now))
    redirect_uri = "http://127.0.0.1:8080/sign-in/callback"
    client = Client(provider.issuer, CLIENT_ID, CLIENT_SECRET, redirect_uri, lambda: recipient)
    return Provider(egress, client, now, keys_again_seconds=keys_again_seconds)


async def there_and_back(ours: Provider, provider: OidcProvider, journey: Journey | None = None) -> Mapping[str, Any]:
    journey = journey or begun(None, now() + timedelta(minutes=10))
    back = parse_qs(urlsplit(provider.authorize(await ours.address(journey, "openid email"))).query)
    assert back["state"] == [journey.state]
    return await ours.claims(back["code"][0], journey)


async def test_a_signed_token_is_believed_and_nothing_but_the_declared_fields_went_out(provider: OidcProvider) -> None:
    claims = await there_and_back(of(provider), provider)

    assert kept(POLICY, claims).subject == "user-1"
    assert {name for _, form in provider.asked for name in form} == FIELDS


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("nonce", "another nonce"),
        ("nonce", None),
        ("exp", 1_000_000_000),
        ("iat", 4_000_000_000),
        ("aud", "another client"),
        ("aud", [CLIENT_ID, "another client"]),
        ("iss", "https://elsewhere.example"),
    ],
)
async def test_a_token_that_is_wrong_in_one_claim_is_refused(
    provider: OidcProvider, claim: str, value: str | int | list[str] | None
) -> None:
    provider.changes = {claim: value}

    with pytest.raises(SignInRefused):
        await there_and_back(of(provider), provider)


async def test_a_code_goes_with_its_own_verifier_and_only_once(provider: OidcProvider) -> None:
    ours, mine, theirs = of(provider), *(begun(None, now() + timedelta(minutes=10)) for _ in range(2))
    codes = [
        parse_qs(urlsplit(provider.authorize(await ours.address(mine, "openid"))).query)["code"][0] for _ in range(2)
    ]

    with pytest.raises(SignInRefused):
        await ours.claims(codes[0], theirs)
    assert (await ours.claims(codes[1], mine))["sub"] == "user-1"
    with pytest.raises(SignInRefused):
        await ours.claims(codes[1], mine)


async def test_keys_that_the_provider_changed_are_fetched_again_but_not_for_every_made_up_token(
    provider: OidcProvider,
) -> None:
    eager, patient = of(provider, keys_again_seconds=0), of(provider)
    await there_and_back(eager, provider)
    await there_and_back(patient, provider)
    provider.rotate()

    assert (await there_and_back(eager, provider))["sub"] == "user-1"
    with pytest.raises(SignInRefused):
        await there_and_back(patient, provider)
    assert [path for path, _ in provider.asked].count("/keys") == 3


async def test_a_provider_that_is_away_or_not_declared_any_more_is_said_so(provider: OidcProvider) -> None:
    ours, journey = of(provider), begun(None, now() + timedelta(minutes=10))
    code = parse_qs(urlsplit(provider.authorize(await ours.address(journey, "openid"))).query)["code"][0]
    provider.is_away = True

    with pytest.raises(ProviderAway, match="Try again in a few minutes"):
        await ours.claims(code, journey)
    with pytest.raises(ProviderAway):
        await of(provider).address(journey, "openid")
    provider.is_away = False
    with pytest.raises(ProviderAway):
        await of(provider, recipient=None).address(journey, "openid")


async def test_metadata_of_another_issuer_is_not_believed(provider: OidcProvider) -> None:
    ours = of(provider)
    provider.issuer = f"{provider.issuer}/other"

    with pytest.raises(ProviderAway):
        await ours.address(begun(None, now()), "openid")


def test_one_comes_back_only_in_the_same_browser_in_time_and_with_the_same_state() -> None:
    journey = begun(None, now() + timedelta(minutes=10))
    cookie = sealed(journey, KEY)

    assert resumed(cookie, journey.state, KEY, now()) == journey
    for wrong in (
        (None, journey.state, KEY, now()),
        ("no cookie of ours", journey.state, KEY, now()),
        (cookie[:-4] + "AAAA", journey.state, KEY, now()),
        (cookie, journey.state, OTHER_KEY, now()),
        (cookie, "another state", KEY, now()),
        (cookie, None, KEY, now()),
        (cookie, journey.state, KEY, journey.ends_at),
    ):
        with pytest.raises(SignInRefused):
            resumed(*wrong)


def test_of_what_a_provider_says_only_what_the_policy_keeps_is_kept() -> None:
    claims = {"sub": "one", "email": "one@example.org", "email_verified": True, "name": "One"}
    without = POLICY.content.model_copy(
        update={"data": {name: rule for name, rule in POLICY.content.data.items() if name != "identity.email"}}
    )

    assert kept(POLICY, claims).email == "one@example.org"
    assert kept(type(POLICY)(POLICY.hash, without), claims).email is None
    for unproven in ({"email_verified": False}, {"email_verified": "true"}, {"email": 1}):
        assert kept(POLICY, claims | unproven).email is None
    with pytest.raises(SignInRefused):
        kept(POLICY, claims | {"sub": ""})
