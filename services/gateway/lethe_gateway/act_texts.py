"""An act of destruction and the extract of the log that belongs to it, as a sheet of plain text. Pure.

In the order in which Roskomnadzor's order No. 179 of 28 October 2022 names them. What a program
cannot know, who answers for it and signs, and where processors reside, is left to be filled in.
"""

from collections.abc import Iterable

from lethe_common.rpc.acts import Act, ActCategory, ActContent
from lethe_gateway.words import Words

_BLANK = "____________________"


def text_of(act: Act, name: str, words: Words) -> str:
    """The sheet in one language; dates in UTC."""
    content = act.content
    common = {
        "name": name,
        "system": _system(content),
        "categories": _listed(_label(one, words) for one in content.categories),
        "ground": words(f"register.act.ground.{act.ground}"),
        "date": act.destroyed_at.strftime("%Y-%m-%d %H:%M UTC"),
    }
    lines = [
        words("act.title", act_id=act.act_id),
        words("act.order"),
        "",
        words("act.operator", name=content.operator, address=content.address or _BLANK),
        words("act.processors", processors=_processors(content, words)),
        words("act.person", **common),
        words("act.destroyed_by", build=content.build),
        words("act.responsible", blank=_BLANK),
        words("act.categories", **common),
        words("act.system", **common),
        words("act.media", stores=_listed(dict.fromkeys(one.store for one in content.stores))),
        words("act.way"),
        words("act.ground", **common),
        words("act.date", **common),
        "",
        words("act.extract"),
        *(words(f"act.{key}", **common) for key in ("person", "categories", "system", "ground", "date")),
        *(words("act.line", **one.model_dump()) for one in content.stores),
        words("act.certificate", certificate_id=content.certificate_id),
    ]
    if content.clock == "virtual":
        lines.append(words("act.virtual"))
    return "\n".join(lines) + "\n"


def _system(content: ActContent) -> str:
    return f"{content.profile}, {content.service_url}" if content.service_url else content.profile


def _processors(content: ActContent, words: Words) -> str:
    if not content.processors:
        return words("act.processors.none")
    return _listed(
        words("act.processor", name=one.name, country=one.country, blank=_BLANK) for one in content.processors
    )


def _label(one: ActCategory, words: Words) -> str:
    label = one.ru if words.language == "ru" else one.en
    return label or one.ru or one.en or one.category


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(parts)
