"""Identity modes: how people get in, as the policy declares it. A way that is not declared is not offered."""

from lethe_common.clock import Clock
from lethe_common.errors import ConfigurationError
from lethe_common.policy import Policy, PolicyBook
from lethe_common.policy.parties import Recipient
from lethe_gateway.errors import WayNotOffered

PASSWORD, GUEST, EXTERNAL = "password", "guest", "external"
OIDC = "oidc"
"""The adapter by which a policy's recipient is the provider that people sign in by."""


def made(*, has_provider: bool) -> frozenset[str]:
    """The modes that there are here: an external one needs a provider in the settings."""
    return frozenset({PASSWORD, GUEST, EXTERNAL} if has_provider else {PASSWORD, GUEST})


def must_be_made(book: PolicyBook, stand_in: str | None, *, has_provider: bool) -> None:
    """Check at start that somebody can get in, in every version of the policy, by the ways that it declares.

    Raises:
        ConfigurationError: a provider is declared that no setting or no recipient names, and nothing stands in for it.
    """
    here = made(has_provider=has_provider)
    for policy in book.versions:
        if EXTERNAL not in policy.content.identity:
            continue
        if EXTERNAL not in here and stand_in is None:
            raise ConfigurationError(
                f"Version {policy.version} of the policy lets people in by an external provider. Set LETHE_OIDC_ISSUER_URL, "
                "LETHE_OIDC_CLIENT_ID and LETHE_OIDC_CLIENT_SECRET to yours. To try the profile out without one, set "
                "LETHE_IDENTITY_STAND_IN to password or guest."
            )
        if EXTERNAL in here and provider_of(policy) is None:
            raise ConfigurationError(
                f"Version {policy.version} of the policy lets people in by an external provider, and none of its recipients "
                f"is one. Declare it under recipients, with adapter: {OIDC}."
            )


def provider_of(policy: Policy) -> Recipient | None:
    """The recipient by which people sign in, if the policy has one."""
    return next((one for one in policy.content.recipients if one.adapter == OIDC), None)


class Ways:
    """The ways in that the policy offers. `stand_in` takes the place of a mode that is not made, where one is set."""

    def __init__(self, book: PolicyBook, clock: Clock, stand_in: str | None, *, has_provider: bool) -> None:
        self._book, self._clock, self._stand_in = book, clock, stand_in
        self._made = made(has_provider=has_provider)

    @property
    def offered(self) -> list[str]:
        """To newcomers, by the version that counts now."""
        return self._of(self._book.governing(self._clock.now()))

    def must_offer(self, way: str) -> None:
        """Raises:
        WayNotOffered: newcomers do not get in so.
        """
        if way not in self.offered:
            raise WayNotOffered(self.offered)

    def must_have_offered(self, way: str) -> None:
        """For those who came in so before: they stay when a later version lets nobody else in that way.

        Raises:
            WayNotOffered: nobody ever got in so.
        """
        now = self._clock.now()
        past = [policy for policy in self._book.versions if policy.effective_at <= now]
        if not any(way in self._of(policy) for policy in (self._book.governing(now), *past)):
            raise WayNotOffered(self.offered)

    def _of(self, policy: Policy) -> list[str]:
        modes = (mode if mode in self._made else self._stand_in for mode in policy.content.identity)
        return list(dict.fromkeys(mode for mode in modes if mode is not None))
