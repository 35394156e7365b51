"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="LETHE_DATA",
        help="The folder that holds everything of one suite: databases, objects, keys, logs. "
        "Two suites with different folders can run side by side.",
    ),
]
DEFAULT_DATA = Path(".lethe")
