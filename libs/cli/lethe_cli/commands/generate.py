"""`lethe generate`: one clip, from prompt to file."""

import mimetypes
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lethe_cli.api import Answer, Api
from lethe_cli.errors import CommandError, NotReached
from lethe_cli.files import to_be_written
from lethe_cli.printing import ERR, OUT, day
from lethe_cli.remote import Key, Url, api
from lethe_common.clock import monotonic_seconds

_ENDED = ("completed", "failed")
_AWAY_MOST_SECONDS, _AWAY_LOOK_SECONDS = 30.0, 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(generate)


def generate(
    prompt: Annotated[str, typer.Argument(help="What the clip shows.")],
    output: Annotated[Path, typer.Option("-o", "--output", callback=to_be_written, help="Where the MP4 goes.")] = Path(
        "video.mp4"
    ),
    model: Annotated[str | None, typer.Option(help="A model of `GET /v1/models`; else the default one.")] = None,
    size: Annotated[str | None, typer.Option(help="Width x height in pixels, such as 1280x720.")] = None,
    seconds: Annotated[str | None, typer.Option(help="How long, such as 4.")] = None,
    reference: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A picture to start from (JPEG, PNG or WebP).")
    ] = None,
    url: Url = None,
    api_key: Key = None,
) -> None:
    """Make a clip and save it.

    Example: lethe generate "a paper boat in the rain" -o boat.mp4
    """
    with api(url, api_key) as client:
        video = submit(client, prompt, model=model, size=size, seconds=seconds, reference=reference)
        ended = follow(client, video)
        if ended["status"] != "completed":
            reason = (ended.get("error") or {}).get("message", "It did not complete.")
            raise CommandError(f"{reason} You can see what was charged with `lethe credits`.")
        size_bytes = client.download(f"/v1/videos/{video['id']}/content", output)
    OUT.print(f"{output}  {size_bytes / 1e6:.1f} MB  deleted from the service on {day(ended.get('expires_at'))}")


def submit(
    client: Api, prompt: str, *, model: str | None, size: str | None, seconds: str | None, reference: Path | None
) -> Answer:
    """Ask for a clip and return the video as accepted."""
    wished = {"prompt": prompt, "model": model, "size": size, "seconds": seconds}
    fields = {name: value for name, value in wished.items() if value is not None}
    if reference is None:
        return client.post("/v1/videos", fields)
    kind = mimetypes.guess_type(reference.name)[0] or "application/octet-stream"
    # The file's own name stays here: it may tell more than the picture.
    upload = {"input_reference": ("reference", reference.read_bytes(), kind)}
    return client.send("POST", "/v1/videos", data=fields, files=upload)


def follow(client: Api, video: Answer) -> Answer:
    """Show the progress of a clip until it ends, and return it as it ended."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        bar = progress.add_task("waiting", total=100)
        while video["status"] not in _ENDED:
            try:
                for _, state in client.events(f"/v1/videos/{video['id']}/events"):
                    place = state.get("position")
                    label = f"place {place} in the queue" if place else "rendering"
                    progress.update(bar, completed=state.get("progress") or 0, description=label)
            except NotReached:
                # The clip goes on without whoever shows it, and is paid for.
                progress.update(bar, description="waiting for the service")
                time.sleep(_AWAY_LOOK_SECONDS)
            video = _seen(client, video["id"])
    return video


def _seen(client: Api, video_id: str) -> Answer:
    """The clip as it is, once the service answers again; it is there again within moments of a crash."""
    give_up_at = monotonic_seconds() + _AWAY_MOST_SECONDS
    while True:
        try:
            return client.get(f"/v1/videos/{video_id}")
        except NotReached as error:
            if monotonic_seconds() > give_up_at:
                raise NotReached(f"{error} The clip {video_id} goes on: `lethe jobs` shows it.") from error
        time.sleep(_AWAY_LOOK_SECONDS)
