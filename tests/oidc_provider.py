"""An OpenID provider for tests: real HTTP, real RS256 signatures, PKCE checked, and every way to be wrong on purpose."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "lethe-tests", "a secret of the tests' own"


@dataclass
class OidcProvider:
    """Who is signed in there, and what its tokens say; `changes` are put over the claims of each token."""

    subject: str = "user-1"
    email: str = "person@example.org"
    is_verified: bool = True
    changes: dict[str, Any] = field(default_factory=dict)
    refuses_code: bool = False
    is_away: bool = False
    """As behind a proxy whose server is down."""
    issuer: str = ""
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """What came in from the service: the path, and the form's fields."""

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is published no more."""
        self._key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    def authorize(self, address: str) -> str:
        """What a browser does at the address it was sent to: its owner signs in there. Where it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(24)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, path: str, form: Mapping[str, str], authorization: str) -> tuple[int, object]:
        """What the service gets to hear."""
        self.asked.append((path, form))
        if self.is_away:
            return 502, "the server behind this is down"
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return 200, {"issuer": self.issuer, **{name: f"{self.issuer}/{at}" for name, at in names.items()}}
        if path == "/keys":
            return 200, KeySet([self._key]).as_dict(private=False)
        wish = self.codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if wish is None or self.refuses_code or authorization != f"Basic {expected}":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != wish["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": secrets.token_hex(8), "token_type": "Bearer", "id_token": self._token(wish)}

    def _token(self, wish: Mapping[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "sub": self.subject, "iat": now, "exp": now + 300, "nonce": wish["nonce"],
            "email": self.email, "email_verified": self.is_verified, "name": "An Unmistakable Name",
        }  # fmt: skip
        claims |= {name: value(claims) if callable(value) else value for name, value in self.changes.items()}
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)


@contextmanager
def serving(provider: OidcProvider, port: int) -> Iterator[OidcProvider]:
    """The provider on a port of this machine; 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._say({name: values[0] for name, values in parse_qs(body).items()})

        def _say(self, form: Mapping[str, str]) -> None:
            status, content = provider.answer(self.path, form, self.headers.get("Authorization", ""))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: tests say what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
