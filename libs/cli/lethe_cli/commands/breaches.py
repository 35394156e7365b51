"""`lethe registers breaches`: what happened to data, and who has to hear of it by when."""

from typing import Annotated, Any

import typer

from lethe_cli.commands.holds import Operator
from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

breaches = typer.Typer(
    help="Breaches of personal data. The clocks are those of the laws that the policy names; three quarters into each the "
    "log and the history warn. What is written is sealed.",
    no_args_is_help=True,
)
BreachId = Annotated[str, typer.Argument(help="The breach's id (breach_...), from `lethe registers breaches list`.")]
Text = Annotated[str, typer.Option("--text", prompt="In words", help="Sealed, and read by operators only.")]
Maybe = Annotated[str | None, typer.Option("--text", help="In words; needed where something is still owed.")]
_PATH = "/api/registers/breaches"


@breaches.command("list")
def listing(
    everything: Annotated[bool, typer.Option("--all", help="Those that are closed too.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List breaches, newest first, each with who has to hear of it next."""
    with console(data) as client:
        found = client.get(_PATH, all=str(everything).lower())["breaches"]
    if as_json:
        records(found)
        return
    lines = [
        (one["breach_id"], "open" if one["is_open"] else "closed", day(one["known_at"]), _next(one), *_size(one))
        for one in found
    ]
    table(("breach", "state", "known since", "next", "categories", "people"), lines, "No breach is open.")


@breaches.command("show")
def show(breach_id: BreachId, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show one breach with its clocks and its history."""
    with console(data) as client:
        _tell(client.get(f"{_PATH}/{breach_id}"), as_json=as_json)


@breaches.command("open")
def opened(
    operator: Operator,
    known_at: Annotated[str, typer.Option("--known-at", prompt="Known since", help="Such as 2026-12-01T09:00:00Z.")],
    categories: Annotated[list[str], typer.Option("--category", help="A category of the policy; again for each.")],
    text: Text,
    places: Annotated[list[str] | None, typer.Option("--place", help="A store of these, such as pg:gateway.")] = None,
    people: Annotated[int | None, typer.Option(help="About how many people it touches.")] = None,
    is_high_risk: Annotated[bool, typer.Option("--high-risk", help="They have to be told.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Open a breach with what is known. Its clocks run from when it became known.

    Example: lethe registers breaches open --known-at 2026-12-01T09:00:00Z --category identity.email --text "..."
    """
    body = {
        "operator": operator, "known_at": known_at, "categories": categories, "places": places or [], "people": people,
        "is_high_risk": is_high_risk, "text": text,
    }  # fmt: skip
    with console(data) as client:
        _tell(client.post(_PATH, body), as_json=as_json)


@breaches.command("note")
def note(
    breach_id: BreachId, operator: Operator, text: Text, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """Write down what became known since."""
    _do(breach_id, "note", {"operator": operator, "text": text}, data, as_json=as_json)


@breaches.command("notified")
def notified(
    breach_id: BreachId,
    operator: Operator,
    duty: Annotated[str, typer.Option(prompt=True, help="Such as EU.breach.authority; `show` lists them.")],
    reference: Annotated[str, typer.Option(prompt="Where it is found", help="Such as its number at the authority.")],
    at: Annotated[str | None, typer.Option(help="When it was made, if not now.")] = None,
    text: Maybe = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Enter that somebody who has to hear of it was notified."""
    body = {"operator": operator, "duty": duty, "reference": reference, "at": at, "text": text}
    _do(breach_id, "notified", body, data, as_json=as_json)


@breaches.command("tell")
def tell(
    breach_id: BreachId,
    operator: Operator,
    text: Annotated[str, typer.Option("--text", prompt="What they are told", help="In their own language.")],
    accounts: Annotated[list[str] | None, typer.Option("--account", help="acct_...; again for each.")] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="Every account that has an address.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Write to those whom it touches, by a mail that cannot be declined. How many were reached enters the history."""
    if everybody == bool(accounts):
        raise typer.BadParameter("Name accounts with --account, or say --everybody.")
    body = {"operator": operator, "text": text, "accounts": "everybody" if everybody else accounts}
    with console(data) as client:
        made = client.post(f"{_PATH}/{breach_id}/tell", body)
    if as_json:
        records([made])
    else:
        OUT.print("The mails are being written; the history says how many people they reach.")


@breaches.command("close")
def close(
    breach_id: BreachId, operator: Operator, text: Maybe = None, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """Close a breach. Where somebody should still hear of it, say with --text why they need not."""
    _do(breach_id, "close", {"operator": operator, "text": text}, data, as_json=as_json)


def _do(breach_id: str, action: str, body: dict[str, Any], data: Any, *, as_json: bool) -> None:
    given = {name: value for name, value in body.items() if value is not None}
    with console(data) as client:
        _tell(client.post(f"{_PATH}/{breach_id}/{action}", given), as_json=as_json)


def _tell(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        records([one])
        return
    state = "open" if one["is_open"] else "closed"
    OUT.print(f"{one['breach_id']}  {state}  known since {day(one['known_at'])}", markup=False)
    for duty in one["duties"]:
        OUT.print(f"  {duty['duty']}: {_clock(duty)}. {duty['says']} ({duty['source']})", markup=False)
    for step in one["steps"]:
        facts = [str(fact) for fact in (step["duty"], step["reference"], step["count"]) if fact is not None]
        OUT.print(f"  {day(step['at'])}  {' '.join([step['step'], *facts])}  {step['operator']}", markup=False)
        if step["text"]:
            OUT.print(f"    {step['text']}", markup=False)


def _clock(duty: dict[str, Any]) -> str:
    if duty["done_at"]:
        return f"done {day(duty['done_at'])}"
    late = "OVERDUE since" if duty["is_overdue"] else "soon, by" if duty["is_due_soon"] else "by"
    return f"{late} {day(duty['due_at'])}"


def _next(one: dict[str, Any]) -> str:
    owed = [duty for duty in one["duties"] if not duty["done_at"]]
    return f"{owed[0]['duty']} {_clock(owed[0])}" if owed and one["is_open"] else "-"


def _size(one: dict[str, Any]) -> tuple[str, object]:
    return ", ".join(one["categories"]), "-" if one["people"] is None else one["people"]
