"""A local suite's keys and access log: the recovery key, and the privacy service's own tools as a child."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lethe_cli.errors import CommandError
from lethe_cli.local import runtime
from lethe_cli.local.folder import DataFolder, write_private
from lethe_cli.local.ports import LOOPBACK
from lethe_cli.local.secrets import Secrets
from lethe_common.database.roles import FACTS_DATABASE, KEYS_DATABASE, owner, working
from lethe_common.services import Service

_INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV")


def new_recovery_key(private: Path, public: Path) -> None:
    """Make an X25519 key pair: the private half in a file for its owner only, the public one for the service.

    Either both are there afterwards or none, so that nothing is ever sealed to a key that nobody has.

    Raises:
        CommandError: there is a private half already, or one of the two cannot be written.
    """
    if private.exists():
        raise CommandError(f"{private} is there already. Choose another file: a recovery key is never overwritten.")
    key = X25519PrivateKey.generate()
    fresh = public.with_name(f"{public.name}.fresh")
    try:
        public.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(fresh, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        fresh.replace(public)
    except OSError as error:
        raise CommandError(
            f"{error.filename or public} cannot be written ({error.strerror}). Choose another place with --public or -o."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def upkeep(data: Path, *arguments: str) -> str:
    """Run the privacy service's upkeep on a suite whose database runs; what it said.

    Raises:
        CommandError: it refused, and why.
        NotRunning: nothing runs on this folder.
    """
    return _child("lethe_privacy.upkeep", data, arguments)


def access_log(data: Path, *arguments: str) -> str:
    """Run the privacy service's look at its access log on a suite whose database runs; what it said.

    Raises:
        CommandError: the log does not hold, and where; or it cannot be read.
        NotRunning: nothing runs on this folder.
    """
    return _child("lethe_privacy.accesses", data, arguments)


def _child(module: str, data: Path, arguments: Sequence[str]) -> str:
    folder = DataFolder(data)
    port = runtime.read(folder).postgres_port
    known = Secrets.model_validate_json(folder.secrets.read_bytes())
    places = {
        "DATABASE_URL": (working(Service.PRIVACY), FACTS_DATABASE),
        "KEYS_DATABASE_URL": (working(Service.PRIVACY), KEYS_DATABASE),
        "KEYS_DATABASE_OWNER_URL": (owner(Service.PRIVACY), KEYS_DATABASE),
    }
    variables = {
        **{
            name: f"postgresql://{role}:{known.postgres[role]}@{LOOPBACK}:{port}/{database}"
            for name, (role, database) in places.items()
        },
        "KEYRING": str(folder.keyring.resolve()),
        "KEY_BACKUPS": str(folder.key_backups.resolve()),
        "RECOVERY_KEY": str(folder.recovery_key.resolve()),
        "SIGNING_KEY": str(folder.signing_key.resolve()),
    }
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**environment, **{f"LETHE_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(done.stderr.strip() or "It ended without a reason.")
    return done.stdout.strip()
