"""Opens many accounts the way the gateway does, each with keys and a sealed address of its own.

Only the password's hash is made once and sealed 10,000 times: argon2id takes a
sixth of a second by design. The rest of the way is the real one: subjects and
keys from the privacy service, rows through the gateway's own statements, and
AccountOpened through its outbox to billing, jobs and retention.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from lethe_common.bus import connection
from lethe_common.bus.requests import ask
from lethe_common.clock import wall
from lethe_common.database import Database
from lethe_common.events.identity import AccountOpened
from lethe_common.identifiers import AccountId, ApiKeyId, SubjectRef
from lethe_common.rpc.privacy import (
    ItemKey,
    KeyClass,
    KeyIssue,
    KeyIssueQuestion,
    KeyWish,
    SubjectOpen,
    SubjectOpenQuestion,
)
from lethe_common.sealing import SealContext, Sealer
from lethe_common.services import Service
from lethe_gateway import account_queries
from lethe_gateway.accounts import CREDENTIALS, EMAIL
from lethe_gateway.api_keys import new_key
from lethe_gateway.blinding import Blinding, digest
from lethe_gateway.passwords import Passwords
from tests.suite import RunningSuite, until

_GROUP = 250
_OPENING_AT_ONCE = 32
_PATIENCE_SECONDS = 60.0
PLAN = "bench"


@dataclass(frozen=True, slots=True)
class Seeded:
    """One account with its key in clear."""

    account_id: AccountId
    subject_ref: SubjectRef
    email: str
    key: str


async def open_accounts(suite: RunningSuite, count: int, say: Callable[[str], None]) -> list[str]:
    """Open accounts and return their API keys, once every service knows them."""
    login = connection.Login(suite.nats_url, Service.GATEWAY, SecretStr(suite.nats_password(Service.GATEWAY)))
    client = await connection.connect(login, Service.GATEWAY, "seed")
    database = await Database.open(suite.dsn("gateway"), Service.GATEWAY)
    blinding, password = Blinding(SecretStr(suite.secrets.pepper)), await Passwords(1).hash(secrets.token_urlsafe(16))
    slots = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def subject(account: Seeded) -> None:
        question = SubjectOpenQuestion(subject_ref=account.subject_ref, login_index=blinding.login_index(account.email))
        async with slots:
            await ask(client, Service.GATEWAY, SubjectOpen, question, _PATIENCE_SECONDS)

    keys: list[str] = []
    try:
        while len(keys) < count:
            group = [_fresh() for _ in range(min(_GROUP, count - len(keys)))]
            await asyncio.gather(*(subject(account) for account in group))
            wishes = tuple(
                KeyWish(subject_ref=one.subject_ref, item_id=one.account_id, key_class=KeyClass.IDENTITY)
                for one in group
            )
            held = (await ask(client, Service.GATEWAY, KeyIssue, KeyIssueQuestion(wishes=wishes))).keys
            await _write(database, group, held, password)
            keys += [account.key for account in group]
            say(f"accounts {len(keys)}")
    finally:
        await database.close()
        await client.close()
    await asyncio.to_thread(_wait, suite, count)
    return keys


def _fresh() -> Seeded:
    address = f"person-{secrets.token_hex(8)}@example.org"
    return Seeded(AccountId.new(), SubjectRef.new(), address, new_key())


async def _write(database: Database, group: Sequence[Seeded], held: Sequence[ItemKey], password: str) -> None:
    sealer, now = Sealer(is_on=True), wall()

    def sealed(account: Seeded, key: ItemKey, category: str, text: str) -> bytes:
        assert key.key is not None
        assert key.key_id is not None
        context = SealContext(category, account.subject_ref, account.account_id, key.key_id)
        return sealer.seal(key.key, context, text.encode())

    rows = [
        (
            account.account_id, account.subject_ref, sealed(account, key, EMAIL, account.email),
            sealed(account, key, CREDENTIALS, password), key.key_id, secrets.token_hex(16), PLAN, "active", now,
        )
        for account, key in zip(group, held, strict=True)
    ]  # fmt: skip
    async with database.transaction() as tx:
        await tx.executemany(account_queries.INSERT_ACCOUNT, rows)
        await tx.executemany(
            account_queries.INSERT_KEY,
            [(ApiKeyId.new(), account.account_id, digest(account.key), now) for account in group],
        )
        for account in group:
            tx.tell(AccountOpened(subject_ref=account.subject_ref, plan=PLAN, opened_at=now))


def _wait(suite: RunningSuite, count: int) -> None:
    sql = """
        SELECT (SELECT count(*) FROM billing.subjects) = $1 AND (SELECT count(*) FROM jobs.subjects) = $1
               AND (SELECT count(*) FROM retention.plans_held) = $1
    """
    until(lambda: suite.look(sql, count)[0][0], "every service to know the accounts", 120)
