"""The chain of facts: each line's hash covers the line and all before it. Pure; `facts.py` keeps it.

So a ledger that was cut short, or is another one, cannot hide it from whoever
remembers a number and the hash there.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC
from itertools import count

from lethe_common.rpc.facts import ONCE, Fact, NewFact

NOTHING = bytes(32)
"""The hash before the first fact."""


def chained(number: int, previous: bytes, news: Sequence[NewFact]) -> list[tuple[Fact, bytes]]:
    """The facts after line `number`, whose hash is `previous`, with their numbers and SHA-256 hashes."""
    lines, hash_ = [], previous
    for place, new in zip(count(number + 1), news, strict=False):
        fact = Fact(number=place, kind=new.kind, subject_ref=new.subject_ref, ref=new.ref, at=new.at)
        hash_ = hashlib.sha256(hash_ + _line(fact)).digest()
        lines.append((fact, hash_))
    return lines


def once_only(news: Sequence[NewFact], known: Collection[tuple[str, str | None, str]]) -> list[NewFact]:
    """Those worth a line: a fact that cannot become truer gets one."""
    seen, fresh = set(known), []
    for new in news:
        name = (new.kind, new.subject_ref, new.ref)
        if new.kind in ONCE and name in seen:
            continue
        seen.add(name)
        fresh.append(new)
    return fresh


def _line(fact: Fact) -> bytes:
    told = [fact.number, fact.kind, fact.subject_ref, fact.ref, fact.at.astimezone(UTC).isoformat()]
    return json.dumps(told, separators=(",", ":")).encode()
