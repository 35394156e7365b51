"""Files that people name on the command line."""

from pathlib import Path

import typer


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
