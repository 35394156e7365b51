import asyncio
import hashlib
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nats.aio.client import Client
from pydantic import SecretStr

from lethe_common.bus.connection import Login, connect
from lethe_common.bus.requests import ask
from lethe_common.certificates import public_pem
from lethe_common.identifiers import GenerationId, SubjectRef
from lethe_common.rpc.envelope import Refused
from lethe_common.rpc.privacy import (
    ErasureOpen,
    ErasureOpenQuestion,
    IndexLookup,
    IndexLookupQuestion,
    KeyClass,
    KeyIssue,
    KeyIssueQuestion,
    KeyLease,
    KeyLeaseQuestion,
    KeyWish,
    LeaseWish,
    PublicKey,
    PublicKeyQuestion,
    Purpose,
    SubjectOpen,
    SubjectOpenQuestion,
)
from lethe_common.services import Service
from tests.integration.key_store import emptied_for_a_process
from tests.servers import RunningServers
from tests.tree import ROOT


@pytest.fixture(scope="module")
def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def privacy(
    servers: RunningServers, tmp_path_factory: pytest.TempPathFactory, signing_key: Ed25519PrivateKey
) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("privacy")
    pem = folder / "signing.pem"
    pem.write_bytes(signing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environment = servers.environment(Service.PRIVACY) | {
        "LETHE_PROFILE": str(ROOT / "deploy/profiles/aisora2"),
        "LETHE_KEYRING": str(emptied_for_a_process(servers, folder / "keyring")),
        "LETHE_SIGNING_KEY": str(pem),
    }
    process = subprocess.Popen([sys.executable, "-m", "lethe_privacy"], env=environment, stdout=subprocess.DEVNULL)
    yield
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture
async def gateway(servers: RunningServers, privacy: None) -> AsyncIterator[Client]:
    login = Login(servers.nats_url, "gateway", SecretStr(servers.nats_password("gateway")))
    client = await connect(login, Service.GATEWAY, "test")
    yield client
    await client.close()


async def opened_subject(client: Client) -> tuple[SubjectRef, str]:
    subject_ref, index = SubjectRef.new(), hashlib.sha256(secrets.token_bytes(8)).hexdigest()
    question = SubjectOpenQuestion(subject_ref=subject_ref, login_index=index)
    assert (await ask(client, Service.GATEWAY, SubjectOpen, question, 30)).is_opened
    return subject_ref, index


async def test_the_gateway_opens_a_subject_gets_a_key_and_finds_both_again(gateway: Client) -> None:
    subject_ref, index = await opened_subject(gateway)
    item_id = GenerationId.new()
    wanted = KeyIssueQuestion(wishes=(KeyWish(subject_ref=subject_ref, item_id=item_id, key_class=KeyClass.CONTENT),))
    shown = KeyLeaseQuestion(
        purpose=Purpose.SHOW, process="0" * 16, wishes=(LeaseWish(subject_ref=subject_ref, item_id=item_id),)
    )
    made = KeyLeaseQuestion(purpose=Purpose.GENERATE, process="0" * 16, wishes=shown.wishes)

    (issued,) = (await ask(gateway, Service.GATEWAY, KeyIssue, wanted)).keys
    (leased,) = (await ask(gateway, Service.GATEWAY, KeyLease, shown)).keys
    (refused,) = (await ask(gateway, Service.GATEWAY, KeyLease, made)).keys
    found = await ask(gateway, Service.GATEWAY, IndexLookup, IndexLookupQuestion(login_index=index))

    assert issued == leased
    assert issued.key is not None
    assert (refused.key, refused.refusal) == (None, "purpose_refused")
    assert found.subject_ref == subject_ref


async def test_many_questions_at_once_each_get_their_own_answers(gateway: Client) -> None:
    subject_ref, _ = await opened_subject(gateway)

    async def issue(count: int) -> set[str]:
        wishes = tuple(
            KeyWish(subject_ref=subject_ref, item_id=GenerationId.new(), key_class=KeyClass.CONTENT)
            for _ in range(count)
        )
        answer = await ask(gateway, Service.GATEWAY, KeyIssue, KeyIssueQuestion(wishes=wishes))
        assert [key.item_id for key in answer.keys] == [wish.item_id for wish in wishes]
        return {str(key.key) for key in answer.keys}

    keys = await asyncio.gather(*(issue(count) for count in range(1, 60)))

    assert len(set().union(*keys)) == sum(range(1, 60))


async def test_the_public_key_is_the_one_that_signs(gateway: Client, signing_key: Ed25519PrivateKey) -> None:
    answer = await ask(gateway, Service.GATEWAY, PublicKey, PublicKeyQuestion(), 30)

    assert answer.pem == public_pem(signing_key)


async def test_a_refusal_carries_its_code_and_status(gateway: Client) -> None:
    question = ErasureOpenQuestion(subject_ref=SubjectRef.new(), claim_hash=secrets.token_hex(32))

    with pytest.raises(Refused) as refusal:
        await ask(gateway, Service.GATEWAY, ErasureOpen, question, 30)

    assert (refusal.value.refusal_code, refusal.value.refusal_status) == ("subject_unknown", 404)
