import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lethe_common.events.privacy import StoreCount
from lethe_common.identifiers import ErasureId, SealKeyId, SubjectRef
from lethe_common.policy import PolicyBook, load_book, load_policy
from lethe_common.services import Service
from lethe_privacy.certificates import Attestor, pseudonym_of
from lethe_privacy.erasures import Called, Calling, Erasure, Finding, Report, State
from lethe_privacy.finals import Remains
from lethe_privacy.generations import Generation, Phase
from lethe_privacy.schemas import ErasureStatement
from tests.tree import ROOT
from tests.unit.common.policy_files import in_two_versions, written

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
CALLING = Calling(
    (
        Called(Service.JOBS, is_let_go=True),
        Called(Service.GATEWAY, is_let_go=True),
        Called(Service.JOBS, is_let_go=False),
    ),
    is_by_record=True,
    is_time_over=True,
)
SEEN = (Finding("pg:gateway.accounts", "counted", 0),)


def profile() -> Path:
    return ROOT / "deploy/profiles/aisora2"


def statement() -> ErasureStatement:
    return Attestor(load_book(profile()), "virtual", "0.1.0").statement(ERASURE, CALLING, REPORTS, SEEN, NOW)


def test_the_statement_names_no_subject_and_no_place_of_their_objects() -> None:
    text = statement().model_dump_json()

    assert SUBJECT not in text
    assert "0123456789abcdef" not in text
    assert ERASURE.pseudonym in text


def test_the_statement_tells_by_service_how_processes_let_go_of_the_keys() -> None:
    assert statement().quiesced.model_dump() == {
        "is_by_record": True,
        "services": (
            {"service": "gateway", "processes": 1, "let_go": 1, "time_over": 0},
            {"service": "jobs", "processes": 2, "let_go": 1, "time_over": 1},
        ),
    }


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
    assert made.horizon.is_key_rotation_running
    assert (made.horizon.rotation, made.horizon.key_backups, made.horizon.destroy_delay) == ("P1D", 2, None)
    assert made.horizon.at == NOW + timedelta(days=3)
    assert [residual.until for residual in made.residuals[:2]] == [NOW + timedelta(days=3)] * 2
    assert "promised" not in made.horizon.statement


def test_the_horizon_is_that_of_the_version_in_force(tmp_path: Path) -> None:
    slower = "forgetting: {rotation: P2D, key_backups: 3, destroy_delay: P7D}"
    book = load_book(
        in_two_versions(tmp_path, NOW.isoformat(), ("forgetting: {rotation: P1D, key_backups: 2}", slower))
    )

    horizon = Attestor(book, "virtual", "0.1.0").statement(ERASURE, CALLING, REPORTS, SEEN, NOW).horizon

    assert (horizon.at, horizon.destroy_delay) == (NOW + timedelta(days=15), "P7D")


def test_a_statement_written_and_read_again_is_the_same() -> None:
    made = statement()

    assert ErasureStatement.model_validate(json.loads(json.dumps(made.model_dump(mode="json")))) == made


def test_a_certificate_names_the_version_in_force_when_the_erasure_was_completed(tmp_path: Path) -> None:
    book = load_book(in_two_versions(tmp_path, NOW.isoformat(), ("keep: {from: created, at_least: P7Y}", LONGER)))
    attestor = Attestor(book, "virtual", "0.1.0")

    before = attestor.statement(ERASURE, CALLING, REPORTS, SEEN, NOW - timedelta(seconds=1))
    after = attestor.statement(ERASURE, CALLING, REPORTS, SEEN, NOW)

    assert [before.policy.hash, after.policy.hash] == [version.hash for version in book.versions]
    years = [{line.category: line.until for line in made.retained}["ledger.transfer"] for made in (before, after)]
    assert years == [NOW - timedelta(seconds=1) + timedelta(days=7 * 366), NOW + timedelta(days=8 * 366)]


def kept_until(book: PolicyBook, category: str) -> datetime | None:
    """By when the certificate of an erasure that is completed now says that this goes."""
    made = Attestor(book, "virtual", "0.1.0").statement(ERASURE, CALLING, REPORTS, SEEN, NOW)
    return {line.category: line.until for line in made.retained}[category]


def test_a_certificate_names_the_longest_minimum_that_was_ever_promised(tmp_path: Path) -> None:
    shorter = [(f"at_least: P{years}Y", "at_least: P1Y") for years in (3, 7)]
    book = load_book(in_two_versions(tmp_path, (NOW - timedelta(days=1)).isoformat(), *shorter))

    assert kept_until(book, "erasure.record") == NOW + timedelta(days=3 * 366)
    assert kept_until(book, "ledger.transfer") == NOW + timedelta(days=7 * 366)


def test_a_certificate_names_when_that_goes_which_has_a_longest_period_only(tmp_path: Path) -> None:
    written(tmp_path, ("at_least: P3Y", "at_most: P3Y"), ("at_least: P7Y", "at_most: P7Y"))
    book = load_book(tmp_path)

    for category, years in (("erasure.record", 3), ("ledger.transfer", 7)):
        until = kept_until(book, category)
        assert until is not None
        # Removal begins early enough for its remains in backups to be gone by then, too.
        assert NOW + timedelta(days=years * 365 - 30) < until <= NOW + timedelta(days=years * 365)


def test_a_certificate_names_for_its_own_record_no_day_on_which_a_backup_may_still_be_there(tmp_path: Path) -> None:
    written(tmp_path, ("at_least: P3Y", "at_least: P7D"))

    assert kept_until(load_book(tmp_path), "erasure.record") == NOW + timedelta(days=14 + 30)


def test_a_final_statement_names_the_first_certificate_and_what_was_seen_after_the_horizon() -> None:
    interim = statement()
    seen = [Finding("keyring", "listed", 0)]

    final = Attestor(load_book(profile()), "virtual", "0.1.0").final_statement(
        interim.model_dump(mode="json"), seen, NOW + timedelta(days=4)
    )

    assert (final.interim, final.erasure_id, final.subject) == (
        interim.certificate_id,
        interim.erasure_id,
        interim.subject,
    )
    assert (final.completed_at, final.horizon_at, final.final_at) == (
        NOW,
        NOW + timedelta(days=3),
        NOW + timedelta(days=4),
    )
    assert final.certificate_id != interim.certificate_id
    assert [(line.store, line.found) for line in final.seen] == [("keyring", 0)]
    assert all(residual.until is None for residual in final.residuals)


def in_use(number: int, phase: Phase = Phase.RESTING) -> Generation:
    return Generation(number, SealKeyId.new(), NOW, phase, None, None, ("", ""))


@pytest.mark.parametrize(
    "remains",
    [
        Remains(in_use(7), 0, 0, (7,)),
        Remains(in_use(8, Phase.SWAPPED), 0, 0, (8,)),
        Remains(in_use(8), 1, 0, (8,)),
        Remains(in_use(8), 0, 1, (8,)),
        Remains(in_use(8), 0, 0, (7, 8)),
    ],
)
def test_nothing_is_final_while_a_key_above_the_deleted_ones_may_be_left(remains: Remains) -> None:
    assert remains.seen(7) is None


def test_what_is_final_says_where_was_looked() -> None:
    seen = Remains(in_use(9), 0, 0, (8, 9)).seen(7)

    assert seen is not None
    assert [(finding.store, finding.found) for finding in seen] == [
        ("keyring", 0),
        ("pg:keys.class_keys", 0),
        ("key backups", 0),
    ]
