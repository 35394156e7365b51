"""What a file says of itself has to be there: purposes, categories, recipients, references.

The schema sees one section at a time; these are the threads between sections.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache

from lethe_common.policy.claims import Claims
from lethe_common.policy.document import PolicyFile
from lethe_common.policy.errors import UnknownReference
from lethe_common.policy.laws import exclusions
from lethe_common.policy.references import references_in, value_at, values_of
from lethe_common.policy.source import Place

Fault = tuple[Place, str]


def faults(content: PolicyFile) -> list[Fault]:
    """Every loose thread, as its place and a sentence that says what to write instead."""
    return [
        *_companions(content),
        *_purposes(content),
        *_conditions(content),
        *_parties(content),
        *_clauses(content),
        *_unspoken(content),
        *_for_drafts_only(content),
        *_excluded(content),
    ]


def _companions(content: PolicyFile) -> Iterator[Fault]:
    for category, rule in content.data.items():
        companion = rule.keep.with_category
        place: Place = ("data", category, "keep", "with")
        if companion is None:
            continue
        if companion not in content.data:
            yield place, f"data.{category} is kept with a category that has no rule; {_known(content.data)}"
        elif content.data[companion].keep.with_category is not None:
            yield place, f"data.{category} is kept with a category that has no period of its own"


def _purposes(content: PolicyFile) -> Iterator[Fault]:
    named: list[tuple[Place, str]] = [
        *((("data", category, "uses", at, "purpose"), use.purpose)
          for category, rule in content.data.items() for at, use in enumerate(rule.uses)),
        *((("recipients", at, "purposes"), purpose)
          for at, recipient in enumerate(content.recipients) for purpose in recipient.purposes),
        *((("mail", name, "purpose"), mail.purpose) for name, mail in content.mail.items()),
        *((("permissions", at, "purpose"), one.purpose) for at, one in enumerate(content.permissions)),
        *((("cookies", at, "purpose"), one.purpose) for at, one in enumerate(content.cookies)),
    ]  # fmt: skip
    for place, purpose in named:
        if purpose not in content.purposes:
            yield place, f"no purpose {purpose} is declared under purposes; {_known(content.purposes)}"


def _conditions(content: PolicyFile) -> Iterator[Fault]:
    for name, purpose in content.purposes.items():
        if purpose.condition and (purpose.default, purpose.ask) != ("opt_in", "sign_up"):
            yield ("purposes", name, "condition"), f"{name} can be a condition only with default: opt_in, ask: sign_up"


def _parties(content: PolicyFile) -> Iterator[Fault]:
    ids = [recipient.id for recipient in content.recipients]
    yield from (
        (("recipients", ids.index(twice)), f"recipient {twice} is there twice")
        for twice, n in Counter(ids).items()
        if n > 1
    )
    for at, recipient in enumerate(content.recipients):
        for category in recipient.data:
            if category not in content.data:
                yield (
                    ("recipients", at, "data"),
                    f"no category {category} is declared under data; {_known(content.data)}",
                )
    if content.analytics is not None and content.analytics.recipient not in ids:
        yield ("analytics", "recipient"), f"no recipient {content.analytics.recipient} is declared; {_known(ids)}"


def _unspoken(content: PolicyFile) -> Iterator[Fault]:
    """What the published pages list, and no clause stands behind: such a page is not served."""
    claims = Claims(content.clauses)
    listed: list[tuple[Place, str]] = [
        (("controller",), "controller"),
        (("rights",), "rights"),
        *((("data", category), f"data.{category}") for category in content.data),
        *((("recipients", at), f"recipients.{one.id}") for at, one in enumerate(content.recipients)),
        *((("cookies", at), f"cookies.{one.name}") for at, one in enumerate(content.cookies)),
    ]
    for place, path in listed:
        if not claims.nearest(path):
            yield (
                place,
                f"the pages list {path}, and no clause speaks of it: refer to it in a clause's text, or in its about",
            )


def _clauses(content: PolicyFile) -> Iterator[Fault]:
    values, seen = values_of(content), set[str]()
    has = cache(lambda path: _is_there(values, path))
    for at, clause in enumerate(content.clauses):
        place: Place = ("clauses", at)
        if clause.id in seen:
            yield (*place, "id"), f"clause {clause.id} is there twice"
        seen.add(clause.id)
        if clause.text and content.languages[0] not in clause.text:
            yield (
                (*place, "text"),
                f"clause {clause.id} has no text in {content.languages[0]}, the policy's first language",
            )
        for language, text in clause.text.items():
            paths = [reference.path for reference in references_in(text)]
            yield from _unknown(has, (*place, "text", language), clause.id, paths)
        yield from _unknown(has, (*place, "about"), clause.id, clause.about)


def _is_there(values: Mapping[str, object], path: str) -> bool:
    try:
        value_at(values, path)
    except UnknownReference:
        return False
    return True


def _unknown(has: Callable[[str], bool], place: Place, clause: str, paths: Iterable[str]) -> Iterator[Fault]:
    for path in paths:
        if not has(path):
            yield place, f"clause {clause} refers to {path}, which is not in the file; name a key from the top"


def _for_drafts_only(content: PolicyFile) -> Iterator[Fault]:
    for name, value in (
        ("terms", content.acceptance.terms),
        ("changes", content.acceptance.changes),
        ("consent", content.acceptance.consent),
    ):
        if value == "by_use":
            yield ("acceptance", name), "use is no agreement; write recorded, notice or separate"
    if content.keep_otherwise is not None:
        yield ("keep_otherwise",), "'as needed' is no period; give each category one under data"


def _excluded(content: PolicyFile) -> Iterator[Fault]:
    for one, other, why in exclusions(content.jurisdictions):
        if one < other:
            yield ("jurisdictions",), f"{one} and {other} exclude one another: {why}; name one of them"


def _known(names: Iterable[str]) -> str:
    return f"there are: {', '.join(sorted(names)) or 'none'}"
