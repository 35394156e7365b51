"""The unprivileged user a database must run as when we are root, and the places that user can reach."""

import os
import pwd
from pathlib import Path

from lethe_cli.errors import NotStarted
from lethe_cli.local.programs import Account

_NAMES = ("postgres", "nobody")
_OTHERS_PASS = 0o001


def unprivileged() -> Account | None:
    """Whom to become for the database; none when we are not root.

    Raises:
        NotStarted: we are root and there is nobody to become.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NotStarted("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`. Add one.")


def can_reach(path: Path) -> bool:
    """Whether any user may pass through every folder down to this path."""
    return all(parent.stat().st_mode & _OTHERS_PASS for parent in path.resolve().parents if parent.exists())


def can_run(program: Path) -> bool:
    """Whether any user may start this program."""
    return can_reach(program) and bool(program.resolve().stat().st_mode & _OTHERS_PASS)


def give(path: Path, account: Account) -> None:
    """Hand a folder or file to another user."""
    os.chown(path, account.uid, account.gid)
