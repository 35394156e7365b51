"""`lethe holds`: what must not be deleted while the law asks for it."""

from typing import Annotated

import typer

from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

holds = typer.Typer(
    help="Legal holds. One operator proposes, another approves. While a hold is in force nothing in its scope is "
    "deleted: not at its deadline, not when its owner deletes it, not when the account is erased. When it is lifted or "
    "ends, what is over by then goes at once.",
    no_args_is_help=True,
)
Operator = Annotated[
    str,
    typer.Option("--operator", envvar="LETHE_OPERATOR", prompt="Your name", help="Who acts; it stands in the history."),
]
HoldId = Annotated[str, typer.Argument(help="The hold's id (legal_...), from `lethe holds list`.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(holds, name="holds")


@holds.command("list")
def listing(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List holds, newest first: what they cover, who proposed and approved them, how many items wait for their end."""
    with console(data) as client:
        found = client.get("/api/legal-holds", all=str(everything).lower())["holds"]
    if as_json:
        records(found)
        return
    lines = [
        (hold["hold_id"], hold["state"], _scope(hold), _who(hold), day(hold["ends_at"]), hold["waiting"])
        for hold in found
    ]
    table(("hold", "state", "covers", "by", "ends", "waiting"), lines, "No holds.")


@holds.command("propose")
def propose(
    scope: Annotated[str, typer.Argument(help="A video's id (video_...) or a whole account's (acct_...).")],
    operator: Operator,
    reason: Annotated[
        str, typer.Option(prompt=True, help="Authority and file number. No person's name: all operators see it.")
    ],
    ends_at: Annotated[
        str | None, typer.Option("--until", help="When it ends by itself, for example 2027-03-01T00:00:00Z.")
    ] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Propose to keep a video or an account. Nothing is held before a second operator approves it.

    Example: lethe holds propose acct_... --reason "Court of Example, 12/345" --operator "A. Clerk"
    """
    body = {"scope": scope, "operator": operator, "reason": reason, "ends_at": ends_at}
    with console(data) as client:
        made = client.post("/api/legal-holds", {name: value for name, value in body.items() if value is not None})
    _tell(made, f"Proposed. Another operator has to approve it: lethe holds approve {made['hold_id']}", as_json=as_json)


@holds.command("approve")
def approve(hold_id: HoldId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Put a proposed hold into force. Who proposed it cannot."""
    with console(data) as client:
        made = client.post(f"/api/legal-holds/{hold_id}/approve", {"operator": operator})
    _tell(
        made,
        f"In force: {_scope(made)} is kept until {day(made['ends_at']) if made['ends_at'] else 'it is lifted'}.",
        as_json=as_json,
    )


@holds.command("lift")
def lift(hold_id: HoldId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """End a hold, or withdraw a proposal. What is over by then is deleted at once; that cannot be undone."""
    with console(data) as client:
        made = client.post(f"/api/legal-holds/{hold_id}/lift", {"operator": operator})
    _tell(made, f"{made['state'].capitalize()}: {_scope(made)}.", as_json=as_json)


def _tell(made: dict[str, object], sentence: str, *, as_json: bool) -> None:
    if as_json:
        records([made])
    else:
        OUT.print(sentence)


def _scope(hold: dict[str, object]) -> object:
    return hold["generation_id"] or hold["account_id"] or "an erased account"


def _who(hold: dict[str, list[dict[str, str]]]) -> str:
    return ", ".join(f"{step['step']} {step['operator']}" for step in hold["steps"])
