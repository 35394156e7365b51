"""What a restore is measured by: all of a person's rows in one digest, a dump as text, what is left in databases, and whether a key is refused."""

import asyncio
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2

from lethe_cli.local.folder import DataFolder
from lethe_cli.local.offline import connected, postgres_alone
from lethe_cli.local.pgfiles import postgres_programs
from tests.suite import Account, RunningSuite

_OF_ACCOUNT = ("accounts", "api_keys", "sessions", "generations", "uploads", "tombstones", "idempotency", "mails")
_OF_SUBJECT = (
    "jobs.subjects",
    "jobs.runs",
    "jobs.assets",
    "billing.subjects",
    "retention.deadlines",
    "retention.plans_held",
)
_OF_WALLET = ("grants", "holds", "transfers", "quotes")
# The day of its last use: looking changes it.
_ROWS = "SELECT (to_jsonb(t) - 'last_used_on')::text AS row FROM {} t WHERE {} ORDER BY 1"
_WALLET = "wallet_id = (SELECT wallet_id FROM billing.subjects WHERE subject_ref = $1)"


def digest_of(suite: RunningSuite, account: Account) -> str:
    """SHA-256 over all rows the services have of a person, in canonical order."""
    return asyncio.run(_digest(suite, account))


async def _digest(suite: RunningSuite, account: Account) -> str:
    wanted = [
        *((f"gateway.{table}", "account_id = $1", account.account_id) for table in _OF_ACCOUNT),
        *((table, "subject_ref = $1", account.subject_ref) for table in _OF_SUBJECT),
        *((f"billing.{table}", _WALLET, account.subject_ref) for table in _OF_WALLET),
    ]
    rows = {
        table: [row["row"] for row in await suite.fetch(_ROWS.format(table, condition), value)]
        for table, condition, value in wanted
    }
    assert sum(map(len, rows.values())) > len(_OF_SUBJECT), "a person with videos has more rows than this"
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def text_of(dump: Path) -> bytes:
    """A dump as the statements it stands for; bytes in hex."""
    program = postgres_programs() / "pg_restore"
    return subprocess.run([program, "--file=-", dump], capture_output=True, check=True).stdout


def refused(url: str, headers: dict[str, str]) -> bool:
    """Whether nobody is recognised by these headers."""
    with httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        return http.get("/v1/credits").status_code == httpx2.codes.UNAUTHORIZED


def told_alone(data: Path, *asked: tuple[str, str]) -> list[Any]:
    """What each statement answers first, by PostgreSQL alone, on the folder of a suite that stands still.

    A statement goes with the database it is meant for. The object store and NATS, which take longest to start, stay down.
    """

    async def ask() -> list[Any]:
        async with postgres_alone(DataFolder(data), "there are no databases") as postgres:
            answers = []
            for database, statement in asked:
                async with connected(postgres, database) as connection:
                    answers.append(await connection.fetchval(statement))
            return answers

    return asyncio.run(ask())
