"""`lethe demo`: the whole suite, one real run from sign-up to certificate, and everything stopped again."""

import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lethe_cli.api import Answer, Api
from lethe_cli.commands.exports import taken
from lethe_cli.commands.generate import follow, submit
from lethe_cli.errors import CommandError
from lethe_cli.files import to_be_written
from lethe_cli.local.ports import free_ports
from lethe_cli.local.profiles import find
from lethe_cli.newcomers import come_in
from lethe_cli.printing import ERR, OUT, day
from lethe_cli.remote import anonymous, api, console_of
from lethe_common.catalogue import Kind, declare, held

_FOLDER = "lethe-demo-"
# A whole suite with a person of its own lives there until the demo ends.
TEMPORARY_FILES = declare(Kind.TEMPORARY_FILE, {f"{_FOLDER}*": held("output.video", is_sealed=False)})
_PROMPT = "a paper boat in the rain"
_TOLERANCE_SECONDS = 0.1
_READY = " ready  "
_STOP_SECONDS = 20
_LOOK_SECONDS = 0.1
_DEADLINE_LOOKS, _ERASURE_LOOKS = 100, 600


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", callback=to_be_written, help="Where the clip is kept.")
    ] = Path("lethe-demo.mp4"),
    profile: Annotated[str, typer.Option(help="The profile to run.")] = "aisora2",
) -> None:
    """Start the suite in a folder of its own, make a clip, forget its owner, and stop.

    Everything is real: Postgres, NATS, an S3 store and the five services run
    on this machine, and nothing leaves it.
    """
    # The folder itself is the data folder: as root, the database's own user must be able to pass through it.
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as folder, _suite(Path(folder), profile) as url:
        email = f"visitor-{secrets.token_hex(4)}@example.org"
        account = _sign_up(url, email)
        with api(url, account["api_key"]["key"]) as client:
            video = _generate(client, output, is_clocked=_is_clocked(profile))
            _ledger(client, Path(folder))
            _say("deletion", _end_of(video))
            _export(client, Path(folder))
            certificate = _erase(client)
        _verify(url, certificate)
    _say("done", f"everything is stopped and its data is gone; the clip stays at {output.resolve()}")


def _is_clocked(profile: str) -> bool:
    """Whether the profile's videos have a deadline at all, or stay until they are deleted."""
    from lethe_common.policy import load_profile

    return load_profile(find(profile)).book.versions[-1].is_clocked("output.video")


def _end_of(video: Answer) -> str:
    if video["expires_at"]:
        return f"the service deletes this clip on {day(video['expires_at'])} (opening plan, by the policy)"
    return "the service keeps this clip until its owner deletes it (by the policy)"


