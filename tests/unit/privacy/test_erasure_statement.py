import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lethe_common.events.privacy import StoreCount
from lethe_common.identifiers import ErasureId, SubjectRef
from lethe_common.policy import load_book, load_policy
from lethe_common.services import Service
from lethe_privacy.certificates import Attestor, pseudonym_of
from lethe_privacy.erasures import Erasure, Finding, Report, State
from lethe_privacy.schemas import ErasureStatement
from tests.tree import ROOT
from tests.unit.common.policy_files import in_two_versions

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONGER = "keep: {from: created, at_least: P8Y}"
SUBJECT = SubjectRef.new()
ERASURE = Erasure(ErasureId.new(), SUBJECT, pseudonym_of(SUBJECT), State.VERIFYING, 0, NOW - timedelta(minutes=1))
REPORTS = (
    Report(
        Service.BILLING,
        (
            StoreCount(
                store="pg:billing.transfers", category="ledger.transfer", before=4, after=4, retained_ground="tax"
            ),
        ),
    ),
    Report(
        Service.JOBS,
        (StoreCount(store="s3:outputs", category="output.video", before=2, after=0),),
        ("outputs/0123456789abcdef/",),
    ),
)
SEEN = (Finding("pg:gateway.accounts", "counted", 0),)


def profile() -> Path:
    return ROOT / "deploy/profiles/aisora2"


def statement() -> ErasureStatement:
    return Attestor(load_book(profile()), "virtual", "0.1.0").statement(ERASURE, REPORTS, SEEN, NOW)


def test_the_statement_names_no_subject_and_no_place_of_their_objects() -> None:
    text = statement().model_dump_json()

    assert SUBJECT not in text
    assert "0123456789abcdef" not in text
    assert ERASURE.pseudonym in text


def test_a_pseudonym_is_never_used_twice() -> None:
    assert pseudonym_of(SUBJECT) != pseudonym_of(SUBJECT)


def test_the_statement_tells_what_each_store_held_before_and_after() -> None:
    lines = {line.store: (line.owner, line.before, line.after) for line in statement().stores}

    assert lines == {"pg:billing.transfers": ("billing", 4, 4), "s3:outputs": ("jobs", 2, 0)}
    assert [line.store for line in statement().checked] == ["pg:gateway.accounts"]


def test_what_a_law_keeps_stands_there_with_its_ground_and_its_end() -> None:
    kept = {line.category: line for line in statement().retained}

    assert kept["ledger.transfer"].ground == "tax"
    assert kept["ledger.transfer"].until == NOW + timedelta(days=7 * 366)
    assert kept["erasure.record"].until == NOW + timedelta(days=3 * 366)


def test_the_statement_names_its_clock_its_policy_and_what_is_still_to_come() -> None:
    made = statement()

    assert made.clock == "virtual"
    assert made.policy.hash == load_policy(profile()).hash
    assert not made.horizon.is_key_rotation_running
    assert made.residuals[0].until == NOW + timedelta(days=3)


def test_a_statement_written_and_read_again_is_the_same() -> None:
    made = statement()

    assert ErasureStatement.model_validate(json.loads(json.dumps(made.model_dump(mode="json")))) == made


def test_a_certificate_names_the_version_in_force_when_the_erasure_was_completed(tmp_path: Path) -> None:
    book = load_book(in_two_versions(tmp_path, NOW.isoformat(), ("keep: {from: created, at_least: P7Y}", LONGER)))
    attestor = Attestor(book, "virtual", "0.1.0")

    before = attestor.statement(ERASURE, REPORTS, SEEN, NOW - timedelta(seconds=1))
    after = attestor.statement(ERASURE, REPORTS, SEEN, NOW)

    assert [before.policy.hash, after.policy.hash] == [version.hash for version in book.versions]
    years = [{line.category: line.until for line in made.retained}["ledger.transfer"] for made in (before, after)]
    assert years == [NOW - timedelta(seconds=1) + timedelta(days=7 * 366), NOW + timedelta(days=8 * 366)]
