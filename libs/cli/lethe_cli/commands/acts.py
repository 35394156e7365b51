"""`lethe registers acts`: that somebody's data were destroyed, by name, where the policy names Russian law."""

from pathlib import Path
from typing import Annotated

import typer

from lethe_cli.files import to_be_written
from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console
from lethe_common.policy.languages import Language

acts = typer.Typer(
    help="Acts of destruction, which Russian law wants kept for three years. Each names the person, and each look is recorded.",
    no_args_is_help=True,
)
_PATH = "/api/registers/acts"


@acts.command("list")
def listing(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List acts, newest first, without names."""
    with console(data) as client:
        found = client.get(_PATH)["acts"]
    if as_json:
        records(found)
        return
    lines = [
        (one["act_id"], day(one["destroyed_at"]), one["ground"], one["content"]["certificate_id"]) for one in found
    ]
    table(("act", "destroyed", "ground", "certificate"), lines, "No act is kept.")


@acts.command("show")
def show(
    act_id: Annotated[str, typer.Argument(help="Its id (act_...), from `lethe registers acts list`.")],
    language: Annotated[Language, typer.Option(help="Of the sheet; the law wants it in Russian.")] = "ru",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", callback=to_be_written, help="A file for it, instead of the screen."),
    ] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show one whole, with the extract of the log: to be printed, completed and signed.

    Example: lethe registers acts show act_... -o act.txt
    """
    with console(data) as client:
        one = client.get(f"{_PATH}/{act_id}")
    if as_json:
        records([one])
    elif output is not None:
        output.write_text(one["texts"][language], "utf-8")
        OUT.print(f"Written to {output}.", markup=False)
    else:
        OUT.print(one["texts"][language], markup=False, end="")
