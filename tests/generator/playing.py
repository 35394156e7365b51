"""A profile's versions, each changing one value, played on a running suite of two replicas."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from lethe_common.clock import wall
from lethe_common.policy import PolicyBook, load_profile
from tests.generator import expected_effects as effects
from tests.generator import expected_pages as pages
from tests.generator.chain import BETWEEN, Step, book, chain
from tests.generator.comparing import differing
from tests.generator.expected_pages import Key
from tests.generator.mutations import Mutation
from tests.generator.observed import of_page, spreadsheet
from tests.generator.reading import Document, moment
from tests.generator.served import page_of
from tests.generator.stage import REPLICAS, Stage
from tests.generator.trees import Tree
from tests.suite import fresh_suite
from tests.unit.common.policy_files import shipped

START = timedelta(minutes=20)
"""The suite is up by then, and policy time no further."""
_COMING = re.compile('<p [^>]*id="policy-change">.*?</p>', re.DOTALL)
"""What it tells of the version that takes effect next."""


def play(folder: Path, name: str, tree: Tree, chosen: Sequence[Mutation]) -> int:
    """Let each change take effect after the other; the number of versions that took."""
    base, plans = Document(tree), plans_of(name)
    longest = max(effects.timer(base, "output.video", key) or timedelta(days=1) for key in plans.values())
    first_at = wall().replace(second=0, microsecond=0) + START + longest
    steps = chain(tree, chosen, first_at)
    profile = book(folder / "profile", name, steps)
    versions = load_profile(profile).book
    with _stage(profile, plans) as stage:
        stage.seed([base, *(Document(step.tree) for step in steps)], [step.effective for step in steps])
        _Play(stage, versions, base, steps).run()
    return len(steps)


@contextmanager
def _stage(profile: Path, plans: Mapping[str, str]) -> Iterator[Stage]:
    # A way in that is declared and not made yet stops the start, unless something stands in for it.
    with fresh_suite("--profile", str(profile), *REPLICAS, settings={"IDENTITY_STAND_IN": "password"}) as suite:
        stage = Stage(suite, plans)
        yield stage
        stage.close()


class _Play:
    """The versions of one suite, one after the other."""

    def __init__(self, stage: Stage, versions: PolicyBook, base: Document, steps: Sequence[Step]) -> None:
        self._stage, self._book, self._steps = stage, versions, steps
        self._documents = [base, *(Document(step.tree) for step in steps)]
        self._since = [steps[0].effective - timedelta(days=3000), *(step.effective for step in steps)]

    def run(self) -> None:
        """At each second everything is as its version has it: at the one before an instant as the version before does."""
        before = self._look(0, self._steps[0].effective - BETWEEN)
        for number, step in enumerate(self._steps, 1):
            told, shown = self._look(number, step.effective)
            wrong = sorted(set(differing(before[0], told)) ^ set(differing(before[1], shown)))
            assert not wrong, f"{step.name}: {wrong[:5]}"
            before = told, shown
        for language in self._documents[-1].languages:
            page = self._stage.versions(language)
            assert all(f'id="v{number + 1}"' in page for number in range(len(self._documents)))

    def _look(self, number: int, now: datetime) -> tuple[dict[Key, object], dict[Key, object]]:
        """What should be told at a moment, and what is; deadlines and hashes are compared here."""
        self._stage.to(now)
        document, policy = self._documents[number], self._book.versions[number]
        standings = self._stage.standings()
        assert set(standings.values()) == {(policy.hash, policy.version, now)}, standings
        assert len(standings) == 5 + 2
        self._has_deadlines(number, now)
        front = _front(document, self._stage.plans)
        coming = [(number + 2, moment(since)) for since in self._since[number + 1 : number + 2]]
        told: dict[Key, object] = {**pages.pages(document), **pages.record(document)}
        # Whether signing up rests on a consent is told at sign-up only.
        told |= {key: asked[:-1] for key, asked in effects.asked(document).items()}
        shown: dict[Key, object] = {}
        for language in policy.languages:
            told[language, "front"] = front
            told[language, "coming"] = coming
            front_page = self._stage.front(language)
            shown[language, "front"] = " ".join(_COMING.sub("", front_page).split())
            shown[language, "coming"] = _COMING.findall(front_page)
            for name in pages.PARTS_OF:
                page = page_of(self._stage.page(name, language))
                shown |= {(language, name, *rest): text for rest, text in of_page(page, name, policy, document)}
            shown |= {(language, "asked", purpose): one for purpose, one in self._stage.asked(language).items()}
            lines = csv.reader(io.StringIO(self._stage.spreadsheet(language).removeprefix("\ufeff")))
            shown |= spreadsheet(lines, document, language)
        assert told.keys() == shown.keys(), told.keys() ^ shown.keys()
        return told, shown

    def _has_deadlines(self, number: int, now: datetime) -> None:
        versions = list(zip(self._documents, self._since, strict=True))
        wanted = {one.video_id: effects.due_through(versions, one.item, now) for one in self._stage.videos}
        rows = self._stage.deadlines()
        for video in self._stage.videos:
            due_at, version = rows[video.video_id]
            due = wanted[video.video_id]
            assert due_at == due, f"version {number + 1}: {video.item.name}: {due_at}, not {due}"
            is_open = due is None or (isinstance(due, datetime) and due > now)
            assert version == number + 1 or not is_open, video.item.name
        self._stage.has_due(wanted, now)


def _front(document: Document, plans: Mapping[str, str]) -> list[object]:
    """What the studio's front page tells of a policy: whom one signs in by, and how long videos stay if they end by time."""
    terms = effects.terms(document, plans)
    is_clocked = terms["studio", "is_clocked"]
    periods = terms["studio", "video_periods"] if is_clocked else None
    return [periods, is_clocked, terms["studio", "contact"], terms["studio", "provider"]]


def plans_of(name: str) -> dict[str, str]:
    """The plans on offer, with their retention keys."""
    return {plan.id: plan.retention for plan in shipped(name).catalogue.plans.values()}
