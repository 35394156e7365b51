"""One person's whole use of Lethe, with something recognisable in everything they can type, send or upload."""

import io
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import httpx2
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lethe_cli.local.ports import free_ports
from tests import plain
from tests.flows.scanner import Canaries
from tests.newcomers import told
from tests.suite import RunningSuite, answered, until

_LINK = re.compile(r"/reset#([\w-]+)")
_WORDS = [
    "boat",
    "rain",
    "paper",
    "river",
    "lantern",
    "slow",
    "wave",
    "harbour",
    "night",
    "window",
    "street",
    "light",
    "drop",
    "umbrella",
    "bridge",
]
_LONG_PROMPT_CHARACTERS = 7000


class MailSink:
    """An SMTP server that keeps what it is given, in memory."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        content = envelope.content or b""
        self.mails.append(content if isinstance(content, str) else content.decode())
        return "250 OK"


@dataclass(frozen=True, slots=True)
class Lived:
    """What the stores should know of this use, whatever is sealed."""

    kept_video_id: str
    deleted_video_id: str


def jpeg_with_metadata(canaries: Canaries) -> bytes:
    """EXIF, XMP and a comment, each with a token."""
    exif = Image.Exif()
    exif[0x010E] = canaries.token("image EXIF description")
    exif[0x8298] = canaries.token("image EXIF copyright")
    file = io.BytesIO()
    packet = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{canaries.token('image XMP')}</x:xmpmeta>"
    picture = Image.linear_gradient("L").convert("RGB")
    picture.save(file, "JPEG", exif=exif, comment=canaries.token("image JPEG comment"), xmp=packet.encode())
    return file.getvalue()


def png_with_metadata(canaries: Canaries) -> bytes:
    """A text chunk with a token, and pixels that spell another one."""
    info = PngInfo()
    info.add_text("Comment", canaries.token("image PNG text"))
    info.add_itxt("XML:com.adobe.xmp", canaries.token("image PNG XMP"))
    pixels = canaries.token("image pixels").encode() * 256  # 8 pixels a token, 64 x 32 of them
    file = io.BytesIO()
    Image.frombytes("RGB", (64, 32), pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def long_prompt(canaries: Canaries) -> str:
    """Words that compress well around three tokens: longer than what Postgres keeps in a row as it is."""
    chosen = random.Random(7)  # noqa: S311  words, not secrets
    filler = " ".join(chosen.choice(_WORDS) for _ in range(_LONG_PROMPT_CHARACTERS // 6))
    token, half = canaries.token("long prompt"), len(filler) // 2
    return f"{token} {filler[:half]} {token} {filler[half:_LONG_PROMPT_CHARACTERS]} {token}"


class Persona:
    """Does everything once. Each request carries recognisable headers."""

    def __init__(self, suite: RunningSuite, canaries: Canaries, sink: MailSink) -> None:
        self._suite, self._canaries, self._sink = suite, canaries, sink
        self._email = f"{canaries.token('e-mail')}@example.org"
        self._http = plain.client(suite.url, self._headers())
        self.answers: list[httpx2.Response] = []
        """Every answer it got."""
        self._http.event_hooks = {"response": [self.answers.append]}

    def live(self) -> Lived:
        """From sign-up to deletion."""
        with self._http as http:
            opened = self._sign_up(http)
            http.headers["Authorization"] = f"Bearer {opened}"
            kept, long, deleted = self._create(http)
            self._look(http, kept)
            self._ask_by_right(http)
            self._stand_in_registers(http)
            answered(http.delete(f"/v1/videos/{deleted}"))
            self._take_a_copy(http)
            del http.headers["Authorization"]
            self._sign_in(http)
            self._reset_password(http)
            self._be_refused(http, opened)
            assert long != kept
            return Lived(kept, deleted)

    def _headers(self) -> dict[str, str]:
        token = self._canaries.token
        return {
            "X-Request-Id": token("X-Request-Id"),
            "User-Agent": f"browser/{token('User-Agent')}",
            "baggage": f"person={token('baggage')}",
            "traceparent": f"00-{token('traceparent', 32)}-00f067aa0ba902b7-01",
            "tracestate": f"vendor={token('tracestate')}",
            "Referer": f"https://example.org/{token('Referer')}",
            "X-Forwarded-For": "203.0.113.7",
        }

    def _sign_up(self, http: httpx2.Client) -> str:
        login = {"email": self._email, "password": self._canaries.token("password")}
        opened = answered(http.post("/v1/accounts", json={**login, **told(http)}))
        key = str(opened["api_key"]["key"])
        named = {"name": self._canaries.token("API key name")}
        answered(http.post("/v1/api-keys", json=named, headers={"Authorization": f"Bearer {key}"}))
        self._canaries.pieces["API key"] = key[-24:].encode()
        return key

    def _create(self, http: httpx2.Client) -> tuple[str, str, str]:
        token = self._canaries.token
        keyed = {"Idempotency-Key": f"order {token('Idempotency-Key')}"}
        jpeg = (f"{token('file name')}.jpg", jpeg_with_metadata(self._canaries), "image/jpeg")
        png = (f"{token('file name')}.png", png_with_metadata(self._canaries), "image/png")
        small = {"size": "640x360", "seconds": "4"}
        order = {"prompt": f"a boat {token('short prompt')}", **small}
        wanted = [
            http.post("/v1/videos", data=order, files={"input_reference": png}, headers=keyed),
            http.post(
                "/v1/videos", data={"prompt": long_prompt(self._canaries), **small}, files={"input_reference": jpeg}
            ),
            http.post("/v1/videos", json={"prompt": f"a boat {token('deleted prompt')}", **small}),
        ]
        ids = [str(answered(each)["id"]) for each in wanted]
        for video_id in ids:
            until(partial(_is_completed, http, f"/v1/videos/{video_id}"), "a video", timeout_seconds=90)
        return ids[0], ids[1], ids[2]

    def _look(self, http: httpx2.Client, video_id: str) -> None:
        shown = answered(http.get("/v1/videos"))["data"]
        assert {video["prompt"] for video in shown} >= {f"a boat {self._canaries.token('short prompt')}"}
        path = f"/v1/videos/{video_id}/content"
        self._canaries.piece("output video", http.get(path).content)
        self._canaries.piece("output thumbnail", http.get(path, params={"variant": "thumbnail"}).content)

    def _ask_by_right(self, http: httpx2.Client) -> None:
        token = self._canaries.token
        asked = {"kind": "enquiry", "text": f"What is it? {token('request text')}"}
        path = f"/v1/privacy/requests/{answered(http.post('/v1/privacy/requests', json=asked))['id']}"
        with self._suite.console() as console:
            of_desk = path.replace("/v1/privacy", "/api")
            reading = {"operator": "A. Clerk", "reason": f"to answer {token('reason to read')}"}
            read = answered(console.post(f"{of_desk}/read", json=reading))
            assert read["steps"][0]["text"] == asked["text"]
            answer = {"operator": "A. Clerk", "text": f"This. {token('answer text')}"}
            answered(console.post(f"{of_desk}/answer", json=answer))
        texts = [step["text"] for step in answered(http.get(path))["steps"] if step["text"]]
        assert texts == [asked["text"], reading["reason"], answer["text"]]

        moved = {"kind": "correct", "email": f"{token('new e-mail')}@example.org", "text": token("correction text")}
        answered(http.post("/v1/privacy/requests", json=moved))

    def _stand_in_registers(self, http: httpx2.Client) -> None:
        """An operator enters a breach, writes to whom it touches, and enters what an authority asks."""
        token, clerk = self._canaries.token, {"operator": "A. Clerk"}
        account_id = answered(http.get("/v1/account"))["id"]
        known_at = datetime.fromtimestamp(self._suite.policy_unix(), UTC)
        with self._suite.console() as console:
            known = {"known_at": known_at.isoformat(), "categories": ["identity.email"]}
            news = {**clerk, **known, "text": f"What is known: {token('breach text')}"}
            breach = answered(console.post("/api/registers/breaches", json=news))["breach_id"]
            word = {**clerk, "text": f"Change your password. {token('breach mail')}", "accounts": [account_id]}
            answered(console.post(f"/api/registers/breaches/{breach}/tell", json=word))
            asked = {**clerk, "account_id": account_id, "asked": f"All about {token('demand text')}"}
            asked |= {"authority": "A court", "legal_reference": "1 AR 1/26"}
            answered(console.post("/api/registers/disclosures", json=asked))
        until(lambda: not self._suite.look("SELECT FROM gateway.breach_tellings"), "everybody to be told")
        mails = "SELECT FROM gateway.mails WHERE template = 'breach_notice'"
        until(lambda: not self._suite.look(mails), "the mail to be sent, so that no copy has it")

    def _take_a_copy(self, http: httpx2.Client) -> None:
        """Once the reference images went with their runs: a copy that is asked for before that has them, too."""
        until(lambda: not self._suite.look("SELECT FROM gateway.uploads"), "the uploads to go")
        path = f"/v1/account/export/{answered(http.post('/v1/account/export'))['id']}"
        until(lambda: answered(http.get(path))["state"] == "ready", "the copy", timeout_seconds=90)

    def _sign_in(self, http: httpx2.Client) -> None:
        own = {"Origin": self._suite.url}
        login = {"email": self._email, "password": self._canaries.token("password")}
        answered(http.post("/v1/sessions", json=login, headers=own))
        self._canaries.pieces["session"] = http.cookies["lethe_session"][:24].encode()
        assert answered(http.get("/v1/account"))["email"] == self._email
        assert http.delete("/v1/sessions", headers=own).status_code == 204

    def _reset_password(self, http: httpx2.Client) -> None:
        assert http.post("/v1/password-resets", json={"email": self._email}).status_code == 202
        link = until(self._mailed_link, "the mail with the link")
        self._canaries.pieces["mailed token"] = link[1][:24].encode()
        wish = {"token": link[1], "password": self._canaries.token("new password")}
        assert http.post("/v1/password-resets/confirm", json=wish).status_code == 204

    def _mailed_link(self) -> re.Match[str] | None:
        mine = (mail.replace("=\r\n", "").replace("=3D", "=") for mail in self._sink.mails if self._email in mail)
        return next((link for mail in mine if (link := _LINK.search(mail))), None)

    def _be_refused(self, http: httpx2.Client, key: str) -> None:
        token = self._canaries.token
        login = {"email": f"{token('unknown e-mail')}@example.org", "password": token("wrong password")}
        assert http.post("/v1/sessions", json=login, headers={"Origin": self._suite.url}).status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        assert http.get(f"/v1/videos/{token('path')}", headers=headers).status_code == 404
        assert http.get("/v1/videos", params={token("query"): "1"}, headers=headers).status_code == 400
        body = {"prompt": token("refused prompt"), token("unknown field"): token("unknown value")}
        assert http.post("/v1/videos", json=body, headers=headers).status_code == 400


def _is_completed(http: httpx2.Client, path: str) -> bool:
    video = answered(http.get(path))
    assert video["status"] != "failed", video["error"]
    return bool(video["status"] == "completed")


@contextmanager
def mail_sink() -> Iterator[tuple[MailSink, str]]:
    """A sink that receives, and its address."""
    sink = MailSink()
    (port,) = free_ports(1)
    server = Controller(sink, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield sink, f"smtp://127.0.0.1:{port}"
    finally:
        server.stop()
