"""What a generation costs, in credits.

A generation is charged by the price version it was quoted, never by a newer one;
what is delivered below the order (smaller, shorter) costs what that would have cost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from pydantic import Field

from lethe_common.policy.errors import UnknownModel
from lethe_common.policy.sizes import PictureSize, Size
from lethe_common.policy.source import Section

_FRAME_TOLERANCE_SECONDS = 0.25


class PriceVersion(Section):
    """All rates from a day (UTC) on. Old versions stay in the file while holds by them may be open."""

    version: str = Field(pattern="^[A-Za-z0-9._-]{1,32}$")
    effective: date
    credits_per_second: dict[str, dict[Size, int]]


@dataclass(frozen=True, slots=True)
class Price:
    """What an order costs by one price version."""

    version: str
    credits: int


class PriceBook:
    """All price versions there are."""

    def __init__(self, versions: Sequence[PriceVersion]) -> None:
        self._newest_first = sorted(versions, key=lambda version: version.effective, reverse=True)
        self._by_version = {version.version: version for version in versions}

    def in_force(self, at: datetime) -> PriceVersion:
        """The version in force at a policy time; before the first one, the first one."""
        for version in self._newest_first:
            if datetime.combine(version.effective, time(), UTC) <= at:
                return version
        return self._newest_first[-1]

    def price(self, model: str, size: PictureSize, seconds: int, at: datetime) -> Price:
        """The price of an order at a policy time.

        Raises:
            UnknownModel: no rate for this model and size.
        """
        version = self.in_force(at)
        rate = version.credits_per_second.get(model, {}).get(size)
        if rate is None:
            raise UnknownModel("There is no price for this model and size.")
        return Price(version.version, rate * seconds)

    def as_delivered(
        self, quoted: Price, model: str, ordered: PictureSize, delivered: PictureSize, seconds: float
    ) -> int:
        """What was really delivered costs, by the quoted version; never more than was quoted.

        `seconds` is what was delivered; a started second counts, a quarter of a
        second of frame rounding does not. A size that has no rate costs what the
        cheapest listed size that covers it costs.
        """
        rates = self._rates(quoted.version, model)
        if ordered not in rates:
            return quoted.credits
        covering = [rate for size, rate in rates.items() if size.pixels >= delivered.pixels]
        exact = rates.get(delivered)
        rate = min(exact if exact is not None else min(covering, default=rates[ordered]), rates[ordered])
        started_seconds = max(0, math.ceil(seconds - _FRAME_TOLERANCE_SECONDS))
        return min(quoted.credits, rate * started_seconds)

    def _rates(self, version: str, model: str) -> dict[PictureSize, int]:
        known = self._by_version.get(version)
        return known.credits_per_second.get(model, {}) if known else {}
