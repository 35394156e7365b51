"""The shipped profiles: every promise of the five published policies is in one, and each can start the suite."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from lethe_common.policy import load_book
from lethe_common.policy.lint import lint_folder
from lethe_common.policy.parties import Controller
from lethe_common.policy.rules import Fact
from tests.tree import ROOT
from tests.unit.common.policy_files import NAMES, PROFILES, shipped, shipped_policy

REGISTER = ROOT / "tests/unit/common/policies/register.txt"
# Contracts and attestations in the shipped files end later than this; past it they have to be renewed on purpose.
ON = datetime(2026, 11, 25, tzinfo=UTC).date()


def registered() -> dict[str, set[str]]:
    """The ids of each profile's promises."""
    ids: dict[str, set[str]] = {}
    for line in REGISTER.read_text().splitlines():
        if not line.startswith("#"):
            profile, span = line.split()
            first, last = map(int, span.split("-"))
            ids[profile] = {f"{profile}-{number:02}" for number in range(first, last + 1)}
    return ids


def test_the_register_has_all_209_promises() -> None:
    assert sum(map(len, registered().values())) == 209
    assert set(registered()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_promise_of_the_register_is_in_its_profile(name: str) -> None:
    clauses = shipped_policy(name).clauses

    assert registered()[name] - clauses.keys() == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_has_no_findings(name: str) -> None:
    found = lint_folder(PROFILES / name, ON)

    assert [finding for findings in found.values() for finding in findings] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_has_a_rule_for_all_that_the_suite_holds(name: str) -> None:
    held = shipped_policy("aisora2").content.data
    suite = {
        category for category, rule in held.items() if any(store.startswith(("pg:", "s3:")) for store in rule.stores)
    }
    content = shipped_policy(name).content
    needed = suite - {"content.reference_url", "consent.record", "payment.raw", "disclosure.record"}

    assert needed - content.data.keys() == set()
    assert [one for one in sorted(needed) if not set(held[one].stores) <= set(content.data[one].stores)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_plan_on_offer_has_its_periods(name: str) -> None:
    profile = shipped(name)

    for plan in profile.catalogue.plans.values():
        assert profile.book.versions[0].period("output.video", plan.retention) > timedelta(0)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_reaches_nobody_by_accident(name: str) -> None:
    controller: Controller = shipped_policy(name).content.controller

    assert controller.contact.endswith("@example.org")
    assert "example" in controller.name.lower() or "Пример" in controller.name


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_typed_into_a_promise_about_time(name: str) -> None:
    unit = r"(?:day|hour|month|year|week|дн|день|час|месяц|год|лет\b|недел)"
    typed = [
        f"{clause.id}: {text}"
        for clause in shipped_policy(name).content.clauses
        for text in clause.text.values()
        if re.search(rf"\b[0-9]+\s+{unit}", text)
    ]

    assert typed == []


def test_a_profiles_folder_is_a_book_of_versions() -> None:
    assert [policy.version for policy in load_book(PROFILES / "aisora2").versions] == [1]


def test_a_video_kept_until_its_user_deletes_it_starts_no_clock_before() -> None:
    starts = {name: shipped_policy(name).starts_with("output.video") for name in NAMES}

    assert starts == {**dict.fromkeys(NAMES, Fact.COMPLETED), "videogen": Fact.DELETED_BY_USER}
    assert shipped_policy("videogen").starts_with("content.prompt") is Fact.DELETED_BY_USER