@contextmanager
def _suite(folder: Path, profile: str) -> Iterator[str]:
    """A running `lethe up` on free ports; yields the API's address."""
    port, console_port = free_ports(2)
    _say("start", "PostgreSQL, NATS, an S3 store and five services, on this machine only")
    # Where a profile lets people in by somebody else's sign-in, a password stands in for it.
    settings = ["--set", "IDENTITY_STAND_IN=password"]
    command = [sys.executable, "-m", "lethe_cli", "up", "--data", str(folder), "--profile", profile, *settings]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--console-port", str(console_port)], stdout=subprocess.PIPE, text=True
    )
    try:
        _wait_until_ready(process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    lines = []
    with ERR.status("starting the suite"):
        for line in process.stdout or ():
            lines.append(line)
            if _READY in line:
                _say("ready", line.partition(_READY)[2].strip())
                threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
                return
    raise CommandError("The suite did not start. Its last words:\n" + "".join(lines[-20:]))


def _sign_up(url: str, email: str) -> Answer:
    with anonymous(url) as client:
        account = come_in(client, {"email": email, "password": secrets.token_urlsafe(16)})
    _say("sign-up", f"{account['account']['id']}, with its first API key")
    return account


def _generate(client: Api, output: Path, *, is_clocked: bool) -> Answer:
    quote = client.post("/v1/quotes", {"seconds": "4"})
    _say("quote", f"{quote['credits']} credits of {quote['available']}, binding until {day(quote['expires_at'])}")
    accepted = submit(client, _PROMPT, model=None, size=None, seconds="4", reference=None)
    _say("accepted", f"{accepted['id']}: “{_PROMPT}”")
    shown = -25
    for _, state in client.events(f"/v1/videos/{accepted['id']}/events"):
        percent = state.get("progress") or 0
        if percent >= shown + 25 or percent == 100 > shown:  # noqa: PLR2004  percent
            shown = percent
            _say("progress", f"{percent} %")
    video = follow(client, client.get(f"/v1/videos/{accepted['id']}"))
    if video["status"] != "completed":
        raise CommandError("The clip did not complete.")
    client.download(f"/v1/videos/{video['id']}/content", output)
    _say("video", f"{output.resolve()}  {_measured(output, video)}")
    return _with_deadline(client, video) if is_clocked else video


def _measured(file: Path, video: Answer) -> str:
    """Decode the whole clip and compare it with what was ordered."""
    import av

    with av.open(str(file)) as clip:
        stream = clip.streams.video[0]
        frames = sum(1 for _ in clip.decode(stream))
        size = f"{stream.width}x{stream.height}"
        seconds = round(frames / float(stream.average_rate or 1), 2)
    if size != video["size"] or abs(seconds - float(video["seconds"])) > _TOLERANCE_SECONDS:
        raise CommandError(
            f"The clip is {size} and {seconds} s, but {video['size']} and {video['seconds']} s were ordered."
        )
    return f"decoded: {size}, {seconds} s, {frames} frames"


def _with_deadline(client: Api, video: Answer) -> Answer:
    """The deadline is told a moment after the completion."""
    for _ in range(_DEADLINE_LOOKS):
        if video["expires_at"]:
            return video
        time.sleep(_LOOK_SECONDS)
        video = client.get(f"/v1/videos/{video['id']}")
    raise CommandError("The clip has no deletion date.")


def _ledger(client: Api, folder: Path) -> None:
    for line in reversed(client.get("/v1/credits/history")["data"]):
        _say("ledger", f"{line['kind']:<8} {line['amount']:>4} credits  {line['debit']} -> {line['credit']}")
    with console_of(folder) as operator:
        books = operator.post("/api/ledger/verify")
    if not books["is_balanced"]:
        raise CommandError("The books do not balance: " + "; ".join(books["differences"]))
    _say("ledger", f"balances: {books['transfers']} transfers add up, {books['open_holds']} holds open")


def _export(client: Api, folder: Path) -> None:
    """Take a copy of everything the service keeps of the person, and check it; it goes with the folder."""
    from lethe_common.exports import read_export

    file = folder / "tmp" / "export.zip"
    copy, digest = taken(client, file)
    export = read_export(file)
    for name, document in export.documents.items():
        _say("export", f"{name:<16} {sum(map(len, document.values())):>3} records")
    _say("export", f"media/           {len(export.media):>3} files")
    _say("export", f"whole, digest {digest[:16]}…; the service deletes its copy on {day(copy['expires_at'])}")


def _erase(client: Api) -> Answer:
    answer = client.delete("/v1/account")
    for _ in range(_ERASURE_LOOKS):
        if answer["certificate"]:
            break
        time.sleep(_LOOK_SECONDS)
        answer |= client.post("/v1/erasures/status", {"claim": answer["claim"]})
    certificate: Answer | None = answer["certificate"]
    if certificate is None:
        raise CommandError("The erasure took longer than expected.")
    for store in certificate["payload"]["stores"]:
        if store["before"] or store["after"]:
            _say("erasure", f"{store['store']:<24} {store['before']:>3} before, {store['after']} after")
    return certificate


def _verify(url: str, certificate: Answer) -> None:
    from lethe_common.certificates import render, verify

    with anonymous(url) as client:
        key = client.text("/v1/certificates/public-key")
        head = client.get("/v1/certificates/log", since=certificate["log"]["head"]["payload"]["size"])
    verify(render(certificate), key.encode(), render(head))
    _say("certificate", f"{certificate['payload']['certificate_id']}: signature verified, nothing in it was altered")
    _say("certificate", f"entry {certificate['log']['index'] + 1} of the log, which has not been cut or forked since")


def _say(step: str, text: str) -> None:
    OUT.print(f"[bold]{step:<12}[/bold] {text}")
