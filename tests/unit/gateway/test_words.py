import json
import re
import string
from pathlib import Path

import pytest

import lethe_gateway
from lethe_common.policy.languages import LANGUAGES, Language
from lethe_common.policy.words import Entry, plural_form
from lethe_gateway.words import Words, choose, load_words

ROOM = Path(lethe_gateway.__file__).parent
FORMS = {"en": {"one", "other"}, "ru": {"one", "few", "many", "other"}}
BUILT_KEYS = re.compile(
    r"""(?:state|run|error|source|language|preset|problem|hold|late|orphan|refused|mail|request|register|act)\.|export\.readme"""
)


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def texts_of(entry: Entry) -> list[str]:
    return list(entry.values()) if isinstance(entry, dict) else [entry]


def asked_keys() -> set[str]:
    files = [*(ROOM / "templates").glob("*.html"), *(ROOM / "static").glob("*.js")]
    asked = re.compile(r"""\b(?:t|say|button)\(\s*"([a-z_.]+)"|\? "([a-z_]+\.[a-z_.]+)" : "([a-z_]+\.[a-z_.]+)\"""")
    return {key for file in files for found in asked.findall(file.read_text("utf-8")) for key in found if key}


def test_every_language_has_the_same_keys() -> None:
    words = load_words()

    assert all(words[tag].entries.keys() == words["en"].entries.keys() for tag in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plural_has_all_forms_of_its_language(language: Language) -> None:
    plurals = {key: entry for key, entry in load_words()[language].entries.items() if isinstance(entry, dict)}

    assert {key for key, entry in plurals.items() if entry.keys() != FORMS[language]} == set()
    assert plurals.keys() == {key for key, entry in load_words()["en"].entries.items() if isinstance(entry, dict)}


def test_every_language_fills_in_the_same_values() -> None:
    words = load_words()

    for key, entry in words["en"].entries.items():
        expected = set().union(*map(names_in, texts_of(entry)))
        for tag in LANGUAGES:
            for text in texts_of(words[tag].entries[key]):
                assert text.strip(), key
                assert names_in(text) <= expected, (tag, key)
                assert names_in(text) - {"n"} == expected - {"n"}, (tag, key)


def test_every_word_a_page_asks_for_is_there() -> None:
    missing = {key for key in asked_keys() if key not in load_words()["en"].entries and not key.endswith(".")}

    assert missing == set()


def test_no_word_is_there_in_vain() -> None:
    built = {key for key in load_words()["en"].entries if BUILT_KEYS.match(key)}

    assert load_words()["en"].entries.keys() - asked_keys() - built == set()


@pytest.mark.parametrize(
    ("number", "form"),
    [
        (0, "many"),
        (1, "one"),
        (2, "few"),
        (5, "many"),
        (11, "many"),
        (12, "many"),
        (21, "one"),
        (24, "few"),
        (111, "many"),
        (600, "many"),
    ],
)
def test_russian_numbers_take_their_forms(number: int, form: str) -> None:
    assert plural_form("ru", number) == form


def test_a_plural_is_chosen_by_its_number() -> None:
    words = load_words()

    assert words["en"]("js.days", n=1) == "1 day"
    assert [words["ru"]("js.days", n=n) for n in (1, 3, 7)] == ["1 день", "3 дня", "7 дней"]


def test_a_missing_word_or_value_is_an_error_and_no_hole_in_a_page() -> None:
    words = Words("en", {"greeting": "Hello {name}"})

    with pytest.raises(KeyError):
        words("farewell")
    with pytest.raises(KeyError):
        words("greeting")


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "language"),
    [
        (None, None, None, "en"),
        (None, None, "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        (None, None, "en;q=0.3, ru;q=0.7", "ru"),
        (None, None, "fr-FR, de;q=0.5", "en"),
        (None, None, "fr, ru;q=0.1", "ru"),
        (None, None, "ru;q=0, en;q=0", "en"),
        (None, None, "ru;q=nonsense,,;;", "en"),
        (None, "ru", "en", "ru"),
        ("en", "ru", "ru", "en"),
        ("xx", "../../etc", "ru", "ru"),
        (None, None, "ru" * 5000, "en"),
    ],
)
def test_the_language_is_asked_for_remembered_or_accepted(
    asked: str | None, remembered: str | None, accepted: str | None, language: Language
) -> None:
    assert choose(asked, remembered, accepted) == language


def test_the_files_are_plain_json_without_double_keys() -> None:
    for tag in LANGUAGES:
        pairs = json.loads((ROOM / "locales" / f"{tag}.json").read_text("utf-8"), object_pairs_hook=lambda found: found)
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys))
