"""Which versions people were told of, and which ones may not be run on because they were not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from lethe_common.policy.book import PolicyBook
from lethe_common.policy.diff.leads import late
from lethe_common.policy.errors import AnnouncedOtherwise, HistoryMissing, NoticeTooLate
from lethe_common.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Announced:
    """What is recorded: the hash of each version that was announced, and whether there is anybody to be told."""

    hashes: Mapping[int, str]
    has_audience: bool


def unannounced(book: PolicyBook, known: Announced, now: datetime) -> list[tuple[Policy | None, Policy]]:
    """The versions that are still to be announced, each behind the one before it, oldest first.

    As long as nobody has an account nobody has to be told. Of a first start on data of
    before, what is in force already was somebody else's to announce.

    Raises:
        NoticeTooLate: people would hear of one later than the version before it promised.
        AnnouncedOtherwise: a coming one was announced with another text.
        HistoryMissing: there is nothing in the folder to compare the first one with.
    """
    first = book.versions[0]
    pairs = ((older, newer) for older, newer in pairwise(book.versions) if _is_to_announce(older, newer, known, now))
    return [*([(None, first)] if _is_first_unknown(first, known) else []), *pairs]


def _is_first_unknown(first: Policy, known: Announced) -> bool:
    if first.version in known.hashes:
        return False
    earlier = [version for version in known.hashes if version < first.version]
    if known.has_audience and earlier:
        raise HistoryMissing(max(earlier), first.version)
    return True


def _is_to_announce(older: Policy, newer: Policy, known: Announced, now: datetime) -> bool:
    noted = known.hashes.get(newer.version)
    if noted == newer.hash:
        return False
    is_coming = newer.effective_at > now
    if noted is not None and (known.has_audience or not is_coming):
        if is_coming:
            raise AnnouncedOtherwise(newer.version)
        return False
    if known.has_audience and (is_coming or known.hashes) and (fault := late(older, newer, now)) is not None:
        raise NoticeTooLate(str(fault))
    return True
