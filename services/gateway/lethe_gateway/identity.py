"""Identity modes: how people get in, as the policy declares it. A way that is not declared is not offered."""

from lethe_common.clock import Clock
from lethe_common.errors import ConfigurationError
from lethe_common.policy import Policy, PolicyBook
from lethe_gateway.errors import WayNotOffered

PASSWORD, GUEST = "password", "guest"
MADE = frozenset({PASSWORD, GUEST})
"""The modes that this version implements."""


def must_be_made(book: PolicyBook, stand_in: str | None) -> None:
    """Check at start that somebody can get in, in every version of the policy, by the ways that it declares.

    Raises:
        ConfigurationError: a mode is declared that nobody implements, and nothing stands in for it.
    """
    for policy in book.versions:
        missing = [mode for mode in policy.content.identity if mode not in MADE]
        if missing and stand_in is None:
            raise ConfigurationError(
                f"Version {policy.version} of the policy lets people in by {missing[0]}, which is not made here; there are: "
                f"{', '.join(sorted(MADE))}. To try the profile out, set LETHE_IDENTITY_STAND_IN to one of them."
            )


class Ways:
    """The ways in that the policy offers. `stand_in` takes the place of a mode that is not made, where one is set."""

    def __init__(self, book: PolicyBook, clock: Clock, stand_in: str | None) -> None:
        self._book, self._clock, self._stand_in = book, clock, stand_in

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
        modes = (mode if mode in MADE else self._stand_in for mode in policy.content.identity)
        return list(dict.fromkeys(mode for mode in modes if mode is not None))
