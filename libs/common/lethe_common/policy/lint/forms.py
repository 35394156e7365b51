"""Which ways of saying how long something is kept are kept by what ends it."""

from collections.abc import Iterator

from lethe_common.policy.lint.examined import Examined, Finding
from lethe_common.policy.rules import ITEM, PARTS, Keep

_FORMS = ("exactly", "at_most", "at_least")
_RECORD = ("at_least", "at_most")
_GENERATION = ("exactly", "at_most")
_OTHER = ("at_most",)

_CARRIED_OUT = {
    **dict.fromkeys((ITEM, *PARTS), _GENERATION),
    **dict.fromkeys(
        (
            "ledger.transfer", "consent.record", "erasure.record", "hold.record", "register.record", "disclosure.record",
            "destruction.act",
        ),
        _RECORD,
    ),
}  # fmt: skip
"""By category. Only what is generated has a period by plan; a minimum is also the end of what is a record, and of nothing else."""


def forms(examined: Examined) -> Iterator[Finding]:
    """unkept-form: a promise of a kind that nothing here keeps, so that it would go too early or never."""
    for category, rule in examined.content.data.items():
        carried_out = _CARRIED_OUT.get(category, _OTHER)
        for form in _FORMS:
            if getattr(rule.keep, form) is None or form in carried_out or _is_kept_anyway(rule.keep, form, carried_out):
                continue
            place = f"data.{category}.keep.{form}"
            yield examined.finding(
                "unkept-form", place,
                f"{category} is promised {form}, which nothing here keeps: what ends it goes by {' or '.join(carried_out)}.",
                f"Write {' or '.join(carried_out)} instead of {form}.",
                at=("data", category, "keep"), clauses=examined.clauses_about(place),
            )  # fmt: skip


def _is_kept_anyway(keep: Keep, form: str, carried_out: tuple[str, ...]) -> bool:
    """A minimum beside an exact period, which is never shorter, is kept with it."""
    return form == "at_least" and keep.exactly is not None and "exactly" in carried_out


RULES = (forms,)
