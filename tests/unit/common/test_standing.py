from datetime import UTC, datetime, timedelta
from pathlib import Path

from lethe_common.operations import standing
from lethe_common.policy import load_book
from tests.unit.common.policy_files import in_two_versions

EFFECTIVE = datetime(2026, 12, 5, tzinfo=UTC)


def test_operators_see_which_version_counts_and_which_comes_next(tmp_path: Path) -> None:
    book = load_book(in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("free: P7D", "free: P8D")))
    first, second = book.versions

    before, at = standing(book, EFFECTIVE - timedelta(seconds=1)), standing(book, EFFECTIVE)

    assert (before.policy_hash, before.policy_version, before.policy_effective) == (first.hash, 1, first.effective_at)
    assert before.policy_next is not None
    assert (before.policy_next.hash, before.policy_next.version) == (second.hash, 2)
    assert before.policy_next.effective == EFFECTIVE
    assert (at.policy_hash, at.policy_version, at.policy_next) == (second.hash, 2, None)


def test_before_the_first_version_its_own_coming_is_told(tmp_path: Path) -> None:
    book = load_book(in_two_versions(tmp_path, EFFECTIVE.isoformat(), ("free: P7D", "free: P8D")))

    early = standing(book, book.versions[0].effective_at - timedelta(days=1))

    assert early.policy_version == 1
    assert early.policy_next is not None
    assert early.policy_next.version == 1
