"""`lethe registers`: what only the operator knows and the law wants written down."""

from typing import Annotated, Any

import typer

from lethe_cli.commands.acts import acts
from lethe_cli.commands.breaches import breaches
from lethe_cli.commands.disclosures import disclosures
from lethe_cli.commands.holds import Operator
from lethe_cli.printing import OUT, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

registers = typer.Typer(
    help="The registers that the law wants: processors, breaches, disclosures, acts of destruction.",
    no_args_is_help=True,
)
processors = typer.Typer(
    help="Recipients of the policy in force, and the contracts with them. Nothing goes to one whose contract has ended, or "
    "whom the law wants under a contract and nobody entered one.",
    no_args_is_help=True,
)
registers.add_typer(processors, name="processors")
registers.add_typer(breaches, name="breaches")
registers.add_typer(disclosures, name="disclosures")
registers.add_typer(acts, name="acts")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(registers, name="registers")


@processors.command("list")
def listing(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List who receives data, until when the contract stands, and what was entered about it."""
    with console(data) as client:
        found = client.get("/api/registers/processors")["processors"]
    if as_json:
        records(found)
        return
    lines = [(one["recipient_id"], one["role"], _standing(one), one["ends_on"] or "-", *_entered(one)) for one in found]
    table(("recipient", "role", "contract", "until", "found at", "by"), lines, "The policy names no recipient.")


@processors.command("enter")
def enter(
    recipient_id: Annotated[str, typer.Argument(help="The recipient's id, from `lethe registers processors list`.")],
    operator: Operator,
    reference: Annotated[str, typer.Option(prompt="Where the contract is found", help="Such as a file number.")],
    starts_on: Annotated[str, typer.Option("--from", prompt="From", help="Its first day, such as 2026-01-01.")],
    ends_on: Annotated[
        str | None, typer.Option("--until", help="Its last day. Without it the contract goes on.")
    ] = None,
    subprocessors: Annotated[str, typer.Option(help="Whom the recipient itself employs.")] = "",
    contact: Annotated[str, typer.Option(help="An address of a role. No person's name: all operators see it.")] = "",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Enter a contract, or its end; it counts within seconds, everywhere. The newest entry counts.

    Example: lethe registers processors enter mail --reference "DPA 12/2026" --from 2026-01-01 --until 2027-12-31
    """
    body = {
        "operator": operator, "reference": reference, "starts_on": starts_on, "ends_on": ends_on,
        "subprocessors": subprocessors, "contact": contact,
    }  # fmt: skip
    with console(data) as client:
        made = client.post(
            f"/api/registers/processors/{recipient_id}", {k: v for k, v in body.items() if v is not None}
        )
    if as_json:
        records([made])
    else:
        OUT.print(f"Entered: the contract with {made['recipient_id']} {_standing(made)}.", markup=False)


def _standing(one: dict[str, Any]) -> str:
    said = {
        "stands": "stands", "not_needed": "is not needed", "not_begun": "has not begun: closed",
        "ended": "has ended: closed", "missing": "was not entered: closed",
    }  # fmt: skip
    ending = f", {one['days_left']} days left" if one["is_ending"] else ""
    return said[one["state"]] + ending


def _entered(one: dict[str, Any]) -> tuple[str, str]:
    if one["entry"] is None:
        return "-", "-"
    return one["entry"]["reference"], one["entered"]["operator"]
