"""`lethe policy simulate`: what would be deleted if a version took effect, from what the running suite keeps."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lethe_cli.commands.policy import Place, files_at, refusals
from lethe_cli.errors import PolicyRefused
from lethe_cli.printing import ERR, OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

if TYPE_CHECKING:
    from lethe_common.policy import Policy

_PATIENCE_SECONDS = 250.0
_MOVES = ("earlier", "later", "gained", "lost", "same")
_AHEAD = (("at_once", "at once"), ("day", "in 1 day"), ("week", "in 7 days"), ("month", "in 30 days"))


def register(app: typer.Typer) -> None:
    """Add the command to the group `policy`."""
    app.command("simulate")(simulate)


def simulate(file: Place, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Count what would be deleted if a version took effect, from what the running suite keeps now. Changes nothing.

    FILE is the coming version, with a higher `version` and a later `effective` than the one in force; of a folder the
    newest. It is linted first (findings go to standard error), then every open deadline is computed by it as it will
    be at its instant, with `on_policy_change`, plans held and legal holds as they are now:

    - `passed` is due before that instant, with or without the version.
    - `earlier`, `later`, `same`: how the deadlines of all others move. `gained`: a date where none was; `lost`: none any more.
    - `at once` to `in 30 days`: what is due by then under the version, counted from its instant, each with the one before;
      in brackets without the version.
    - What a legal hold keeps stands in rows of its own: it stays as long as it is held.

    Counted is what has a deadline of its own, so videos with all that belongs to them. Tables that are dropped by the day
    follow a new version by themselves.

    Example: `lethe policy simulate policy-2.yaml` · `lethe policy simulate policy-2.yaml --json`
    """
    from lethe_common.clock import wall

    newest, policy = _newest(file)
    _lint(newest, wall().date())
    with console(data) as client:
        answer = client.send(
            "POST", "/api/policy/simulate", json={"policy": newest.read_text("utf-8")}, timeout=_PATIENCE_SECONDS
        )
    if as_json:
        records([answer])
        return
    _show(answer, policy)


def _newest(place: Path) -> "tuple[Path, Policy]":
    from lethe_common.policy.policy import load_version

    with refusals():
        read = [(file, load_version(file)) for file in files_at(place)]
    return max(read, key=lambda one: one[1].effective_at)


def _lint(file: Path, on: date) -> None:
    from lethe_common.policy.lint import lint_file

    with refusals():
        found = lint_file(file, on)
    for one in found:
        ERR.print(f"{file.name}:{one.line}: {one.rule}: {one.sentence}", markup=False)


def _show(answer: dict[str, Any], policy: "Policy") -> None:
    if answer["policy_hash"] != policy.hash:
        raise PolicyRefused("The file changed while it was simulated. Simulate it again.")
    OUT.print(
        f"Version {answer['version']} of {answer['profile']} instead of {answer['governing_version']}, "
        f"taking effect {day(answer['takes_effect_at'])}; counted {day(answer['now'])}. Nothing was changed.",
        markup=False,
    )
    headings = ("category", "plan", "kept", "passed", *_MOVES, *(heading for _, heading in _AHEAD), "oldest", "newest")
    table(headings, (_line(count) for count in answer["counts"]), "Nothing has a deadline here.")
    _show_sums(answer["counts"])


def _line(count: dict[str, Any]) -> list[object]:
    category = f"{count['category']} (held by law)" if count["is_held"] else count["category"]
    ahead = (f"{count['simulated'][name]} ({count['as_is'][name]})" for name, _ in _AHEAD)
    return [
        category, count["plan"] or "-", count["open"], count["passed"], *(count[name] for name in _MOVES), *ahead,
        day(count["oldest_at"]), day(count["newest_at"]),
    ]  # fmt: skip


def _show_sums(counts: Iterable[dict[str, Any]]) -> None:
    free = [count for count in counts if not count["is_held"]]
    moved = [(name, sum(count[name] for count in free)) for name in ("earlier", "later", "gained", "lost")]
    told = ", ".join(f"{number} {name}" for name, number in moved if number) or "nothing moves"
    at_once = sum(count["simulated"]["at_once"] for count in free)
    OUT.print(f"Of what no hold keeps: {at_once} deleted at once; {told}.")
    choices = sorted({f"{count['category']}: on_policy_change {count['on_policy_change']}" for count in counts})
    if choices:
        OUT.print("; ".join(choices), markup=False)
    if stuck := sum(count["kept"] for count in counts):
        OUT.print(f"{stuck} cannot be computed by it, their category being no more: they stay as they are.")
