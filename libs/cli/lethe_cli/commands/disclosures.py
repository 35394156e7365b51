"""`lethe registers disclosures`: what authorities demand, who approved it, and what was given."""

import json
from typing import Annotated, Any

import typer

from lethe_cli.commands.holds import Operator
from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

disclosures = typer.Typer(
    help="Demands of authorities. Two different operators approve before anything is put together, and then facts only: no "
    "prompt, address or output. The person is told, unless a law that you name keeps it back until a date.",
    no_args_is_help=True,
)
DisclosureId = Annotated[str, typer.Argument(help="Its id (discl_...), from `lethe registers disclosures list`.")]
_PATH = "/api/registers/disclosures"


@disclosures.command("list")
def listing(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List demands, newest first."""
    with console(data) as client:
        found = client.get(_PATH)["disclosures"]
    if as_json:
        records(found)
        return
    lines = [
        (one["disclosure_id"], one["state"], f"{one['approvals']}/{one['approvals_needed']}", one["authority"],
         one["legal_reference"], "told" if one["is_told"] else day(one["delay_until"]))
        for one in found
    ]  # fmt: skip
    table(("disclosure", "state", "approved", "authority", "by", "told"), lines, "No authority has asked.")


@disclosures.command("open")
def opened(
    account_id: Annotated[str, typer.Argument(help="Whom it is about: acct_...")],
    operator: Operator,
    authority: Annotated[str, typer.Option(prompt=True, help="No person's name: all operators see it.")],
    legal_reference: Annotated[str, typer.Option("--law", prompt="By which law", help="Article and file number.")],
    asked: Annotated[str, typer.Option(prompt="What was asked", help="Sealed, and read by operators only.")],
    delay_until: Annotated[
        str | None, typer.Option(help="Tell the person not before, such as 2027-03-01T00:00:00Z.")
    ] = None,
    delay_ground: Annotated[str | None, typer.Option(help="The law that allows to tell them later.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Enter a demand. Nothing is put together before two different operators have approved it."""
    body = {
        "account_id": account_id, "operator": operator, "authority": authority, "legal_reference": legal_reference,
        "asked": asked, "delay_until": delay_until, "delay_ground": delay_ground,
    }  # fmt: skip
    with console(data) as client:
        _tell(client.post(_PATH, {name: value for name, value in body.items() if value is not None}), as_json=as_json)


@disclosures.command("show")
def show(disclosure_id: DisclosureId, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show one with its history and what was asked."""
    with console(data) as client:
        _tell(client.get(f"{_PATH}/{disclosure_id}"), as_json=as_json)


@disclosures.command("approve")
def approve(
    disclosure_id: DisclosureId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """Approve it. Nobody approves twice."""
    _do(disclosure_id, "approve", {"operator": operator}, data, as_json=as_json)


@disclosures.command("refuse")
def refuse(
    disclosure_id: DisclosureId,
    operator: Operator,
    ground: Annotated[str, typer.Option(prompt=True, help="Why. No person's name.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Refuse it, with its ground."""
    _do(disclosure_id, "refuse", {"operator": operator, "ground": ground}, data, as_json=as_json)


@disclosures.command("disclose")
def disclose(
    disclosure_id: DisclosureId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """Put the package together and print it; its digest enters the register, and the person is told."""
    _do(disclosure_id, "disclose", {"operator": operator}, data, as_json=as_json)


def _do(disclosure_id: str, action: str, body: dict[str, str], data: Any, *, as_json: bool) -> None:
    with console(data) as client:
        _tell(client.post(f"{_PATH}/{disclosure_id}/{action}", body), as_json=as_json)


def _tell(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        records([one])
        return
    approved = f"{one['approvals']} of {one['approvals_needed']} approvals"
    OUT.print(
        f"{one['disclosure_id']}  {one['state']}  {approved}  {one['account_id'] or 'an erased account'}", markup=False
    )
    OUT.print(f"  {one['authority']}, {one['legal_reference']}", markup=False)
    if one.get("asked"):
        OUT.print(f"  {one['asked']}", markup=False)
    for step in one["steps"]:
        OUT.print(
            f"  {day(step['at'])}  {step['step']}  {step['operator']}  {step['ground'] or ''}".rstrip(), markup=False
        )
    if one["digest"]:
        OUT.print(f"  SHA-256 {one['digest']}", markup=False)
    if "package" in one:
        OUT.print(json.dumps(one["package"], sort_keys=True, separators=(",", ":"), ensure_ascii=False), markup=False)
