"""`lethe calendar`: what is deleted when, and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import DEFAULT_DATA, AsJson, Data, Key, Url, api, console

_PAGE = 100
_DAY_SECONDS = 24 * 3600


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calendar")(calendar)


def calendar(
    everybodys: Annotated[
        bool, typer.Option("--all", help="Operators: how much goes on each day, and what is overdue.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=366, help="With --all: how far ahead.")] = 30,
    url: Url = None,
    api_key: Key = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show when each of your things is deleted, and the rule behind it.

    A change of plan may move a day, as the rule says; what the law asks for is kept beyond it.

    Examples: lethe calendar · lethe calendar --all --days 90
    """
    if everybodys:
        _forecast(data, days, as_json=as_json)
    else:
        _mine(url, api_key, as_json=as_json)


def _mine(url: str | None, api_key: str | None, *, as_json: bool) -> None:
    items = list(_items(url, api_key))
    if as_json:
        records(items)
        return
    lines = [(item["id"], item["category"], day(item["deletes_at"]), item["state"], _rule(item)) for item in items]
    table(("what", "category", "deleted on", "state", "because"), lines, "Nothing of yours is kept.")


def _items(url: str | None, api_key: str | None) -> Iterator[dict[str, Any]]:
    """All pages. What is made meanwhile comes at the end."""
    with api(url, api_key) as client:
        query: dict[str, str | int] = {"limit": _PAGE}
        while True:
            page = client.get("/v1/privacy/calendar", **query)
            yield from page["data"]
            if not page["has_more"]:
                return
            query["after"] = page["last_id"]


def _rule(item: dict[str, Any]) -> str:
    rule = item["rule"]
    if rule["period_seconds"] is None:
        return "kept until deleted"
    days, hours = rule["period_seconds"] // _DAY_SECONDS, rule["period_seconds"] // 3600
    period = f"{days} days" if days > 1 else f"{hours} hours"
    plan = f", plan {rule['plan']}" if rule["plan"] else ""
    return f"{period} from {rule['from_event']}{plan}"


def _forecast(data: Path, days: int, *, as_json: bool) -> None:
    with console(data) as client:
        known, late = client.get("/api/retention/calendar", days=days), client.get("/api/retention/overdue")
    if as_json:
        records(known["days"])
        return
    summary = known["summary"]
    OUT.print(
        f"{summary['open']} kept, {summary['due'] + summary['removed']} being removed, {summary['held']} held by law"
    )
    for count in late["counts"]:
        OUT.print(f"OVERDUE {count['count']} of {count['category']}, {count['age']}", style="bold red", markup=False)
    lines = [
        (one["day"], one["category"], one["count"], f"{one['stored_bytes'] / 1e6:.1f} MB") for one in known["days"]
    ]
    table(("day (UTC)", "category", "items", "size"), lines, f"Nothing goes within {days} days.")
