"""Private by construction, as far as a machine can hold it: clocks, logs, catalogue, addresses, paths."""

import ast
import importlib
import re
from collections.abc import Iterable

import pytest
from sqlalchemy import Table
from sqlmodel import SQLModel

from lethe_common.catalogue import holding_of
from lethe_common.policy.policy import load_policy
from tests.tree import ROOT, SERVICES, Source, code, dotted, files, sources

CLOCKS = {"libs/common/lethe_common/clock.py", "libs/common/lethe_common/identifiers.py"}
TIME_SOURCES = re.compile(
    r"(datetime\.)?(datetime|date)\.(now|utcnow|today)|time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns)"
)
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "bind"}
# Whole words of a log call's keyword names. Ids, counts and codes are what a log may hold.
PERSONAL_WORDS = {
    "address", "body", "content", "cookie", "email", "filename", "input", "ip", "key", "mail", "message", "name", "password",
    "payload", "phone", "prompt", "query", "secret", "text", "token", "url", "user",
}  # fmt: skip
ID_OF_SOMETHING = re.compile(r".*_(id|ref|count|bytes|seconds)$")
RESERVED_DOMAINS = re.compile(r"(^|\.)(example(\.(com|org|net))?|test|invalid|localhost)$", re.IGNORECASE)
MACHINE_PATHS = re.compile(r"(^|[^a-z.{}])/(work|farm|root|home|tmp)/[a-z]")
# A URL's host, in pieces so that this file passes its own test.
REGISTRY_HOSTS = re.compile(
    "|".join(map(re.escape, ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".", "proxy.golang" + ".org")))
)
NOT_OURS = ("uv.lock", "tests/contracts/schemas/")


def none(found: Iterable[str]) -> None:
    """Fail with one line for each finding."""
    findings = sorted(found)
    assert not findings, "\n" + "\n".join(findings)


def test_nobody_asks_the_machine_for_the_time_but_the_clock() -> None:
    none(
        f"{s.name}:{call.lineno} {dotted(call.func)}"
        for s in code()
        if s.name not in CLOCKS
        for call in s.calls()
        if TIME_SOURCES.fullmatch(dotted(call.func))
    )


def test_no_time_source_is_imported_by_name() -> None:
    hidden = re.compile(r"time\.(time|time_ns|monotonic|perf_counter|sleep)|asyncio\.sleep")
    none(f"{s.name}:{line} {name}" for s in code() for name, line in s.imports() if hidden.fullmatch(name))


def test_no_wait_is_a_number_in_the_code() -> None:
    """Waits are settings or named constants; zero only gives way to other tasks."""

    def is_bare(call: ast.Call) -> bool:
        wait = call.args[0] if call.args else None
        return (
            dotted(call.func) in {"asyncio.sleep", "time.sleep"} and isinstance(wait, ast.Constant) and bool(wait.value)
        )

    none(f"{s.name}:{call.lineno}" for s in code() for call in s.calls() if is_bare(call))


def test_no_test_sleeps_to_be_in_time() -> None:
    """A short pause inside a poll with a deadline is fine; half a second and more is a guess."""

    def is_guess(call: ast.Call) -> bool:
        wait = call.args[0] if call.args else None
        if not isinstance(wait, ast.Constant) or not isinstance(wait.value, int | float):
            return False
        return dotted(call.func) in {"asyncio.sleep", "time.sleep"} and wait.value >= 0.5

    none(f"{s.name}:{call.lineno}" for s in sources() if s.member is None for call in s.calls() if is_guess(call))


def log_calls(source: Source) -> Iterable[ast.Call]:
    for call in source.calls():
        owner, _, method = dotted(call.func).rpartition(".")
        if method in LOG_METHODS and re.search(r"(^|[._])(log|logger)$", owner):
            yield call


def test_a_log_call_has_an_event_name_and_no_prose() -> None:
    def is_named(call: ast.Call) -> bool:
        words = call.args[1:] if dotted(call.func).endswith(".log") else call.args
        return not words or (
            isinstance(words[0], ast.Constant) and bool(re.fullmatch(r"[a-z0-9_.]+", str(words[0].value)))
        )

    none(f"{s.name}:{call.lineno}" for s in code() for call in log_calls(s) if not is_named(call))


