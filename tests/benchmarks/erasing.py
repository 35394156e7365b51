"""How long it takes to forget one person among a million, from the request to the certificate, verified.

The whole suite runs as it is: `DELETE /v1/account` fences, asks about legal holds, has four services
count, remove and count again, destroys the keys, looks with the verifier's eyes into three databases and
the store, signs, enters the certificate in its log, and answers. Against it: for another person like this
one, a loop over the same tables that counts, sends one set-based DELETE and counts again, in one transaction
for each database; then the objects removed under the same three prefixes, and the same look of the verifier, on
connections that are open already. It tells nobody, keeps nothing, survives no crash and proves nothing.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import httpx2

from lethe_common.clock import monotonic_seconds
from lethe_common.database.roles import DATABASE, FACTS_DATABASE, KEYS_DATABASE
from lethe_common.exports import CATEGORY as EXPORTS
from lethe_common.identifiers import SubjectRef
from lethe_common.storage import Storage, new_object_prefix, subject_prefix
from lethe_gateway.outcome_queries import ACCOUNT_STORES
from lethe_gateway.uploads import CATEGORY as UPLOADS
from lethe_jobs.models import OUTPUT_PREFIX
from lethe_privacy.verification import Cluster, Verifier
from tests.suite import Account, RunningSuite, answered, until

VIDEOS = 10
_OBJECT = b"\0" * 1024
_ORDER = {"model": "noop", "prompt": "A calico cat playing a piano on stage", "seconds": 4, "size": "1280x720"}
_PATIENCE_SECONDS = 120.0

_SETTLED = """
    SELECT (SELECT count(*) FROM gateway.generations WHERE account_id = $1 AND state = 'completed'
               AND credits_charged IS NOT NULL AND expires_at IS NOT NULL) = $2
"""
_OBJECT_RANDOM = "SELECT object_random FROM jobs.subjects WHERE subject_ref = $1"
_STORAGE_REF = "SELECT storage_ref FROM gateway.accounts WHERE subject_ref = $1"
_GIVE_OBJECTS = """
    UPDATE jobs.assets a SET object_key = o.key
      FROM (SELECT generation_id, row_number() OVER (ORDER BY generation_id) AS place
              FROM jobs.assets WHERE subject_ref = $1 AND variant = 'video') mine,
           unnest($2::text[]) WITH ORDINALITY o(key, place)
     WHERE a.generation_id = mine.generation_id AND a.variant = 'video' AND o.place = mine.place
