"""How long a category is kept, as a phrase."""

from collections.abc import Iterator

from lethe_common.policy.policy import Policy
from lethe_common.policy.rules import Keep
from lethe_common.policy.wording import Wording


def kept(policy: Policy, category: str, wording: Wording) -> str:
    """`at most 30 days after the account was closed`, and so on; what is kept with another category says with which."""
    companion = policy.rule(category).keep.with_category
    if companion is not None:
        label = policy.rule(companion).label
        return wording.words("keep.with", label=wording.of(dict(label)) if label else companion)
    return "; ".join(_promises(policy.rule(category).keep, wording))


def _promises(keep: Keep, wording: Wording) -> Iterator[str]:
    words = wording.words
    event = words(f"event.{keep.until or keep.from_event}")
    if keep.exactly is not None:
        periods = {plan: wording.period(str(period)) for plan, period in keep.exactly.items()}
        told = next(iter(periods.values())) if len(periods) == 1 else ", ".join(f"{p}: {t}" for p, t in periods.items())
        yield words("keep.exactly", period=told, event=event)
    if keep.at_most is not None and keep.until is not None:
        yield words("keep.until_at_most", event=event, period=wording.period(str(keep.at_most), is_genitive=True))
    elif keep.at_most is not None:
        after = words(f"after.{keep.from_event}")
        yield words("keep.at_most", event=after, period=wording.period(str(keep.at_most), is_genitive=True))
    elif keep.until is not None:
        yield words("keep.until", event=event)
    if keep.at_least is not None:
        period = wording.period(str(keep.at_least), is_genitive=True)
        is_counted_here = keep.until is None and keep.exactly is None and keep.at_most is None
        yield (
            words("keep.at_least_from", period=period, event=event)
            if is_counted_here
            else words("keep.at_least", period=period)
        )
    if keep.inactive is not None:
        yield words("keep.inactive", period=wording.period(str(keep.inactive), is_genitive=True))
    if keep.reason:
        yield wording.of(dict(keep.reason))
