"""The whole suite for tests: `lethe up` on a folder of its own, seen as its users and its operator see it.

Fixture `suite`: once per test process, on a virtual clock. Variants of it (other
settings, sealing off) are made with `running_suite`.
"""

import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx2
import openai
import pytest

from lethe_cli.local import clock, control
from lethe_cli.local.folder import DataFolder
from lethe_cli.local.ports import free_ports
from lethe_cli.local.runtime import Runtime
from lethe_cli.local.secrets import Secrets
from lethe_common.clock import monotonic_seconds, read_virtual
from lethe_common.database.roles import DATABASE, FACTS_DATABASE, KEYS_DATABASE
from tests import plain
from tests.forked import Forked, forked, started
from tests.looks import Looks
from tests.newcomers import told
from tests.servers import RunningServers, temporary_data_folder

T = TypeVar("T")

_READY_SECONDS = 240.0
_LOOK_SECONDS, _RAREST_LOOK_SECONDS = 0.05, 0.5
_CHEAP = {"PASSWORD_COST": "owasp"}
"""Hundreds of people sign up; with the usual cost each takes a quarter of a second of a slow core."""


@dataclass(frozen=True, slots=True)
class Account:
    """One signed-up person and the key they got."""

    url: str
    account_id: str
    subject_ref: str
    email: str
    password: str
    key: str

    def openai(self, *, url: str | None = None, **options: Any) -> openai.OpenAI:
        """The official SDK, unchanged, with this account's key."""
        return openai.OpenAI(base_url=f"{url or self.url}/v1", api_key=self.key, **options)

    def http(self, *, url: str | None = None) -> httpx2.Client:
        """Plain HTTP with this account's key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return plain.client(url or self.url, headers)

    def balance(self) -> dict[str, Any]:
        """What `GET /v1/credits` says."""
        with self.http() as client:
            return answered(client.get("/v1/credits"))


@dataclass(frozen=True, slots=True)
class RunningSuite(RunningServers):
    """A running `lethe up`; everything `RunningServers` has, and the five services."""

    output: Path
    """What the process printed."""
    looks: Looks = field(default_factory=Looks, repr=False)

    @property
    def url(self) -> str:
        return str(self.runtime.url)

    @property
    def console_url(self) -> str:
        return str(self.runtime.console_url)

    @property
    def operator_token(self) -> str:
        return self.secrets.operator_token

    def wait_for(self, name: str) -> None:
        """Return when a program that was killed serves again."""
        control.ask(self.data, "start", name)

    def pid(self, name: str) -> int | None:
        """A program's process."""
        return next(program.pid for program in control.ask(self.data, "status") if program.name == name)

    def advance(self, duration: str) -> None:
        """What `lethe clock advance` does: returns when every service has done what was due."""
        clock.advance(self.data, duration)

    def policy_unix(self) -> float:
        """Policy time, in seconds since 1970."""
        return read_virtual(DataFolder(self.data).clock)[0].timestamp()

    def anonymous(self) -> httpx2.Client:
        """Plain HTTP without a key."""
        return plain.client(self.url)

    def console(self) -> httpx2.Client:
        """The operator's console, with its token."""
        headers = {"Authorization": f"Bearer {self.operator_token}"}
        return plain.client(self.console_url, headers)

    def open_account(
        self,
        plan: str | None = None,
        email: str | None = None,
        password: str | None = None,
        consents: Mapping[str, bool] | None = None,
    ) -> Account:
        """Sign a fresh person up and wait for the credits that come with it; `plan` as the operator sets it."""
        address = email or f"person-{secrets.token_hex(8)}@example.org"
        chosen = password or secrets.token_urlsafe(16)
        with self.anonymous() as client:
            newcomer = {"email": address, "password": chosen, "consents": dict(consents or {}), **told(client)}
            opened = answered(client.post("/v1/accounts", json=newcomer))
        account = self._opened(opened, address, chosen)
        if plan is not None:
            self.change_plan(account, plan)
        return account

    def open_guest(self) -> Account:
        """Let a fresh guest in, who has no address and no password, and wait for the credits that come with it."""
        with self.anonymous() as client:
            return self._opened(answered(client.post("/v1/guests", json=told(client))), "", "")

    def _opened(self, opened: Mapping[str, Any], address: str, password: str) -> Account:
        account_id = opened["account"]["id"]
        sql = "SELECT subject_ref FROM gateway.accounts WHERE account_id = $1"
        ref = str(self.look(sql, account_id)[0]["subject_ref"])
        until(lambda: self.look("SELECT 1 FROM billing.subjects WHERE subject_ref = $1", ref), "the account's credits")
        return Account(self.url, account_id, ref, address, password, opened["api_key"]["key"])

    def change_plan(self, account: Account, plan: str) -> None:
        """The operator puts an account on a plan; returns when the gateway knows."""
        with self.console() as client:
            answered(client.post(f"/api/accounts/{account.account_id}/plan", json={"plan": plan}))
        sql = "SELECT 1 FROM gateway.accounts WHERE account_id = $1 AND plan = $2"
        until(lambda: self.look(sql, account.account_id, plan), "the plan's way to the gateway")

    def books(self) -> dict[str, Any]:
        """What the operator's ledger check says."""
        with self.console() as client:
            return answered(client.post("/api/ledger/verify"))

    def look(self, sql: str, *arguments: object, database: str | None = None) -> list[asyncpg.Record]:
        """Rows as the superuser sees them. For tests without a running loop; others await `fetch`.

        Without a name it is the database with the schema that the statement speaks of.
        """
        return self.looks.fetch(self.superuser_dsn(database or _database_in(sql)), sql, *arguments)

    def look_at_keys(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """The same in the key store's database; its schema is `keys`."""
        return self.look(sql, *arguments, database=KEYS_DATABASE)

    async def fetch(self, sql: str, *arguments: object, database: str | None = None) -> list[asyncpg.Record]:
        """Rows as the superuser sees them, whoever owns them."""
        connection = await asyncpg.connect(self.superuser_dsn(database or _database_in(sql)))
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return rows
        finally:
            await connection.close()


def _database_in(sql: str) -> str:
    # Types of events begin with a domain's name, too.
    return FACTS_DATABASE if re.search(r"\b(FROM|JOIN|INTO|UPDATE)\s+privacy\.", sql, re.IGNORECASE) else DATABASE


def answered(response: httpx2.Response) -> dict[str, Any]:
    """The JSON of an answer that is no refusal."""
    assert response.is_success, f"{response.status_code}: {response.text}"
    body: dict[str, Any] = response.json()
    return body


def until(condition: Callable[[], T | None], what: str, timeout_seconds: float = 30.0) -> T:
    """The first true answer of `condition`, asked again and again.

    Ever more rarely, since asking is work for all services: a tenth of what was waited may be lost, half a second at most.
    """
    began = monotonic_seconds()
    while True:
        if answer := condition():
            return answer
        waited = monotonic_seconds() - began
        assert waited < timeout_seconds, f"waited {timeout_seconds:.0f} s for {what}"
        time.sleep(min(max(_LOOK_SECONDS, waited / 10), _RAREST_LOOK_SECONDS))


@contextmanager
def running_suite(
    data: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    is_virtual: bool = True,
    is_forked: bool = True,
) -> Iterator[RunningSuite]:
    """Start the suite on a data folder and stop it afterwards.

    `settings` go into every service's environment, without their LETHE_:
    `{"SEALING": "off"}`; they go over `_CHEAP`. `arguments` go to `lethe up` as they are. `is_forked`:
    from a process that has imported all; else in an interpreter of its own.
    """
    port, console_port = free_ports(2)
    command = ["up", "--data", str(data), *arguments]
    command += ["--port", str(port), "--console-port", str(console_port)]
    command += ["--virtual-clock"] if is_virtual else []
    given = {**_CHEAP, **(settings or {})}
    command += [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
    output = data.with_name(f"{data.name}.output")
    with output.open("wb") as said:
        process = (forked if is_forked else started)("lethe_cli", command, os.environ, said)
    try:
        runtime = _wait_until_ready(process, data, output)
        secrets_ = Secrets.model_validate_json(DataFolder(data).secrets.read_bytes())
        suite = RunningSuite(data, runtime, secrets_, output)
        try:
            yield suite
        finally:
            suite.looks.close()
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_ready(process: "Forked | subprocess.Popen[bytes]", data: Path, output: Path) -> Runtime:
    file = DataFolder(data).runtime
    give_up_at = monotonic_seconds() + _READY_SECONDS
    while monotonic_seconds() < give_up_at and process.poll() is None:
        if file.exists():
            runtime = Runtime.model_validate_json(file.read_bytes())
            # A suite that was killed has left its own file behind.
            if runtime.is_ready and runtime.pid == process.pid:
                return runtime
        time.sleep(_LOOK_SECONDS)
    raise RuntimeError(f"the suite did not become ready:\n{output.read_text(errors='replace')[-8000:]}")


@contextmanager
def fresh_suite(
    *arguments: str, settings: Mapping[str, str] | None = None, is_virtual: bool = True
) -> Iterator[RunningSuite]:
    """A suite in a new temporary folder, gone afterwards."""
    with (
        temporary_data_folder() as data,
        running_suite(data, *arguments, settings=settings, is_virtual=is_virtual) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def suite() -> Iterator[RunningSuite]:
    """The suite, once per test process."""
    with fresh_suite() as running:
        yield running
