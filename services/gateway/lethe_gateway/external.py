"""Signing in by an external provider: what goes along on the way there and back, and what is kept of what it says. Pure.

begun here ──the browser goes to the provider, with a sealed cookie of ours──> back with a code ──> signed in
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from lethe_common.identifiers import SealKeyId
from lethe_common.policy import Policy
from lethe_common.policy.languages import Language
from lethe_common.sealing import CannotOpen, SealContext
from lethe_common.sealing.values import open_value, seal_value
from lethe_gateway.browser import EXTERNAL_COOKIE
from lethe_gateway.errors import SignInRefused

PERIOD = timedelta(minutes=10)
"""How long the way there and back may take, where the policy's list of cookies says nothing else."""
_SESSION, _EMAIL, _USE = "identity.session", "identity.email", "service"
_LONGEST = 254


class Given(BaseModel):
    """What a newcomer answered before they left. Their age is not in it: it was compared, and is stored nowhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy_hash: str
    language: Language
    wishes: dict[str, bool]


class Journey(BaseModel):
    """One way there and back. `given` is None for who only signs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: str
    nonce: str
    verifier: str
    ends_at: AwareDatetime
    given: Given | None


@dataclass(frozen=True, slots=True)
class Person:
    """What is kept of what a provider says: who it is within it, and an address if the policy keeps addresses."""

    subject: str
    email: str | None


def begun(given: Given | None, ends_at: datetime) -> Journey:
    """A new way, which nobody can guess."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Journey(state=state, nonce=nonce, verifier=verifier, ends_at=ends_at, given=given)


def sealed(journey: Journey, key: bytes) -> str:
    """A way as a cookie that only we can read."""
    return base64.urlsafe_b64encode(seal_value(key, _context(key), journey.model_dump_json().encode())).decode()


def resumed(cookie: str | None, state: str | None, key: bytes, now: datetime) -> Journey:
    """The way that a browser comes back on.

    Raises:
        SignInRefused: it was not begun in this browser, is another one, or took too long.
    """
    try:
        raw = open_value(key, _context(key), base64.urlsafe_b64decode((cookie or "").encode()))
        journey = Journey.model_validate_json(raw)
    except (CannotOpen, binascii.Error, ValidationError, UnicodeEncodeError) as error:
        raise SignInRefused from error
    if not hmac.compare_digest(journey.state.encode(), (state or "").encode()) or now >= journey.ends_at:
        raise SignInRefused
    return journey


def keeps_address(policy: Policy) -> bool:
    """Whether the policy keeps addresses for running the service; only then is one asked for."""
    rule = policy.content.data.get(_EMAIL)
    return rule is not None and any(use.purpose == _USE for use in rule.uses)


def kept(policy: Policy, claims: Mapping[str, Any]) -> Person:
    """What is kept of claims whose signature was checked. An address that nobody verified could be anybody's.

    Raises:
        SignInRefused: they do not say who it is.
    """
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST:
        raise SignInRefused
    is_proven = isinstance(email, str) and "@" in email and len(email) <= _LONGEST
    if not is_proven or claims.get("email_verified") is not True or not keeps_address(policy):
        email = None
    return Person(subject, email)


def cookie_period(policy: Policy) -> timedelta:
    """How long the cookie lasts by the policy's own list."""
    lasts = next((cookie.lasts for cookie in policy.content.cookies if cookie.name == EXTERNAL_COOKIE), None)
    return lasts if isinstance(lasts, timedelta) else PERIOD


def _context(key: bytes) -> SealContext:
    # The key's id tells nothing of the key: it is a digest of it, for the sealed format has a place for one.
    key_id = SealKeyId(f"{SealKeyId.prefix}_{hmac.digest(key, b'id', 'sha256')[:16].hex()}")
    return SealContext(_SESSION, "", EXTERNAL_COOKIE, key_id)
