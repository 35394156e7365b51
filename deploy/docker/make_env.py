"""Writes .env and the signing key for docker compose: `make env`. What is there already is kept; what is missing is added."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).parents[2]
_READABLE_BY_CONTAINER = 0o644
_ACCESS_KEY_BYTES, _SECRET_BYTES = 8, 32
_CHOICES = "# --- choices ---"


def completed(present: str, example: str) -> str:
    """The lines of a .env, with a fresh secret where one is empty, and behind them what only the example has.

    No value is changed. A choice may be empty, and stays so.
    """
    there = {None, *map(_name, present.splitlines())}
    added = [line for line in example.splitlines() if _name(line) not in there]
    secret = {_name(line) for line in example.partition(_CHOICES)[0].splitlines()}
    lines = [filled(line) if _name(line) in secret else line for line in (*present.splitlines(), *added)]
    return "\n".join(lines) + "\n"


def filled(line: str) -> str:
    """A secret's line with a fresh one where it has none. Hex goes unchanged through URLs and YAML."""
    name = _name(line)
    if name is None or line.partition("=")[2].strip("\"' "):
        return line
    fresh = secrets.token_hex(_ACCESS_KEY_BYTES if "ACCESS_KEY" in name else _SECRET_BYTES)
    # nats-server reads a variable as it reads its configuration: what looks like a number would be one.
    return f"{name}=n{fresh}" if name.startswith("NATS_") else f"{name}={fresh}"


def _name(line: str) -> str | None:
    """What a line sets; None where it is a comment or empty."""
    name, equals, _ = line.partition("=")
    return None if line.lstrip().startswith("#") or not equals else name.strip().removeprefix("export ").strip()


def _changes(before: str, after: str) -> list[str]:
    known = set(before.splitlines())
    return [name for line in after.splitlines() if line not in known and (name := _name(line)) is not None]


def write_new(file: Path, content: bytes, mode: int) -> bool:
    """Write a file that is not there yet; False when it is."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    return True


def replace(file: Path, content: bytes) -> None:
    """Put a file in the place of one that is there, whole or not at all, for the same users."""
    was, fresh = file.stat(), file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    write_new(fresh, content, 0o600)
    os.chown(fresh, was.st_uid, was.st_gid)
    fresh.chmod(was.st_mode & 0o777)
    fresh.replace(file)


def environment(file: Path, example: str) -> str:
    """Make or complete .env; what was done, without any value."""
    if write_new(file, completed(example, example).encode(), 0o600):
        return "Wrote .env"
    present = file.read_text()
    whole = completed(present, example)
    changes = _changes(present, whole)
    if not changes:
        return ".env is there already and has everything; nothing was changed"
    replace(file.resolve(), whole.encode())
    return f"Added to .env, whose values stay as they were: {', '.join(changes)}"


def main() -> None:
    print(environment(ROOT / ".env", (ROOT / ".env.example").read_text()))
    folder = ROOT / ".secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Compose mounts the file as it is, and the container's user is not its owner; the folder keeps others of this host out.
    if write_new(folder / "signing-key.pem", key, _READABLE_BY_CONTAINER):
        print("Wrote .secrets/signing-key.pem")


if __name__ == "__main__":
    main()
