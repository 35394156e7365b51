"""Where the policy gives the staff no access, no route of the console, role of a database or object credential shows content."""

import asyncio
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import httpx2
import pytest
from fastapi.routing import APIRoute
from minio import Minio

from lethe_common.database.roles import DATABASES
from lethe_gateway import apps
from tests.flows.outside import objects
from tests.flows.steps import made, picture
from tests.suite import Account, RunningSuite, answered, fresh_suite
from tests.unit.common.policy_files import PROFILES, written

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = [pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"), pytest.mark.timeout(300)]

PROMPT, WORDS, ADDRESS = "a boat named Seagrass", "about my neighbour Wintergreen", "person-tamarack@example.org"
CANARIES = (b"Seagrass", b"Wintergreen", b"tamarack", b"ftyp")
_SEALED = """
    SELECT table_schema || '.' || table_name AS place, column_name AS name FROM information_schema.columns
     WHERE table_schema = ANY($1) AND (column_name LIKE '%sealed%' OR column_name IN ('wrapped', 'text', 'data'))
"""
SCHEMAS = ["gateway", "jobs", "billing", "retention", "privacy", "keys"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with content of each kind, and what it is called by."""

    account: Account
    video: str
    request: str
    names: tuple[str, ...]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    folder = tmp_path_factory.mktemp("unseen")
    (folder / "catalogue.yaml").write_bytes((PROFILES / "aisora2/catalogue.yaml").read_bytes())
    written(folder, ("staff_access: {logged: [support]}", "staff_access: none"))
    with fresh_suite("--profile", str(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def person(suite: RunningSuite) -> Person:
    account = suite.open_account(email=ADDRESS)
    with account.openai() as client, account.http() as http:
        video = made(client, PROMPT, input_reference=("boat.png", picture(), "image/png")).id
        asked = answered(http.post("/v1/privacy/requests", json={"kind": "enquiry", "text": WORDS}))["id"]
    hold = suite.look("SELECT hold_id FROM gateway.generations WHERE generation_id = $1", video)[0]["hold_id"]
    return Person(account, video, asked, (video, asked, account.account_id, account.subject_ref, hold))


def test_no_route_of_the_console_shows_content(suite: RunningSuite, person: Person) -> None:
    routes = _console_routes()
    assert len(routes) > 20
    seen = 0
    with suite.console() as console:
        for method, path in routes:
            for address in _addresses(path, person):
                for body in ({}, {"operator": "olive", "reason": "they called", "text": "yes", "ground": "unfounded"}):
                    answer = console.request(method, address, json=None if method == "GET" else body)
                    assert answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR, (method, path)
                    assert not [one for one in CANARIES if one in answer.content], (method, path)
                    seen += answer.is_success
        refused = console.post(
            f"/api/requests/{person.request}/read", json={"operator": "olive", "reason": "they called"}
        )
        training = console.get("/api/training/trainer/items")
    assert seen > 20
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "staff_may_not_read")
    assert (training.status_code, training.json()["error"]["code"]) == (403, "training_prohibited")


def test_the_operators_token_opens_nothing_of_the_public_api(suite: RunningSuite, person: Person) -> None:
    with suite.anonymous() as http:
        http.headers["Authorization"] = f"Bearer {suite.operator_token}"
        for path in (f"/v1/videos/{person.video}", f"/v1/videos/{person.video}/content", "/v1/videos", "/v1/account"):
            assert http.get(path).status_code == httpx2.codes.UNAUTHORIZED


def test_the_verifiers_role_reads_no_sealed_column(suite: RunningSuite) -> None:
    looked = 0
    for database in DATABASES:
        columns = suite.look(_SEALED, SCHEMAS, database=database)
        for column in columns:
            assert _refuses(suite.dsn("verifier", database), f"SELECT {column['name']} FROM {column['place']}"), column
        looked += len(columns)
    assert looked > 10


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("identity", ["verifier", "admin"])
def test_whoever_may_read_objects_reads_sealed_bytes(suite: RunningSuite, identity: str) -> None:
    key = suite.s3_key(identity)
    client = Minio(suite.s3_endpoint, key.access_key, key.secret_key, secure=False)
    stored = [one for one in objects(suite) if not one.is_marker]
    assert stored
    for one in stored:
        content = client.get_object(suite.runtime.s3_bucket, one.name).read()
        assert not [canary for canary in CANARIES if canary in content]


def test_their_own_person_sees_all_of_it(person: Person) -> None:
    with person.account.http() as http:
        shown = http.get(f"/v1/videos/{person.video}").text + http.get(f"/v1/privacy/requests/{person.request}").text
        content = http.get(f"/v1/videos/{person.video}/content").content
    assert [one for one in CANARIES if one in shown.encode() + ADDRESS.encode() + content] == list(CANARIES)


def _console_routes() -> list[tuple[str, str]]:
    """Every route of the console's application, and its methods: whatever router its wiring includes."""
    found = []
    for name in re.findall(r"include_router\((\w+)\(", inspect.getsource(apps.console_app)):
        make = getattr(apps, name)
        # What a router is made of is only used when it is asked something.
        router = make(*(None for _ in inspect.signature(make).parameters))
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        found += [(method, route.path) for route in routes for method in sorted(route.methods or ())]
    return found


def _addresses(path: str, person: Person) -> list[str]:
    """A route's path with each of the person's names in the place of each parameter."""
    if "{" not in path:
        return [path]
    names = [*person.names, "gateway"]
    begin, _, rest = path.partition("{")
    _, _, end = rest.partition("}")
    actions = ("read", "take", "answer", "refuse", "close")
    filled = actions if rest.startswith("action}") else names
    return [address for name in filled for address in _addresses(f"{begin}{name}{end}", person)]


def _refuses(dsn: str, statement: str) -> bool:
    async def ask() -> bool:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.fetch(statement)
        except asyncpg.InsufficientPrivilegeError:
            return True
        finally:
            await connection.close()
        return False

    return asyncio.run(ask())
