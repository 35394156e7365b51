"""`lethe certificate`: keep the certificate of an erasure, and check it without any network."""

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from lethe_cli.errors import CommandError
from lethe_cli.files import to_be_written
from lethe_cli.printing import OUT
from lethe_cli.remote import Url, anonymous

app = typer.Typer(help="The signed certificate of an erasure.", no_args_is_help=True)


@app.command("fetch")
def fetch(
    link: Annotated[str, typer.Argument(help="The link that the erasure gave you, or only the claim in it.")],
    output: Annotated[Path, typer.Option("--output", "-o", callback=to_be_written, help="The file to write.")],
    url: Url = None,
    *,
    interim: Annotated[
        bool, typer.Option("--interim", help="The first certificate, even when the final one is there.")
    ] = False,
) -> None:
    """Save the certificate exactly as it was signed: the final one once the horizon has passed, before it the first."""
    from lethe_common.certificates import render

    page, _, claim = link.rpartition("#")
    address = urlsplit(page)
    with anonymous(f"{address.scheme}://{address.netloc}" if address.netloc else url) as client:
        answer = client.post("/v1/erasures/status", {"claim": claim})
    final = None if interim else answer.get("final_certificate")
    certificate = final or answer.get("certificate")
    if not isinstance(certificate, dict):
        raise CommandError(f"There is no certificate: the erasure's state is {answer.get('state')}. Try again later.")
    output.write_bytes(render(certificate))
    OUT.print("The final certificate." if final else "The first certificate; a final one follows after the horizon.")
    OUT.print(f"{output}: check it with `lethe certificate verify {output} --key PUBLIC_KEY_PEM`")


@app.command("head")
def head(
    output: Annotated[Path, typer.Option("--output", "-o", callback=to_be_written, help="The file to write.")],
    since: Annotated[
        Path | None, typer.Option(help="A certificate: the head comes with the proof that leads on from its own head.")
    ] = None,
    url: Url = None,
) -> None:
    """Save the newest signed head of the log in which every certificate is entered.

    Take it from somewhere else than the certificate, or later, or have somebody else take it: a log that was cut or
    that is shown differently to different people cannot stand both heads.
    """
    from lethe_common.certificates import render

    query = {} if since is None else {"since": _size_under(since)}
    with anonymous(url) as client:
        answer = client.get("/v1/certificates/log", **query)
    output.write_bytes(render(answer))
    OUT.print(f"{output}: {answer['head']['payload']['size']} certificates", markup=False)


@app.command("verify")
def check(
    file: Annotated[Path, typer.Argument(help="The certificate, as it was saved.")],
    key: Annotated[Path, typer.Option("--key", help="The operator's public key (Ed25519, PEM).")],
    other_head: Annotated[
        Path | None, typer.Option("--head", help="Another head of the log, of `lethe certificate head --since FILE`.")
    ] = None,
) -> None:
    """Check a certificate offline. Ends with 0 when it is exactly what was signed, else with 1 and the reason."""
    from lethe_common.certificates import CertificateInvalid, verify

    try:
        checked = verify(_read(file), _read(key), None if other_head is None else _read(other_head))
    except CertificateInvalid as error:
        OUT.print(f"not valid: {error.reason}", markup=False)
        raise typer.Exit(1) from error
    payload = checked.payload
    OUT.print(f"valid: {payload['certificate_id']}", markup=False)
    OUT.print(f"erasure {payload['erasure_id']}, completed {payload['completed_at']}", markup=False)
    if checked.other_head is None:
        OUT.print("Removal from the log and forks of it: not checked, that needs a second head (--head).", markup=False)
    else:
        sizes = sorted((checked.head.size, checked.other_head.size))
        OUT.print(f"The log only grew between the two heads, from {sizes[0]} to {sizes[1]} certificates.", markup=False)


def _size_under(certificate: Path) -> int:
    try:
        return int(json.loads(_read(certificate))["log"]["head"]["payload"]["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{certificate} is no certificate of this version.") from error


def _read(file: Path) -> bytes:
    from lethe_common.certificates import MAX_DOCUMENT_BYTES

    try:
        with file.open("rb") as stream:
            return stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read.") from error