"""
_MINE = "wallet_id = (SELECT wallet_id FROM billing.subjects WHERE subject_ref = $1)"
_BY_REFERENCE = "subject_ref = $1"
# In an order that foreign keys allow; what law keeps stays, as it does in an erasure.
_TABLES: dict[str, Sequence[tuple[str, str]]] = {
    DATABASE: [
        *((f"gateway.{table}", "account_id = (SELECT account_id FROM gateway.accounts WHERE subject_ref = $1)")
          for table, _ in ACCOUNT_STORES),
        ("jobs.attempts", "generation_id IN (SELECT generation_id FROM jobs.runs WHERE subject_ref = $1)"),
        *((f"jobs.{table}", _BY_REFERENCE) for table in ("assets", "removals", "early_cancels", "runs", "subjects")),
        *((f"billing.{table}", _MINE) for table in ("grants", "holds", "quotes")),
        ("billing.subjects", _BY_REFERENCE),
        *((f"retention.{table}", _BY_REFERENCE) for table in ("deadlines", "plans_held", "pauses", "legal_holds")),
    ],
    FACTS_DATABASE: [(f"privacy.{table}", _BY_REFERENCE) for table in ("requests", "exports", "access_bodies")],
    KEYS_DATABASE: [
        *((f"keys.{table}", _BY_REFERENCE) for table in ("item_keys", "class_keys", "login_index", "losses", "subjects")),
    ],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Erased:
    """One erasure: how long it took, and how many rows and objects its certificate says there were."""

    seconds: float
    records: int


async def people(suite: RunningSuite, count: int) -> list[Account]:
    """People with a session, ten videos each, and an object for each video."""
    made = [await asyncio.to_thread(_person, suite) for _ in range(count)]
    for account in made:
        await asyncio.to_thread(_until_settled, suite, account)
        await _give_objects(suite, account)
    return made


def _person(suite: RunningSuite, videos: int = VIDEOS) -> Account:
    account = suite.open_account()
    with suite.anonymous() as client:
        login = {"email": account.email, "password": account.password}
        answered(client.post("/v1/sessions", json=login, headers={"Origin": suite.url}))
    with account.http() as client:
        for _ in range(videos):
            answered(client.post("/v1/videos", json=_ORDER, headers={"Idempotency-Key": secrets.token_hex(8)}))
    return account


def _until_settled(suite: RunningSuite, account: Account, videos: int = VIDEOS) -> None:
    until(lambda: suite.look(_SETTLED, account.account_id, videos)[0][0], "videos to be settled", _PATIENCE_SECONDS)


async def original(suite: RunningSuite) -> Account:
    """The one that the million others are copies of: a session, and one video without an object."""
    account = await asyncio.to_thread(_person, suite, 1)
    await asyncio.to_thread(_until_settled, suite, account, 1)
    return account


async def erased(account: Account) -> Erased:
    """Ask to be forgotten, and wait for the certificate."""
    headers = {"Authorization": f"Bearer {account.key}"}
    async with httpx2.AsyncClient(base_url=account.url, trust_env=False, timeout=60, headers=headers) as client:
        answered(await client.get("/v1/account"))  # so that connecting is not measured
        began = monotonic_seconds()
        response = await client.delete("/v1/account")
        took = monotonic_seconds() - began
    assert response.status_code == httpx2.codes.OK, f"not certified in time: {response.text}"
    stores = response.json()["certificate"]["payload"]["stores"]
    return Erased(took, sum(line["before"] - line["after"] for line in stores))


async def set_based(suite: RunningSuite, account: Account) -> Erased:
    """Delete another person table by table, with the same counts and looks."""
    ref = SubjectRef(account.subject_ref)
    connections = {name: await asyncpg.connect(suite.superuser_dsn(name)) for name in _TABLES}
    owners = {name: _storage(suite, name) for name in ("gateway", "jobs")}
    urls = {cluster: suite.dsn("verifier", cluster.value) for cluster in Cluster}
    verifier = await Verifier.open(urls, _storage(suite, "verifier"))
    prefixes = await _prefixes(suite, ref)
    try:
        # So that connecting is not measured, as with those connected above.
        await verifier.look(ref, list(prefixes))
        for prefix, owner in prefixes.items():
            await owners[owner].remains(prefix)
        began = monotonic_seconds()
        records = 0
        for name, tables in _TABLES.items():
            records += await _delete(connections[name], tables, ref)
        for prefix, owner in prefixes.items():
            records += (await owners[owner].remains(prefix)).object_versions
            await owners[owner].remove_all_versions(prefix)
            assert (await owners[owner].remains(prefix)).is_empty
        found = await verifier.look(ref, list(prefixes))
        took = monotonic_seconds() - began
        assert not any(finding.found for finding in found)
    finally:
        for connection in connections.values():
            await connection.close()
        for storage in owners.values():
            await storage.close()
        await verifier.close()
    return Erased(took, records)


async def _prefixes(suite: RunningSuite, ref: SubjectRef) -> dict[str, str]:
    """Where objects of a person may lie, and who may remove them: all places that an erasure looks into."""
    outputs = (await suite.fetch(_OBJECT_RANDOM, ref))[0][0]
    theirs = (await suite.fetch(_STORAGE_REF, ref))[0][0]
    gateways = {subject_prefix(category, theirs): "gateway" for category in (UPLOADS, EXPORTS)}
    return {subject_prefix(OUTPUT_PREFIX, outputs): "jobs", **gateways}


async def _delete(connection: asyncpg.Connection, tables: Sequence[tuple[str, str]], ref: SubjectRef) -> int:
    async with connection.transaction():
        counts = {table: f"SELECT count(*) FROM {table} WHERE {of}" for table, of in tables}
        before = [await connection.fetchval(sql, ref) for sql in counts.values()]
        for table, of in tables:
            await connection.execute(f"DELETE FROM {table} WHERE {of}", ref)
        after = [await connection.fetchval(sql, ref) for sql in counts.values()]
    assert not any(after)
    return sum(before)


async def _give_objects(suite: RunningSuite, account: Account) -> None:
    """What the provider that renders nothing did not store: an object for each video, as jobs names them."""
    random = (await suite.fetch(_OBJECT_RANDOM, account.subject_ref))[0][0]
    keys = [f"{new_object_prefix(OUTPUT_PREFIX, random)}{secrets.token_hex(16)}-video" for _ in range(VIDEOS)]
    storage = _storage(suite, "jobs")
    for key in keys:
        await storage.put_bytes(key, _OBJECT)
    await storage.close()
    await suite.fetch(_GIVE_OBJECTS, account.subject_ref, keys)


def _storage(suite: RunningSuite, identity: str) -> Storage:
    key = suite.s3_key(identity)
    return Storage(suite.s3_endpoint, key.access_key, key.secret_key, suite.runtime.s3_bucket)
