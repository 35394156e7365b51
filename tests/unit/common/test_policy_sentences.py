import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lethe_common.policy import load_policy
from lethe_common.policy.errors import UnknownReference
from lethe_common.policy.languages import Language
from lethe_common.policy.references import Reference, pieces, references_in, value_at
from lethe_common.policy.sentences import sentence, sentences, sentences_saying, values_in
from lethe_common.policy.wording import Wording
from lethe_common.policy.words import plural_form, words_in
from tests.unit.common.policy_files import NAMES, shipped_policy, written

EN, RU = Wording("en", "en"), Wording("ru", "ru")


@pytest.mark.parametrize(
    ("written_as", "english", "russian", "genitive"),
    [
        ("P1D", "1 day", "1 день", "1 дня"),
        ("P2D", "2 days", "2 дня", "2 дней"),
        ("P5D", "5 days", "5 дней", "5 дней"),
        ("P21D", "21 days", "21 день", "21 дня"),
        ("P111D", "111 days", "111 дней", "111 дней"),
        ("P1W", "1 week", "1 неделю", "1 недели"),
        ("P7Y", "7 years", "7 лет", "7 лет"),
        ("P3Y", "3 years", "3 года", "3 лет"),
        ("PT1H", "1 hour", "1 час", "1 часа"),
        ("P1DT12H", "1 day 12 hours", "1 день 12 часов", "1 дня 12 часов"),
        ("3bd", "3 working days", "3 рабочих дня", "3 рабочих дней"),
        ("1bd", "1 working day", "1 рабочий день", "1 рабочего дня"),
        ("at_once", "at once", "сразу", "сразу"),
    ],
)  # fmt: skip
def test_a_period_reads_as_people_say_it(written_as: str, english: str, russian: str, genitive: str) -> None:
    assert (EN.of(written_as), RU.of(written_as)) == (english, russian)
    assert RU.of(written_as, is_genitive=True) == genitive


@given(st.integers(0, 10_000))
def test_a_russian_plural_depends_on_the_last_two_digits_alone(number: int) -> None:
    assert plural_form("ru", number) == plural_form("ru", number % 100)
    assert plural_form("en", number) == ("one" if number == 1 else "other")


@pytest.mark.parametrize(
    ("value", "english"),
    [
        ("2026-11-01", "1 November 2026"),
        ("2026-11-01T00:00:00Z", "1 November 2026"),
        ("2026-11-01T07:30:00Z", "1 November 2026, 07:30 UTC"),
        (["a", "b", "c"], "a, b and c"),
        (["a"], "a"),
        ([{"id": "x", "name": "X Ltd"}, {"id": "y", "name": "Y Ltd"}], "X Ltd and Y Ltd"),
        ({"free": "P7D", "pro": "P90D"}, "free: 7 days and pro: 90 days"),
        ({"en": "the text", "ru": "текст"}, "the text"),
        (True, "yes"),
        (20, "20"),
    ],
)  # fmt: skip
def test_a_value_reads_as_people_say_it(value: object, english: str) -> None:
    assert EN.of(value) == english


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_what_is_not_there_is_never_told(value: object) -> None:
    with pytest.raises(UnknownReference):
        EN.of(value)


def test_a_text_falls_apart_into_words_and_references() -> None:
    assert pieces("kept {data.output.video.keep.at_most:gen}.") == (
        "kept ", Reference("data.output.video.keep.at_most", is_genitive=True), ".",
    )  # fmt: skip
    assert references_in("no reference") == ()


def test_a_path_finds_keys_with_dots_and_entries_by_their_names() -> None:
    values = {"data": {"a.b": {"c": 1}, "a": {"b": 2}}, "recipients": [{"id": "x", "name": "X"}]}

    assert value_at(values, "data.a.b.c") == 1
    assert value_at(values, "data.a.b") == {"c": 1}
    assert value_at(values, "recipients.x.name") == "X"
    for nowhere in ("recipients.z", "data.a.", ".data", ""):
        with pytest.raises(UnknownReference, match=re.escape(f"nothing at {nowhere}.")):
            value_at(values, nowhere)


@pytest.mark.parametrize("name", NAMES)
def test_every_sentence_of_a_profile_can_be_told_in_its_languages(name: str) -> None:
    policy = shipped_policy(name)

    for language in policy.languages:
        told = sentences(policy, language)
        assert [one.clause for one in told] == list(policy.clauses)
        assert not [one.text for one in told if "{" in one.text or one.language != language]


def test_a_language_that_a_clause_lacks_is_replaced_by_the_policys_first() -> None:
    policy = shipped_policy("soframe")

    told = sentence(policy, policy.clauses["soframe-19"], "ru")
    assert (told.language, told.text) == (
        "en", "It is deleted no later than 1 hour after processing, whether that succeeded or not.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "On the free plan a video is kept for 8 days, counted from its completion."),
        ("ru", "На бесплатном тарифе видео хранится 8 дней с момента готовности."),
    ],
)
def test_eight_days_instead_of_seven_change_both_pages_and_nothing_else_needs_touching(
    tmp_path: Path, language: Language, said: str
) -> None:
    written(tmp_path, ("free: P7D", "free: P8D"))
    old, new = shipped_policy("aisora2"), load_policy(tmp_path)

    changed = [
        after
        for before, after in zip(sentences(old, language), sentences(new, language), strict=True)
        if before != after
    ]
    assert [(one.clause, one.text) for one in changed] == [("aisora2-42", said)]
    assert changed == sentences_saying(new, "data.output.video.keep.exactly.free", language)


def test_the_references_say_which_sentences_hang_on_a_value() -> None:
    policy = shipped_policy("aisora2")

    assert [one.clause for one in sentences_saying(policy, "backups.keep", "en")] == ["aisora2-87"]
    assert {one.clause for one in sentences_saying(policy, "data.output.video.keep", "en")} == {
        f"aisora2-{number}" for number in (42, 43, 44, 45)
    }
    assert values_in(policy, policy.clauses["aisora2-82"], "ru") == {"rights.enquiry": "3 рабочих дней"}


def test_both_languages_have_the_same_words() -> None:
    english, russian = words_in("en"), words_in("ru")

    assert [key for key in english if key not in russian] == []
    assert [key for key in russian if key not in english and not key.endswith(".gen")] == []
