"""Writes .env and the signing key for docker compose: `make env`. What is there already is kept."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).parents[2]
_READABLE_BY_CONTAINER = 0o644
_ACCESS_KEY_BYTES, _SECRET_BYTES = 8, 32


def filled(line: str) -> str:
    """A line of the example with a fresh secret where it has none. Hex goes unchanged through URLs and YAML."""
    name, equals, value = line.partition("=")
    if line.startswith("#") or not equals or value:
        return line
    fresh = secrets.token_hex(_ACCESS_KEY_BYTES if "ACCESS_KEY" in name else _SECRET_BYTES)
    # nats-server reads a variable as it reads its configuration: what looks like a number would be one.
    return f"{name}=n{fresh}" if name.startswith("NATS_") else f"{name}={fresh}"


def write_new(file: Path, content: bytes, mode: int) -> bool:
    """Write a file that is not there yet; False when it is."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    return True


def main() -> None:
    example = (ROOT / ".env.example").read_text().splitlines()
    made = write_new(ROOT / ".env", ("\n".join(filled(line) for line in example) + "\n").encode(), 0o600)
    folder = ROOT / ".secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Compose mounts the file as it is, and the container's user is not its owner; the folder keeps others of this host out.
    write_new(folder / "signing-key.pem", key, _READABLE_BY_CONTAINER)
    print("Wrote .env and .secrets/signing-key.pem" if made else ".env is there already; nothing was changed")


if __name__ == "__main__":
    main()
