"""Which Lethe a command speaks to: LETHE_URL and LETHE_API_KEY; an operator's LETHE_CONSOLE_URL, else the suite on the data folder."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lethe_cli.api import Address, Api
from lethe_cli.errors import KeyMissing, NotRunning
from lethe_cli.local.folder import DataFolder

_CONSOLE = "LETHE_CONSOLE_URL"
DEFAULT_URL = "http://127.0.0.1:8080"

Url = Annotated[str | None, typer.Option("--url", envvar="LETHE_URL", help=f"The API's address ({DEFAULT_URL}).")]
Key = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="LETHE_API_KEY", help="Your API key. Better set in the environment.", show_default=False
    ),
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="LETHE_DATA",
        help="The data folder of the suite, for operators' commands. Where it was not started by `lethe up`, set "
        "LETHE_CONSOLE_URL and LETHE_OPERATOR_TOKEN instead.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line, for programs.")]
DEFAULT_DATA = Path(".lethe")


def api(url: str | None, key: str | None) -> Api:
    """A client of the public API.

    Raises:
        KeyMissing: there is no API key.
    """
    if not key:
        raise KeyMissing("No API key. Make one with `lethe accounts create`, then set LETHE_API_KEY.")
    return Api(Address(url or DEFAULT_URL, key))


def anonymous(url: str | None) -> Api:
    """A client of what needs no key."""
    return Api(Address(url or DEFAULT_URL))


def console(data: Path) -> Api:
    """A client of the operator console: the one that LETHE_CONSOLE_URL names, else of the suite that runs on a data folder.

    Raises:
        NotRunning: none runs there.
        KeyMissing: neither LETHE_OPERATOR_TOKEN nor the data folder has a token.
    """
    url, token = os.environ.get(_CONSOLE), os.environ.get("LETHE_OPERATOR_TOKEN")
    if url:
        if not token:  # that of the data folder is another suite's, and nothing to send anywhere else
            raise KeyMissing(f"No operator token. Set LETHE_OPERATOR_TOKEN beside {_CONSOLE}.")
        return Api(Address(url, token, _CONSOLE))
    return console_of(data, token)


def console_of(data: Path, token: str | None = None) -> Api:
    """A client of the operator console of the suite that runs on a data folder; with its own token, unless another is given.

    Raises:
        NotRunning: none runs there.
        KeyMissing: there is no token.
    """
    url = runtime(data)["console_url"]
    if not url:
        raise NotRunning(f"Only the servers run on {data}. Stop them, and start all with `lethe up --data {data}`.")
    return Api(Address(url, token or _token(DataFolder(data)), _CONSOLE))


def runtime(data: Path) -> dict[str, Any]:
    """What `lethe up` wrote about itself.

    Raises:
        NotRunning: nothing did.
    """
    try:
        content: dict[str, Any] = json.loads(DataFolder(data).runtime.read_bytes())
    except FileNotFoundError as error:
        raise NotRunning(
            f"No suite runs on {data}. Start one with `lethe up --data {data}`, or set {_CONSOLE} to where the console is."
        ) from error
    return content


def _token(folder: DataFolder) -> str:
    try:
        return str(json.loads(folder.secrets.read_bytes())["operator_token"])
    except (OSError, KeyError) as error:
        raise KeyMissing("No operator token. Set LETHE_OPERATOR_TOKEN, or point --data at the data folder.") from error
