"""The way out on the wire: what arrives, what does not, and what operators see of it; direct, by SDK, by porter."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx2
import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from lethe_cli.local.ports import free_ports
from lethe_common.clock import RealClock
from lethe_common.egress import (
    Attachment,
    DirectWay,
    Egress,
    EgressRefused,
    EgressTransport,
    Limits,
    Outbound,
    Porter,
    PorterWay,
    Reason,
    Recipient,
    Recipients,
    Refusals,
    SyncEgressTransport,
)
from lethe_common.egress.declared import recipients_of
from lethe_common.errors import Unavailable
from lethe_common.policy import load_policy
from tests.flows.persona import MailSink
from tests.tree import ROOT
from tests.witness import Witness, witness

CANARY = "canary-of-a-person"


@dataclass(frozen=True, slots=True)
class Stage:
    """A declared server, another one, and the way out."""

    declared: Witness
    other: Witness
    egress: Egress

    def outbound(self, path: str = "/v1/videos", **other: Any) -> Outbound:
        wanted = {"recipient": "renderer", "purpose": "service", "method": "POST", "url": f"{self.declared.url}{path}"}
        return Outbound(**(wanted | other))

    def reasons(self) -> list[Reason]:
        return [one.reason for one in self.egress.refusals.last()]


def recipient(seen: Witness, **other: Any) -> Recipient:
    """The renderer, on this machine."""
    wanted: dict[str, Any] = {
        "id": "renderer",
        "hosts": frozenset({"127.0.0.1"}),
        "ports": frozenset({seen.port}),
        "purposes": frozenset({"service"}),
        "fields": frozenset({"prompt", "reference"}),
        "is_private": True,
        "is_plain_http": True,
    }
    return Recipient(**(wanted | other))


def today() -> date:
    return date(2026, 12, 1)


@pytest.fixture(params=["direct", "porter"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with witness() as declared, witness() as other:
        recipients = Recipients(lambda: [recipient(declared)])
        async with way_of(request.param, recipients, tmp_path) as way:
            egress = Egress(
                recipients, way, Refusals(CollectorRegistry(), RealClock().now), Limits(answer_bytes=50_000)
            )
            yield Stage(declared, other, egress)
            await egress.close()


@asynccontextmanager
async def way_of(kind: str, recipients: Recipients, folder: Path) -> AsyncIterator[DirectWay | PorterWay]:
    direct = DirectWay(recipients, today)
    if kind == "direct":
        yield direct
        return
    porter = Porter(direct, folder / "egress.sock")
    await porter.start()
    yield PorterWay(folder / "egress.sock")
    await porter.stop()


async def test_declared_fields_arrive_where_they_are_declared_to_go(stage: Stage) -> None:
    answer = await stage.egress.send(stage.outbound(fields={"prompt": CANARY}, credential=SecretStr("key-of-ours")))

    assert answer.is_success
    assert answer.json() == {"is_done": True}
    assert f'{{"prompt": "{CANARY}"}}'.encode() in stage.declared.heard
    assert b"authorization: Bearer key-of-ours" in stage.declared.heard
    assert f"host: 127.0.0.1:{stage.declared.port}".encode() in stage.declared.heard.lower()


async def test_a_file_arrives_under_its_fields_name(stage: Stage) -> None:
    await stage.egress.send(stage.outbound(attachments={"reference": Attachment("image/png", b"\x89PNG")}))

    assert b'filename="reference.png"' in stage.declared.heard


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"fields": {"email": CANARY}}, Reason.FIELD),
        ({"purpose": "marketing"}, Reason.PURPOSE),
        ({"recipient": "nobody"}, Reason.RECIPIENT),
        ({"path": f"/v1?q={CANARY}"}, Reason.QUERY),
        ({"path": f"/v1/{CANARY}", "fields": {"prompt": CANARY}}, Reason.PATH),
    ],
)
async def test_what_is_not_declared_does_not_arrive_and_operators_see_that(
    stage: Stage, changed: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(EgressRefused):
        await stage.egress.send(stage.outbound(**changed))

    assert stage.declared.connections == 0
    assert stage.reasons() == [reason]
    assert CANARY not in repr(stage.egress.refusals.last())


async def test_no_other_host_is_reached_by_name_or_by_redirect(stage: Stage) -> None:
    with pytest.raises(EgressRefused):
        await stage.egress.send(stage.outbound(url=f"{stage.other.url}/v1"))
    stage.declared.elsewhere = f"{stage.other.url}/{CANARY}"
    with pytest.raises(EgressRefused):
        await stage.egress.send(stage.outbound("/moved", method="GET"))

    assert stage.other.connections == 0
    assert stage.reasons() == [Reason.PORT, Reason.PORT]


async def test_a_redirect_within_the_recipient_is_followed_and_one_that_never_ends_is_not(stage: Stage) -> None:
    stage.declared.elsewhere = f"{stage.declared.url}/v1/videos"
    assert (await stage.egress.send(stage.outbound("/moved", method="GET"))).is_success

    stage.declared.elsewhere = f"{stage.declared.url}/moved"
    with pytest.raises(EgressRefused):
        await stage.egress.send(stage.outbound("/moved", method="GET"))


async def test_an_answer_larger_than_allowed_is_not_read(stage: Stage) -> None:
    with pytest.raises(EgressRefused):
        await stage.egress.send(stage.outbound("/large", method="GET"))

    assert stage.reasons() == [Reason.TOO_LARGE]


async def test_an_answer_that_comes_packed_is_not_unpacked(stage: Stage) -> None:
    with pytest.raises(EgressRefused):
        await stage.egress.send(stage.outbound("/packed", method="GET"))

    assert b"accept-encoding: identity" in stage.declared.heard
    assert stage.reasons() == [Reason.BODY]


async def test_a_vendors_sdk_says_what_is_declared_and_nothing_else(stage: Stage) -> None:
    """As SDKs do: headers of their own, redirects followed by themselves."""
    transport = EgressTransport(stage.egress, "renderer", "service")
    async with httpx2.AsyncClient(transport=transport, follow_redirects=True, headers={"X-Machine": CANARY}) as sdk:
        assert (await sdk.post(f"{stage.declared.url}/v1", json={"prompt": "x"})).json() == {"is_done": True}
        stage.declared.elsewhere = f"{stage.other.url}/v1"
        for deed in (
            sdk.post(f"{stage.declared.url}/v1", json={"prompt": "x", "telemetry": CANARY}),
            sdk.get(f"{stage.declared.url}/v1", params={"who": CANARY}),
            sdk.post(f"{stage.declared.url}/v1", files={"reference": (f"{CANARY}.png", b"x")}),
            sdk.get(f"{stage.declared.url}/moved"),
        ):
            with pytest.raises(EgressRefused):
                await deed

    assert CANARY.encode() not in stage.declared.heard
    assert stage.other.connections == 0
    assert stage.reasons() == [Reason.PORT, Reason.FILE_NAME, Reason.QUERY, Reason.FIELD]


async def test_an_sdk_that_blocks_goes_the_same_way(stage: Stage) -> None:
    transport = SyncEgressTransport(stage.egress, "renderer", "service", asyncio.get_running_loop())

    def blocking() -> Any:
        with httpx2.Client(transport=transport) as sdk:
            return sdk.post(f"{stage.declared.url}/v1", json={"prompt": "x"}).json()

    assert await asyncio.to_thread(blocking) == {"is_done": True}


async def test_a_name_that_leads_inside_is_refused_before_anything_is_dialled() -> None:
    async with witness() as seen:
        declared = recipient(seen, hosts=frozenset({"localhost"}), is_private=False)
        recipients = Recipients(lambda: [declared])
        egress = Egress(recipients, DirectWay(recipients, today), Refusals(CollectorRegistry(), RealClock().now))

        with pytest.raises(EgressRefused):
            await egress.send(Outbound("renderer", "service", "GET", f"http://localhost:{seen.port}/v1"))

        assert seen.connections == 0
        assert [one.reason for one in egress.refusals.last()] == [Reason.ADDRESS]


async def test_a_recipient_that_is_away_is_told_apart_from_a_refusal(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    recipients = Recipients(lambda: [recipient(Witness(port))])
    for way in (DirectWay(recipients, today), PorterWay(tmp_path / "nobody.sock")):
        egress = Egress(recipients, way, Refusals(CollectorRegistry(), RealClock().now))
        with pytest.raises(Unavailable):
            await egress.send(Outbound("renderer", "service", "GET", f"http://127.0.0.1:{port}/v1"))
        assert egress.refusals.last() == []


@pytest.mark.parametrize(("name", "is_accepted"), [("localhost", True), ("other.example.org", False)])
async def test_the_checked_address_is_dialled_and_the_declared_name_is_what_the_certificate_must_say(
    name: str, is_accepted: bool, tmp_path: Path
) -> None:
    async with witness(_certificate(tmp_path, name)) as seen:
        recipients = Recipients(lambda: [recipient(seen, hosts=frozenset({"localhost"}))])
        trusting = ssl.create_default_context(cafile=tmp_path / "server.pem")
        way = DirectWay(recipients, today, verify=trusting)
        egress = Egress(recipients, way, Refusals(CollectorRegistry(), RealClock().now))
        request = Outbound("renderer", "service", "POST", f"https://localhost:{seen.port}/v1", {"prompt": CANARY})

        if is_accepted:
            assert (await egress.send(request)).is_success
        else:
            with pytest.raises(Unavailable):
                await egress.send(request)
        await egress.close()

        assert (CANARY.encode() in seen.heard) is is_accepted


@pytest.mark.parametrize("kind", ["direct", "porter"])
async def test_mail_goes_through_a_tunnel_to_its_declared_server_only(kind: str, tmp_path: Path) -> None:
    sink = MailSink()
    port, closed = free_ports(2)
    server = Controller(sink, hostname="127.0.0.1", port=port)
    server.start()
    try:
        declared = recipient(Witness(port), id="mail")
        recipients = Recipients(lambda: [declared])
        async with way_of(kind, recipients, tmp_path) as way:
            egress = Egress(recipients, way, Refusals(CollectorRegistry(), RealClock().now))
            connection = await egress.tunnel("127.0.0.1", port)
            await aiosmtplib.send("hello", sender="a@example.org", recipients=["b@example.org"], sock=connection)
            for host, wrong in (("127.0.0.1", closed), ("192.0.2.1", port)):
                with pytest.raises(EgressRefused):
                    await egress.tunnel(host, wrong)
            assert [one.reason for one in egress.refusals.last()] == [Reason.RECIPIENT, Reason.PORT]
    finally:
        server.stop()

    assert [mail.strip() for mail in sink.mails] == ["hello"]


async def test_the_porter_as_a_process_carries_what_the_published_policy_lists(tmp_path: Path) -> None:
    """Nothing leaves this machine: each passage is refused before anything is resolved."""
    profile, path = ROOT / "deploy/profiles/aisora2", tmp_path / "egress.sock"
    environment = {**os.environ, "LETHE_PROFILE": str(profile), "LETHE_EGRESS_SOCKET": str(path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lethe_common.egress", env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b'"ready"' in await process.stdout.readline()
    (stripe, *_) = [one for one in recipients_of(load_policy(profile).content.recipients) if one.id == "stripe"]
    recipients = Recipients(
        lambda: [replace(stripe, fields=frozenset({"amount", "email"}), hosts=frozenset({"evil.test"}))]
    )
    egress = Egress(recipients, PorterWay(path), Refusals(CollectorRegistry(), RealClock().now))
    for url, fields in (("https://evil.test/v1", {"amount": 1}), ("https://api.stripe.com/v1", {"email": CANARY})):
        with pytest.raises(EgressRefused):
            await egress.send(Outbound("stripe", "service", "POST", url, fields))
    with pytest.raises(EgressRefused):
        await egress.tunnel("mail.example.org", 2525)
    process.terminate()

    assert await process.wait() == 0
    assert [one.reason for one in egress.refusals.last()] == [Reason.RECIPIENT, Reason.FIELD, Reason.HOST]
    assert not path.exists()


async def test_the_porter_outlives_whoever_speaks_nonsense_to_it(tmp_path: Path) -> None:
    async with witness() as seen:
        recipients = Recipients(lambda: [recipient(seen)])
        async with way_of("porter", recipients, tmp_path) as way:
            for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b'{"body_bytes": -1}\n', b"[1]\n", b"x" * 200_000):
                reader, writer = await asyncio.open_unix_connection(tmp_path / "egress.sock")
                writer.write(nonsense)
                writer.write_eof()
                await reader.read()
                writer.close()
            egress = Egress(recipients, way, Refusals(CollectorRegistry(), RealClock().now))
            assert (await egress.send(Outbound("renderer", "service", "GET", f"{seen.url}/v1"))).is_success


def _certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a fresh certificate for one name, written beside its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = RealClock().now() - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
