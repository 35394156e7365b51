"""Who is let in and who consents alone: by a year of birth at its youngest, or by a declaration."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy import Policy, load_policy
from lethe_gateway.ages import Told, must_be_let_in, must_consent_alone
from lethe_gateway.errors import AgeNotAsked, AgeNotTold, ParentNeeded, TooYoung
from tests.unit.common.policy_files import NAMES, shipped_policy, written

TODAY = date(2026, 11, 25)
STORIES = shipped_policy("soragpt")


def with_age(folder: Path, age: str) -> Policy:
    """SoraGPT with another age gate."""
    written(folder, ("age: {min: 13, consent: 16, ask: birth_year}", f"age: {age}"), profile="soragpt")
    return load_policy(folder)


@given(st.dates(date(1950, 1, 1), TODAY), st.sampled_from([name for name in NAMES if name != "videogen"]))
def test_nobody_below_the_age_gets_in_by_the_year_of_their_birth(born: date, name: str) -> None:
    policy = shipped_policy(name)
    assert policy.content.age is not None
    years = TODAY.year - born.year - ((TODAY.month, TODAY.day) < (born.month, born.day))

    # A year says only so much: whoever may have had their birthday this year waits for its end.
    if TODAY.year - born.year > policy.content.age.min:
        must_be_let_in(policy, Told(birth_year=born.year), TODAY)
        assert years >= policy.content.age.min
    else:
        with pytest.raises(TooYoung, match=f"from {policy.content.age.min} years on.*@example.org"):
            must_be_let_in(policy, Told(birth_year=born.year), TODAY)
        assert years <= policy.content.age.min


def test_where_the_policy_lets_in_who_says_nothing_only_what_is_said_counts(tmp_path: Path) -> None:
    policy = with_age(tmp_path, "{min: 13, consent: 16, ask: birth_year, unsaid: let_in}")

    must_be_let_in(policy, Told(), TODAY)
    must_be_let_in(policy, Told(birth_year=1990), TODAY)
    with pytest.raises(TooYoung):
        must_be_let_in(policy, Told(birth_year=TODAY.year - 12), TODAY)
    with pytest.raises(AgeNotTold, match="birth_year"):
        must_consent_alone(policy, {"train_models": True}, Told(), TODAY)


def test_a_declaration_is_taken_at_its_word_and_a_missing_answer_is_none(tmp_path: Path) -> None:
    policy = with_age(tmp_path, "{min: 14, consent: 16, ask: declaration}")

    must_be_let_in(policy, Told(is_of_age=True), TODAY)
    with pytest.raises(TooYoung):
        must_be_let_in(policy, Told(is_of_age=False), TODAY)
    with pytest.raises(AgeNotTold, match="is_of_age"):
        must_be_let_in(policy, Told(), TODAY)
    with pytest.raises(AgeNotTold, match="may_consent"):
        must_consent_alone(policy, {"train_models": True}, Told(is_of_age=True), TODAY)
    with pytest.raises(ParentNeeded, match="16"):
        must_consent_alone(policy, {"train_models": True}, Told(is_of_age=True, may_consent=False), TODAY)


@pytest.mark.parametrize("told", [Told(is_of_age=True), Told(birth_year=1990, country="FR"), Told(may_consent=True)])
def test_more_than_is_asked_is_refused(told: Told) -> None:
    with pytest.raises(AgeNotAsked):
        must_be_let_in(STORIES, told, TODAY)


def test_an_age_is_asked_for_a_consent_and_not_for_a_no_or_an_objection() -> None:
    must_consent_alone(STORIES, {"train_models": False, "marketing": True, "improve": False}, Told(), TODAY)
    must_consent_alone(STORIES, {"train_models": True}, Told(birth_year=2009), TODAY)

    with pytest.raises(AgeNotTold, match="birth_year"):
        must_consent_alone(STORIES, {"personalise": True}, Told(), TODAY)
    with pytest.raises(ParentNeeded, match="16 years"):
        must_consent_alone(STORIES, {"personalise": True}, Told(birth_year=2012), TODAY)


@pytest.mark.parametrize(("country", "is_alone"), [("FR", True), ("DE", False), (None, False)])
def test_a_country_may_have_an_age_of_its_own(tmp_path: Path, country: str | None, is_alone: bool) -> None:
    policy = with_age(tmp_path, "{min: 13, consent: 16, consent_in: {FR: 15}, ask: birth_year}")
    told = Told(birth_year=2010, country=country)

    if is_alone:
        must_consent_alone(policy, {"train_models": True}, told, TODAY)
    else:
        with pytest.raises(ParentNeeded):
            must_consent_alone(policy, {"train_models": True}, told, TODAY)


def test_a_policy_of_one_age_asks_once(tmp_path: Path) -> None:
    policy = with_age(tmp_path, "{min: 16, consent: 16, ask: birth_year}")

    must_consent_alone(policy, {"train_models": True}, Told(), TODAY)


def test_without_a_lower_limit_nothing_is_asked(tmp_path: Path) -> None:
    must_be_let_in(with_age(tmp_path, "{min: 0}"), Told(), TODAY)