def test_no_log_call_names_anything_personal_or_secret() -> None:
    def is_personal(name: str) -> bool:
        return not ID_OF_SOMETHING.fullmatch(name) and bool(PERSONAL_WORDS & set(name.split("_")))

    none(
        f"{s.name}:{call.lineno} {keyword.arg}"
        for s in code()
        for call in log_calls(s)
        for keyword in call.keywords
        if keyword.arg is None or is_personal(keyword.arg)
    )


def tables(service: str) -> list[type[SQLModel]]:
    module = importlib.import_module(f"lethe_{service}.models")
    found = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, SQLModel)]
    return [kind for kind in found if hasattr(kind, "__table__")]


@pytest.mark.parametrize("service", SERVICES)
def test_every_column_says_what_it_holds(service: str) -> None:
    assert tables(service), f"lethe_{service}.models declares no table"
    none(
        f"{kind.__name__}.{column.name} is not in the data catalogue"
        for kind in tables(service)
        for column in kind.__table__.columns  # type: ignore[attr-defined]  # put there by SQLAlchemy
        if holding_of(dict(column.info)) is None
    )


@pytest.mark.parametrize("service", SERVICES)
def test_every_category_a_column_names_is_in_a_policy_with_its_store(service: str) -> None:
    # The policy that most of the product is tried with; and of the others what it has no need of.
    folders = [ROOT / "deploy/profiles/aisora2", *sorted((ROOT / "deploy/profiles").iterdir())]
    policies = [load_policy(folder) for folder in folders if folder.is_dir()]

    def findings(kind: type[SQLModel]) -> Iterable[str]:
        table: Table = kind.__table__  # type: ignore[attr-defined]  # put there by SQLAlchemy
        store = "pg:lethe_keys" if table.schema == "keys" else f"pg:{service}"
        for column in table.columns:
            category = holding.category if (holding := holding_of(dict(column.info))) else None
            if category is None:
                continue
            policy = next((one for one in policies if category in one.categories), None)
            if policy is None:
                yield f"{table.name}.{column.name}: no category {category}"
            elif store not in policy.rule(category).stores:
                yield f"{table.name}.{column.name}: {category} is not said to be in {store}"

    none(finding for kind in tables(service) for finding in findings(kind))


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_lies_in_its_services_schema_and_metadata(service: str) -> None:
    schemas = {kind.__table__.schema for kind in tables(service)}  # type: ignore[attr-defined]  # put there by SQLAlchemy

    assert schemas <= ({"privacy", "keys"} if service == "privacy" else {service})
    assert all(kind.metadata is not SQLModel.metadata for kind in tables(service))


def test_no_address_in_the_tree_could_be_anybodys() -> None:
    address = re.compile(r"[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
    allowed = re.compile(r"[0-9.]+$|.*\.(py|sh|service)$")  # pinned versions and decorators are no mail domains
    none(
        f"{name}: {match[0]}"
        for name, text in texts()
        for match in address.finditer(text)
        if not RESERVED_DOMAINS.search(match[1])
        and not allowed.match(match[1])
        and "://" not in line_around(text, match.start())
    )


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    none(
        f"{name}:{number}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATHS.search(line) and "noqa: S108" not in line  # a vendor's own choice of place, with its reason
    )


def test_no_registry_host_is_in_the_tree() -> None:
    none(f"{name}: {match[0]}" for name, text in texts() for match in REGISTRY_HOSTS.finditer(text))


def texts() -> Iterable[tuple[str, str]]:
    for file in files():
        name = file.relative_to(ROOT).as_posix()
        if name.startswith(NOT_OURS) or name == "tests/unit/test_tidy_privacy.py":
            continue
        try:
            yield name, file.read_text()
        except UnicodeDecodeError:
            continue


def line_around(text: str, position: int) -> str:
    return text[text.rfind("\n", 0, position) + 1 : text.find("\n", position)]
