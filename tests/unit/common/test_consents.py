"""What is asked, what an answer means, and for how long it counts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.consents import Choice, Chosen, asked, choice_of, texts_of
from lethe_common.policy import Policy, PolicyError, load_policy
from tests.unit.common.policy_files import NAMES, shipped_policy, written

STORIES = shipped_policy("soragpt")
TRAIN, MARKETING = asked(STORIES, "en")["train_models"], asked(STORIES, "en")["marketing"]


def changed(folder: Path, *replacements: tuple[str, str]) -> Policy:
    """SoraGPT's policy with each text replaced by another one."""
    written(folder, *replacements, profile="soragpt")
    return load_policy(folder)


@pytest.mark.parametrize("name", NAMES)
def test_asked_are_the_purposes_that_people_decide_and_no_others(name: str) -> None:
    policy = shipped_policy(name)
    decided = {purpose for purpose, one in policy.content.purposes.items() if one.default in {"opt_in", "opt_out"}}

    assert asked(policy, policy.languages[0]).keys() == decided


def test_what_is_asked_names_the_data_and_says_it_in_a_language_there_is() -> None:
    about = asked(STORIES, "ru")["train_models"]

    assert (about.language, about.where, about.default) == ("en", "sign_up", "opt_in")
    assert about.text == "improving AI models with what you create"
    assert "prompts" in " ".join(about.data)


@pytest.mark.parametrize(
    ("one", "chosen", "is_allowed", "is_new", "choice"),
    [
        (TRAIN, Chosen(), True, True, Choice.CONSENTED),
        (TRAIN, Chosen(), False, True, Choice.REFUSED),
        (TRAIN, Chosen(), False, False, None),
        (TRAIN, Chosen((f"train_models:{TRAIN.text_hash}",)), True, False, None),
        (TRAIN, Chosen((f"train_models:{'0' * 64}",)), True, False, Choice.CONSENTED),
        (TRAIN, Chosen((f"train_models:{'0' * 64}",)), False, False, Choice.WITHDRAWN),
        (MARKETING, Chosen(), True, True, None),
        (MARKETING, Chosen(), False, True, Choice.OBJECTED),
        (MARKETING, Chosen((), ("marketing",)), False, False, None),
        (MARKETING, Chosen((), ("marketing",)), True, False, Choice.OBJECTION_ENDED),
    ],
)  # fmt: skip
def test_a_yes_and_a_no_mean_what_changes(
    one: object, chosen: Chosen, is_allowed: bool, is_new: bool, choice: Choice | None
) -> None:
    assert choice_of(one, chosen, is_allowed=is_allowed, is_new=is_new) is choice  # type: ignore[arg-type]  # parametrised


@given(st.lists(st.tuples(st.sampled_from([TRAIN, MARKETING]), st.booleans()), max_size=12))
def test_the_last_word_about_each_purpose_counts(said: list[tuple[object, bool]]) -> None:
    chosen, last = Chosen(), {"train_models": False, "marketing": True}
    for one, is_allowed in said:
        choice = choice_of(one, chosen, is_allowed=is_allowed, is_new=True)  # type: ignore[arg-type]  # as above
        if choice is not None:
            chosen = chosen.after(one.purpose, one.text_hash, choice)  # type: ignore[attr-defined]  # as above
        last[one.purpose] = is_allowed  # type: ignore[attr-defined]  # as above

    standing = chosen.standing(texts_of(STORIES))

    assert ("train_models" in standing.consents) is last["train_models"]
    assert ("marketing" in standing.objections) is not last["marketing"]


@pytest.mark.parametrize(
    "replacement",
    [
        ('"improving AI models with what you create"', '"improving AI models with all you do"'),
        ('"reference images"', '"reference images and recordings of your voice"'),
    ],
)
def test_consent_ends_with_the_words_or_the_data_it_was_given_for_and_an_objection_does_not(
    tmp_path: Path, replacement: tuple[str, str]
) -> None:
    chosen = Chosen((f"train_models:{TRAIN.text_hash}",), ("marketing",))

    before = chosen.standing(texts_of(STORIES))
    after = chosen.standing(texts_of(changed(tmp_path, replacement)))

    assert (before.consents, before.objections) == ({"train_models"}, {"marketing"})
    assert (after.consents, after.objections) == (frozenset(), {"marketing"})


def test_a_condition_is_asked_at_sign_up_and_rests_on_consent(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="personalise can be a condition only with default: opt_in, ask: sign_up"):
        changed(tmp_path, ("    ask: first_use\n", "    ask: first_use\n    condition: true\n"))
