"""`lethe certificate`: keep the certificate of an erasure, and check it without any network."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from lethe_cli.errors import CommandError
from lethe_cli.printing import OUT
from lethe_cli.remote import Url, anonymous
from lethe_common.certificates import MAX_DOCUMENT_BYTES, CertificateInvalid, render, verify

app = typer.Typer(help="The signed certificate of an erasure.", no_args_is_help=True)


@app.command("fetch")
def fetch(
    link: Annotated[str, typer.Argument(help="The link that the erasure gave you, or only the claim in it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    url: Url = None,
) -> None:
    """Save the certificate exactly as it was signed."""
    page, _, claim = link.rpartition("#")
    address = urlsplit(page)
    with anonymous(f"{address.scheme}://{address.netloc}" if address.netloc else url) as client:
        answer = client.post("/v1/erasures/status", {"claim": claim})
    certificate = answer.get("certificate")
    if not isinstance(certificate, dict):
        raise CommandError(f"There is no certificate: the erasure's state is {answer.get('state')}. Try again later.")
    output.write_bytes(render(certificate))
    OUT.print(f"{output}: check it with `lethe certificate verify {output} --key PUBLIC_KEY_PEM`")


@app.command("verify")
def check(
    file: Annotated[Path, typer.Argument(help="The certificate, as it was saved.")],
    key: Annotated[Path, typer.Option("--key", help="The operator's public key (Ed25519, PEM).")],
) -> None:
    """Check a certificate offline. Ends with 0 when it is exactly what was signed, else with 1 and the reason."""
    try:
        payload = verify(_read(file), _read(key))
    except CertificateInvalid as error:
        OUT.print(f"not valid: {error.reason}", markup=False)
        raise typer.Exit(1) from error
    OUT.print(f"valid: {payload['certificate_id']}", markup=False)
    OUT.print(f"erasure {payload['erasure_id']}, completed {payload['completed_at']}", markup=False)
    OUT.print("Removal from a public log was not checked: that needs a second head.", markup=False)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read.") from error
