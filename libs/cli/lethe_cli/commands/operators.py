"""What operators ask from the command line: parked messages, the ledger, statistics."""

from typing import Annotated

import typer

from lethe_cli.errors import CommandError
from lethe_cli.printing import ERR, OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

parked = typer.Typer(help="Messages that could not be handled: see them, replay them.", no_args_is_help=True)
ledger = typer.Typer(help="The books.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the groups."""
    app.add_typer(parked, name="parked")
    app.add_typer(ledger, name="ledger")
    app.command("statistics")(statistics)


def statistics(
    spans: Annotated[int, typer.Option(min=1, max=120, help="How many of the last spans.")] = 12,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show how many videos were made, by model and size: of groups that tell of nobody, as the policy bounds them."""
    with console(data) as client:
        known = client.get("/api/statistics", spans=spans)["spans"]
    if as_json:
        records(known)
        return
    lines = [
        (
            day(span["began_at"]),
            day(span["ended_at"]),
            group["model"],
            f"{group['width_px']}x{group['height_px']}",
            group["videos"],
        )
        for span in known
        for group in span["groups"]
    ]
    empty = "There are none: the policy has no `aggregates`, no span is over yet, or every group was too small."
    table(("from", "until", "model", "size", "videos (rounded)"), lines, empty)


@parked.command("list")
def listing(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List parked messages of all services, newest first."""
    with console(data) as client:
        answers = client.get("/api/parked")["services"]
    rows = [{"service": answer["service"], **row} for answer in answers for row in answer["parked"]]
    for answer in answers:
        if not answer["is_answering"]:
            ERR.print(f"{answer['service']} does not answer; what it parked is not in this list.")
    if as_json:
        records(rows)
        return
    lines = [(row["service"], row["parked_id"], row["subject"], row["error"], day(row["parked_at"])) for row in rows]
    table(("service", "id", "event", "error", "since"), lines, "Nothing is parked.")


@parked.command("replay")
def replay(
    service: Annotated[str, typer.Argument(help="The service that parked it.")],
    parked_id: Annotated[str, typer.Argument(help="The message's id, from `lethe parked list`.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Handle a parked message again. It leaves the list only if that works."""
    with console(data) as client:
        outcome = client.post(f"/api/parked/{service}/{parked_id}/replay")
    if not outcome["handled"]:
        raise CommandError(f"Still parked: {outcome['error']}")
    OUT.print("Handled.")


@ledger.command("verify")
def verify(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Add up all transfers and compare them with every balance, grant and hold."""
    with console(data) as client:
        books = client.post("/api/ledger/verify")
    if as_json:
        records([books])
    else:
        OUT.print(f"{books['transfers']} transfers, {books['accounts']} accounts, {books['open_holds']} open holds")
        OUT.print("The books balance." if books["is_balanced"] else "\n".join(books["differences"]))
    if not books["is_balanced"]:
        raise CommandError("The books do not balance.")
