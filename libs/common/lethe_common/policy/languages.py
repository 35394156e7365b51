"""The languages of a policy's texts."""

from typing import Annotated, Literal, get_args

from pydantic import Field

Language = Literal["en", "ru"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
"""Those whose plural forms and page words come along."""

Text = dict[Language, Annotated[str, Field(min_length=1)]]
"""The same sentence in each language of the policy."""


def in_language(text: Text, language: Language, default: Language) -> tuple[str, Language]:
    """The text in a language, else in the policy's default one, and which of them it is."""
    chosen = language if language in text else default
    return text[chosen], chosen
