"""What a customer asks about themselves: `lethe jobs`, `lethe credits`."""

from typing import Annotated

import typer

from lethe_cli.printing import OUT, day, records, table
from lethe_cli.remote import AsJson, Key, Url, api


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("jobs")(jobs)
    app.command("credits")(balance)


def jobs(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many, newest first.")] = 20,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List your clips: state, progress, what they cost, when they are deleted."""
    with api(url, api_key) as client:
        videos = client.get("/v1/videos", limit=limit)["data"]
    if as_json:
        records(videos)
        return
    rows = [
        (video["id"], video["status"], f"{video.get('progress') or 0} %", _cost(video), day(video.get("expires_at")))
        for video in videos
    ]
    table(
        ("video", "state", "progress", "credits", "deleted on"), rows, "No clips yet. Make one: lethe generate PROMPT"
    )


def balance(url: Url = None, api_key: Key = None, as_json: AsJson = False) -> None:
    """Show your credits: what you can spend, what is held, and each grant with its end."""
    with api(url, api_key) as client:
        credits_now = client.get("/v1/credits")
    if as_json:
        records([credits_now])
        return
    OUT.print(f"{credits_now['available']} credits to spend, {credits_now['held']} held, plan {credits_now['plan']}")
    rows = [
        (grant["source"], grant["amount"], grant["remaining"], day(grant["expires_at"]))
        for grant in credits_now["grants"]
    ]
    table(("from", "given", "left", "ends"), rows, "No grants.")


def _cost(video: dict[str, object]) -> str:
    charged = video["credits_charged"]
    return f"{video['credits_held']} held" if charged is None else f"{charged} charged"
