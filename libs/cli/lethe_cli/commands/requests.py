"""`lethe requests`: what people ask for by right, by when it is to be answered, and the answers."""

from typing import Annotated, Any

import typer

from lethe_cli.commands.holds import Operator
from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, console

requests = typer.Typer(
    help="The rights desk. Each request has its own clock from the policy and the law; the most urgent come first. What "
    "people wrote is sealed: `lethe requests read` opens it with a reason that they see.",
    no_args_is_help=True,
)
GROUNDS = (
    "identity_not_proved, manifestly_unfounded, excessive, kept_by_law, rights_of_others, nothing_held"  # RefusalGround
)
RequestId = Annotated[str, typer.Argument(help="The request's id (req_...), from `lethe requests list`.")]
Text = Annotated[str, typer.Option("--text", prompt="What the person is told", help="In the person's own language.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(requests, name="requests")


@requests.command("list")
def listing(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too, newest first.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """List what is to be answered, the most urgent first."""
    with console(data) as client:
        found = client.get("/api/requests", all=str(everything).lower())["requests"]
    if as_json:
        records(found)
        return
    lines = [
        (one["request_id"], one["kind"], one["state"], day(one["due_at"]), _standing(one), _account(one))
        for one in found
    ]
    table(("request", "kind", "state", "due", "", "account"), lines, "Nothing is to be answered.")


@requests.command("show")
def show(request_id: RequestId, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show one request with its dossier, without what was written."""
    with console(data) as client:
        _tell(client.get(f"/api/requests/{request_id}"), as_json=as_json)


@requests.command("read")
def read(
    request_id: RequestId,
    operator: Operator,
    reason: Annotated[str, typer.Option(prompt=True, help="Why you have to read it. The person sees it.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Open what was written. That you did, and why, enters the dossier."""
    with console(data) as client:
        _tell(
            client.post(f"/api/requests/{request_id}/read", {"operator": operator, "reason": reason}), as_json=as_json
        )


@requests.command("take")
def take(request_id: RequestId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Take a request up; its person sees that somebody works on it."""
    _do(data, request_id, "take", {"operator": operator}, as_json=as_json)


@requests.command("check-identity")
def check_identity(
    request_id: RequestId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """Note that it is certain who asks."""
    _do(data, request_id, "check_identity", {"operator": operator}, as_json=as_json)


@requests.command("answer")
def answer(
    request_id: RequestId,
    operator: Operator,
    text: Text,
    *,
    remove_video: Annotated[
        bool, typer.Option("--remove-video", help="Of somebody who is seen in a video: remove it, as its owner would.")
    ] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Answer a request; its clock stops."""
    deed = {"operator": operator, "text": text, "remove_video": remove_video}
    _do(data, request_id, "answer", deed, as_json=as_json)


@requests.command("extend")
def extend(
    request_id: RequestId, operator: Operator, text: Text, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """Extend the time, once and as the law allows. The text says why."""
    _do(data, request_id, "extend", {"operator": operator, "text": text}, as_json=as_json)


@requests.command("refuse")
def refuse(
    request_id: RequestId,
    operator: Operator,
    ground: Annotated[str, typer.Option(prompt=True, help=f"One of {GROUNDS}.")],
    text: Text,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Refuse a request, with its ground and in words. Tell people that they may complain to the authority."""
    _do(data, request_id, "refuse", {"operator": operator, "ground": ground, "text": text}, as_json=as_json)


@requests.command("close")
def close(request_id: RequestId, operator: Operator, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Close what was answered or refused."""
    _do(data, request_id, "close", {"operator": operator}, as_json=as_json)


@requests.command("lift")
def lift(
    request_id: RequestId, operator: Operator, text: Text, data: Data = DEFAULT_DATA, as_json: AsJson = False
) -> None:
    """End a restriction, telling its person (GDPR Art. 18(3)). What is over by then is deleted at once."""
    _do(data, request_id, "lift", {"operator": operator, "text": text}, as_json=as_json)


def _do(data: Data, request_id: str, action: str, deed: dict[str, Any], *, as_json: bool) -> None:
    with console(data) as client:
        _tell(client.post(f"/api/requests/{request_id}/{action}", deed), as_json=as_json)


def _tell(request: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        records([request])
        return
    extends = f", can be extended to {day(request['extends_to'])}" if request["extends_to"] else ""
    OUT.print(f"{request['request_id']}: {request['kind']}, {request['state']}, {_standing(request) or 'in time'}.")
    OUT.print(f"Received {day(request['received_at'])}, due {day(request['due_at'])}{extends}.")
    lines = [
        (step["number"], step["step"], step["actor"], day(step["at"]), step["ground"] or "", _text(step))
        for step in request["steps"]
    ]
    table(("", "step", "by", "when", "ground", "text"), lines, "No steps.")


def _account(request: dict[str, Any]) -> str:
    """Whose it is; of who came by a mailed link only the address is proved."""
    return f"{request['account_id'] or '-'}{' (address only)' if request['is_correspondent'] else ''}"


def _standing(request: dict[str, Any]) -> str:
    return "overdue" if request["is_overdue"] else "soon" if request["is_due_soon"] else ""


def _text(step: dict[str, Any]) -> str:
    return step["text"] or ("(sealed)" if step["has_text"] else "")
