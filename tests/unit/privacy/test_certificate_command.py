import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue
from typer.testing import CliRunner

from lethe_cli.commands.certificate import app
from lethe_common.certificates import (
    ERASURE_FORMAT,
    Head,
    entry,
    issued,
    leaf_of,
    public_pem,
    published,
    render,
    sign,
    signed_head,
)

PAYLOAD: dict[str, JsonValue] = {
    "format": ERASURE_FORMAT,
    "certificate_id": "cert_" + "1" * 32,
    "erasure_id": "erase_" + "2" * 32,
    "completed_at": "2026-11-22T10:00:00Z",
}


def logged(key: Ed25519PrivateKey) -> dict[str, JsonValue]:
    """The only certificate of a log."""
    signed = sign(PAYLOAD, key)
    return issued(signed, entry(0, [], head(key, leaf_of(signed))))


def head(key: Ed25519PrivateKey, root: bytes) -> dict[str, JsonValue]:
    return signed_head(Head(1, root), datetime(2026, 11, 22, 10, tzinfo=UTC), key)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    certificate, pem = tmp_path / "certificate.json", tmp_path / "key.pem"
    certificate.write_bytes(render(logged(key)))
    pem.write_text(public_pem(key))
    return certificate, pem


def check(certificate: Path, pem: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", str(certificate), "--key", str(pem), *more])
    return result.exit_code, result.output


def test_a_valid_certificate_ends_with_zero_and_says_what_was_not_checked(files: tuple[Path, Path]) -> None:
    code, said = check(*files)

    assert code == 0
    assert "valid: cert_" in said
    assert "not checked" in said


def test_a_second_head_of_the_same_log_is_said_to_agree_and_one_of_another_to_contradict(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    certificate, pem, same, forked = (tmp_path / name for name in ("certificate.json", "key.pem", "same", "forked"))
    certificate.write_bytes(render(logged(key)))
    pem.write_text(public_pem(key))
    same.write_bytes(render(published(head(key, leaf_of(sign(PAYLOAD, key))), None, [])))
    forked.write_bytes(render(published(head(key, bytes(32)), None, [])))

    code, said = check(certificate, pem, "--head", str(same))
    assert (code, "only grew" in said, "not checked" in said) == (0, True, False)
    code, said = check(certificate, pem, "--head", str(forked))
    assert (code, "contradict each other" in said) == (1, True)


def test_a_changed_certificate_ends_with_one_and_a_reason(files: tuple[Path, Path]) -> None:
    certificate, pem = files
    certificate.write_bytes(certificate.read_bytes().replace(b"T10:", b"T11:"))

    code, said = check(certificate, pem)

    assert code == 1
    assert "changed after signing" in said


def test_a_certificate_under_another_key_ends_with_one_and_a_reason(files: tuple[Path, Path]) -> None:
    certificate, pem = files
    pem.write_text(public_pem(Ed25519PrivateKey.generate()))

    code, said = check(certificate, pem)

    assert code == 1
    assert "another key" in said


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[bytes], Ed25519PrivateKey]]:
    """A gateway as far as the command speaks to it: it knows one claim."""
    key, asked = Ed25519PrivateKey.generate(), list[bytes]()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path.encode())
            claim = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["claim"]
            certificate = logged(key) if claim == "secret" else None
            body = json.dumps({"state": "completed" if certificate else "unknown", "certificate": certificate}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked, key
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("by_link", [True, False])
def test_a_fetched_certificate_passes_and_the_claim_stands_in_no_address(
    gateway: tuple[str, list[bytes], Ed25519PrivateKey], tmp_path: Path, *, by_link: bool
) -> None:
    url, asked, key = gateway
    file, pem = tmp_path / "fetched.json", tmp_path / "key.pem"
    pem.write_text(public_pem(key))
    given = [f"{url}/erasure#secret"] if by_link else ["secret", "--url", url]

    result = CliRunner().invoke(app, ["fetch", *given, "-o", str(file)])

    assert result.exit_code == 0, result.output
    assert check(file, pem)[0] == 0
    assert asked == [b"/v1/erasures/status"]


def test_an_erasure_without_a_certificate_writes_no_file(
    gateway: tuple[str, list[bytes], Ed25519PrivateKey], tmp_path: Path
) -> None:
    file = tmp_path / "fetched.json"

    result = CliRunner().invoke(app, ["fetch", f"{gateway[0]}/erasure#other", "-o", str(file)])

    assert result.exit_code != 0
    assert not file.exists()
