"""What versions say of one another: a coming one takes effect no sooner than people were promised to hear of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path

from lethe_common.policy.claims import Claims
from lethe_common.policy.diff.leads import late
from lethe_common.policy.errors import PolicyError
from lethe_common.policy.lint.examined import Finding
from lethe_common.policy.policy import Policy, load_version
from lethe_common.policy.source import read_yaml


def succession(files: list[Path], on: date) -> Mapping[Path, list[Finding]]:
    """late-notice, for each version that is still to come on this day, which counts as the day of its publication.

    Versions that could not run yet are not compared.
    """
    morning = datetime.combine(on, time(), UTC)
    read = sorted(_running(files), key=lambda one: one[1].effective_at)
    return {
        file: list(_late_notice(older, newer, file, morning))
        for (_, older), (file, newer) in pairwise(read)
        if newer.effective_at > morning
    }


def _running(files: list[Path]) -> Iterator[tuple[Path, Policy]]:
    for file in files:
        try:
            policy = load_version(file)
            yield file, policy
        except PolicyError:
            continue


def _late_notice(older: Policy, newer: Policy, file: Path, morning: datetime) -> Iterator[Finding]:
    found = late(older, newer, morning)
    if found is not None:
        yield Finding(
            line=read_yaml(file).lines["effective"],
            rule="late-notice",
            place="effective",
            clauses=Claims(older.content.clauses).about("notice"),
            sentence=str(found),
            advice="Write a later effective. Of a version that people heard of before, lint that day with --on.",
        )
