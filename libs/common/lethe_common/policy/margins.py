"""What of an `at_most` is used up before anything is gone: the arithmetic, shown.

A deadline is not the end. After it come the grace, the width of the partition the row is
dropped with, and then what remains: sealed remains can be opened until the forgetting
horizon, others until the last backup is gone. All of it has to fit inside the promise.
"""

from dataclasses import dataclass
from datetime import timedelta

from lethe_common.policy.document import PolicyFile
from lethe_common.policy.durations import Period
from lethe_common.policy.rules import DataRule

RESTORED_WITHIN = Period.of(timedelta(days=30), "P30D")
"""Somebody may restore a backup on the last day it is kept, and take some days over it."""
_SEALED_IN_BACKUPS = "sealed"


@dataclass(frozen=True, slots=True)
class Margin:
    """The parts, each with its name, in the order in which they pass."""

    parts: tuple[tuple[str, Period], ...]

    @property
    def length(self) -> timedelta:
        """Their sum."""
        return sum((period for _, period in self.parts), timedelta(0))

    def __str__(self) -> str:
        return " + ".join(f"{name} {period}" for name, period in self.parts)


def margin_of(content: PolicyFile, rule: DataRule) -> Margin:
    """What passes between an item's deadline and the moment nothing of it can be read any more.

    With `remains: told` only the live part counts, because a clause tells the rest.
    """
    live = [("grace", rule.grace)]
    if rule.partition is not None:
        live.append(("partition", rule.partition))
    return Margin((*live, *(() if rule.keep.remains == "told" else _remains(content, rule))))


def _remains(content: PolicyFile, rule: DataRule) -> tuple[tuple[str, Period], ...]:
    backups = content.backups
    if backups is None or not any(store.startswith(backups.stores) for store in rule.stores):
        return ()
    if rule.protect == _SEALED_IN_BACKUPS:
        # A backup holds sealed bytes only; they open until the key is gone from the key store's own backups.
        return (("forgetting horizon", content.forgetting.horizon),)
    return (("backups", backups.keep),)


def timer_of(content: PolicyFile, rule: DataRule) -> timedelta | None:
    """After how long from its event removal has to begin, so that an `at_most` is kept to the end. None without one."""
    if rule.keep.at_most is None:
        return None
    return rule.keep.at_most - margin_of(content, rule).length


def facts_kept(content: PolicyFile) -> timedelta:
    """How long it has to be known what people decided: as long as a backup can bring back data of before."""
    return RESTORED_WITHIN if content.backups is None else content.backups.keep + RESTORED_WITHIN
