"""Files that people name on the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from lethe_cli.errors import CommandError


def to_be_written(file: Path | None) -> Path | None:
    """A callback of options that name a file to write: asked before anything is made, charged or taken for it.

    Raises:
        BadParameter: there is no folder for it, or a folder stands there itself.
    """
    if file is not None and file.is_dir():
        raise typer.BadParameter(f"{file} is a folder; name a file in it.")
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"There is no folder {file.parent}; make it first.")
    return file


@contextmanager
def said_plainly() -> Iterator[None]:
    """What the system refuses of a command that writes many files, as one sentence.

    Raises:
        CommandError: something could not be read or written.
    """
    try:
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise CommandError(
            f"{place}{error.strerror or error}. Name a place that is yours to write and has room."
        ) from error
