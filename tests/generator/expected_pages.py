"""What stands on the published pages, by the references in the clauses and by what each column is for.

Not the words: for each sentence and each cell the raw values it tells. An output has to
change when those do, and must not change when they don't.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.generator.reading import Document, Told, moment, references

Key = tuple[str, ...]
PARTS_OF = {
    "policy": None,
    "cookies": ("cookies",),
    "notice": ("rights", "transfers"),
    "processors": ("share", "transfers"),
    "record": (),
}
"""The pages, and the parts of the clauses on each; None: all of them."""
TABLES_OF = {
    "policy": (),
    "cookies": ("all",),
    "notice": ("controller", "purposes", "recipients", "periods", "rights"),
    "processors": ("recipients",),
    "record": ("controller", "processing"),
}
_CONTROLLER = ("name", "address", "country", "contact", "registry", "representative", "dpo", "authority")
_RIGHTS = ("access", "portability", "correct", "erase", "restrict", "withdraw", "object", "enquiry", "child")
Cells = tuple[str, Mapping[str, Told]]
"""A row's place in the file, and what each of its columns tells."""


def pages(document: Document) -> dict[Key, Told]:
    """Everything on every page in every language of the policy."""
    return {
        (language, page, *rest): told
        for language in document.languages
        for page in PARTS_OF
        for rest, told in _page(document, page, language)
    }


def record(document: Document) -> dict[Key, Told]:
    """The record of processing as a spreadsheet: the page's rows."""
    return {
        (language, "csv", *rest): told
        for language in document.languages
        for rest, told in _table(document, "processing", language)
    }


def rows(document: Document, table: str, language: str) -> dict[str, Cells]:
    """The rows of a table by what they are about, in their order."""
    return document.once(("rows", table, language), lambda: dict(_ROWS[table](document, language)))


def _page(document: Document, page: str, language: str) -> Iterator[tuple[Key, Told]]:
    tree = document.tree
    yield ("service",), tree["service_url"]
    yield ("version",), (tree["version"], moment(tree["effective"]))
    yield ("languages",), tuple(document.languages)
    parts = PARTS_OF[page]
    for clause in document.clauses:
        part = clause.get("part", "intro")
        if parts is None or part in parts:
            yield (f"part-{part}", clause["id"]), _sentence(document, clause, language)
    for table in TABLES_OF[page]:
        yield from _table(document, table, language)


def _sentence(document: Document, clause: Mapping[str, Any], language: str) -> Told:
    texts = clause["text"]
    told_in = language if language in texts else document.languages[0]
    text = texts[told_in]
    return told_in, text, tuple(document.told(place, told_in) for place in references(text))


def _table(document: Document, table: str, language: str) -> Iterator[tuple[Key, Told]]:
    for name, (place, cells) in rows(document, table, language).items():
        yield (f"table-{table}", name, "clauses"), document.claims.behind(place)
        for column, told in cells.items():
            yield (f"table-{table}", name, column), told


def _controller(document: Document, _language: str) -> Iterator[tuple[str, Cells]]:
    for name in _CONTROLLER:
        if document.tree["controller"].get(name):
            yield name, (f"controller.{name}", {"what": name, "value": document.tree["controller"][name]})


def _purposes(document: Document, language: str) -> Iterator[tuple[str, Cells]]:
    for category, rule in document.data.items():
        for at, use in enumerate(rule["uses"]):
            told = {
                "data": document.label(category, language),
                "purpose": document.purpose(use["purpose"], language),
                "ground": _once(use.get("basis", {}).items()),
            }
            yield f"{category}/{at}", (f"data.{category}.uses", told)


def _recipients(document: Document, language: str) -> Iterator[tuple[str, Cells]]:
    for one in document.recipients:
        told = {
            "name": one["name"], "role": one.get("role"), "country": one["country"],
            "purposes": tuple(document.purpose(purpose, language) for purpose in one["purposes"]),
            "data": tuple(document.label(category, language) for category in one.get("data", ())),
            "fields": tuple(one.get("fields", ())), "transfer": one.get("transfer"),
            "contract": one.get("contract_expires"), "deletion": one.get("deletion"), "retention": one.get("retention"),
            "trains": one.get("trains"), "policy": one.get("policy_url"),
        }  # fmt: skip
        yield one["id"], (f"recipients.{one['id']}", told)


def _periods(document: Document, language: str) -> Iterator[tuple[str, Cells]]:
    for category in document.data:
        told = {"data": document.label(category, language), "period": _kept(document, category, language)}
        yield category, (f"data.{category}.keep", told)
        lead = document.data[category].get("notice")
        if lead:
            yield f"{category}/notice", (f"data.{category}.notice", {"data": told["data"], "period": lead})


def _rights(document: Document, _language: str) -> Iterator[tuple[str, Cells]]:
    for name in _RIGHTS:
        if document.tree["rights"].get(name) is not None:
            yield name, (f"rights.{name}", {"right": name, "answer": document.tree["rights"][name]})


def _cookies(document: Document, language: str) -> Iterator[tuple[str, Cells]]:
    for one in document.tree.get("cookies", []):
        texts = one.get("text")
        told = {
            "name": one["name"],
            "use": document.text(texts, language) if texts else document.purpose(one["purpose"], language),
            "essential": one.get("essential"), "lasts": one.get("lasts"), "kind": one.get("kind"),
        }  # fmt: skip
        yield one["name"], (f"cookies.{one['name']}", told)


def _processing(document: Document, language: str) -> Iterator[tuple[str, Cells]]:
    for category, rule in document.data.items():
        receiving = [one for one in document.recipients if category in one.get("data", ())]
        told = {
            "data": document.label(category, language), "term": rule["dpv"], "people": "users",
            "origin": _once(rule.get("origin", ())),
            "purposes": _once(document.purpose(use["purpose"], language) for use in rule["uses"]),
            "grounds": _once(ground for use in rule["uses"] for ground in use.get("basis", {}).items()),
            "recipients": _once(one["name"] for one in receiving),
            "transfer": _once((one["country"], one["transfer"]) for one in receiving if one.get("transfer")),
            "period": _kept(document, category, language), "stores": _once(rule.get("stores", ())),
            "security": rule.get("protect"),
        }  # fmt: skip
        yield category, (f"data.{category}", told)


def _kept(document: Document, category: str, language: str) -> Told:
    """How long: a companion is told by the label of what it goes with; a period with the event it counts from."""
    keep = document.data[category]["keep"]
    if keep.get("with"):
        return document.label(keep["with"], language)
    event = keep.get("until") or keep.get("from", "created")
    plans = keep.get("exactly") or {}
    # A single period counts for everybody, so the plan's name says nothing.
    exactly = tuple(plans.items()) if len(plans) > 1 else tuple(plans.values())
    reason = document.text(keep["reason"], language) if keep.get("reason") else None
    return event, exactly, keep.get("at_most"), keep.get("at_least"), keep.get("inactive"), reason


def _once(parts: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(parts))


_ROWS = {
    "controller": _controller, "purposes": _purposes, "recipients": _recipients, "periods": _periods, "rights": _rights,
    "all": _cookies, "processing": _processing,
}  # fmt: skip
