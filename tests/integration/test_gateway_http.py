"""The gateway's own HTTP: who may, what is refused, and that a refusal leaves nothing behind."""

import json
import re
from collections.abc import Iterator

import httpx2
import pytest

from lethe_common.database.roles import ROLE_CONNECTIONS
from lethe_common.services import Service
from tests.integration.gateway_suite import PASSWORD, Suite, frames, noise, running_suite, until
from tests.servers import RunningServers

CANARY = "canary-51c8e0"
STORED = """
    SELECT (SELECT count(*) FROM gateway.generations) + (SELECT count(*) FROM gateway.uploads)
         + (SELECT count(*) FROM gateway.idempotency) + (SELECT count(*) FROM gateway.outbox WHERE type LIKE 'jobs.%')
"""


@pytest.fixture(scope="module")
def suite(servers: RunningServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    services = (Service.GATEWAY, Service.JOBS, Service.BILLING, Service.PRIVACY)
    # Throttles are on, for signing in far above what is tried here.
    limits = {"UPLOAD_LIMIT_BYTES": "50000", "SIGNIN_PER_MINUTE": "1000"}
    with running_suite(servers, tmp_path_factory.mktemp("http"), services, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def key(suite: Suite) -> str:
    return suite.sign_up()


@pytest.fixture
def client(suite: Suite, key: str) -> Iterator[httpx2.Client]:
    with suite.client(key) as opened:
        yield opened


def problem(answer: httpx2.Response) -> dict[str, str]:
    """The error of a refusal, which has all its parts and repeats nothing."""
    assert CANARY not in answer.text
    assert CANARY not in str(answer.headers)
    error: dict[str, str] = answer.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "request_id"}
    assert re.fullmatch("req_[0-9a-f]{32}", error["request_id"])
    assert answer.headers["x-request-id"] == error["request_id"]
    return error


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"json": {"prompt": CANARY, "size": "5x5"}}, 400, "invalid_size"),
        ({"json": {"prompt": CANARY, "seconds": "7"}}, 400, "invalid_seconds"),
        ({"json": {"model": "lethe-local-1"}}, 400, "missing_prompt"),
        ({"json": {"prompt": CANARY, CANARY: CANARY}}, 400, "unknown_field"),
        ({"data": {"prompt": CANARY, CANARY: CANARY}, "files": {}}, 415, "unsupported_media_type"),
        ({"files": {"prompt": (None, CANARY), CANARY: (None, CANARY)}}, 400, "unknown_field"),
        ({"files": {"prompt": (None, CANARY), CANARY: (CANARY, b"x")}}, 400, "unknown_field"),
        ({"files": {"prompt": (None, CANARY), "input_reference": (CANARY, CANARY.encode())}}, 415, "unsupported_media_type"),
        ({"files": {"prompt": (None, CANARY), "input_reference": (CANARY, noise(240))}}, 413, "too_large"),
        ({"files": {"prompt": (None, CANARY), "input_reference[image_url]": (None, CANARY)}}, 400, "reference_not_supported"),
        ({"json": {"prompt": CANARY, "input_reference": {"file_id": CANARY}}}, 400, "reference_not_supported"),
        ({"content": CANARY, "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"content": CANARY, "headers": {"Content-Type": "application/json"}}, 400, "invalid_json"),
        ({"content": CANARY, "headers": {"Content-Type": f"multipart/form-data; boundary={CANARY}"}}, 400, "bad_multipart"),
        ({"content": b"x" * 400_000, "headers": {"Content-Type": "application/json"}}, 413, "too_large"),
        ({"json": {"prompt": "x"}, "headers": {"Idempotency-Key": "k" * 256}}, 400, "invalid_idempotency_key"),
        ({"json": {"prompt": "x", "quote_id": "quote_" + "0" * 32}}, 400, "invalid_request"),
        ({"json": {"prompt": f"{CANARY}\0"}}, 400, "invalid_request"),
        ({"files": {"prompt": (None, f"{CANARY}\0")}}, 400, "invalid_request"),
    ],
)  # fmt: skip
def test_a_wrong_submission_is_refused_and_leaves_nothing(
    suite: Suite, client: httpx2.Client, sent: dict[str, object], status: int, code: str
) -> None:
    answer = client.post("/v1/videos", **sent)  # type: ignore[arg-type]  # one table of keyword arguments

    assert (answer.status_code, problem(answer)["code"]) == (status, code)
    assert suite.look(STORED) == 0
    credits_ = client.get("/v1/credits").json()
    assert (credits_["available"], credits_["held"]) == (600, 0)


@pytest.mark.parametrize(
    "header", [None, "Bearer x", f"Bearer lethe_sk_{CANARY}", "Basic eDp5", "Bearer " + "x" * 9000]
)
def test_a_wrong_key_is_401(suite: Suite, header: str | None) -> None:
    with suite.client() as stranger:
        answer = stranger.get("/v1/videos", headers={"Authorization": header} if header else {})

    assert (answer.status_code, problem(answer)["type"]) == (401, "authentication_error")


def test_a_database_without_a_free_connection_is_503_and_asks_to_come_again(
    suite: Suite, client: httpx2.Client
) -> None:
    suite.look("ALTER ROLE gateway CONNECTION LIMIT 0")
    try:
        suite.look("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'gateway'")
        answers = [client.get("/v1/videos") for _ in range(3)]
    finally:
        suite.look(f"ALTER ROLE gateway CONNECTION LIMIT {ROLE_CONNECTIONS}")

    assert {(answer.status_code, problem(answer)["code"]) for answer in answers} == {(503, "database_away")}
    until(lambda: client.get("/v1/videos").status_code == 200)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"/v1/videos/%00{rest}") for rest in ("", "/events", "/content")),
        ("POST", "/v1/videos/%00/cancel"),
        ("DELETE", "/v1/videos/%00"),
        ("DELETE", "/v1/api-keys/%00"),
        ("GET", "/v1/account/export/%00/content"),
        ("POST", "/v1/privacy/requests/%00/close"),
    ],
)
def test_an_address_that_no_id_has_is_404(client: httpx2.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    assert (answer.status_code, problem(answer)["type"]) == (404, "invalid_request_error")


def test_the_console_finds_no_account_by_what_is_no_id(suite: Suite) -> None:
    with httpx2.Client(base_url=suite.console_url, headers={"Authorization": f"Bearer {suite.token}"}) as operator:
        answer = operator.put("/api/accounts/%00/plan", json={"plan": "pro"})

    assert answer.status_code == 404


def test_no_text_with_a_nul_reaches_a_database(suite: Suite) -> None:
    known = {"known_at": "2026-01-01T00:00:00Z", "categories": ["content.prompt"], "text": "lost"}
    with httpx2.Client(base_url=suite.console_url, headers={"Authorization": f"Bearer {suite.token}"}) as operator:
        answer = operator.post("/api/registers/breaches", json={"operator": f"{CANARY}\0", **known})

    assert (answer.status_code, problem(answer)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("count", [b"\xb2", b"9" * 5000], ids=["superscript", "thousands of digits"])
def test_a_header_without_a_usable_number_counts_as_absent(suite: Suite, count: bytes) -> None:
    with suite.client(suite.sign_up()) as client:
        order = {"prompt": "a number", "size": "640x360"}
        made = client.post("/v1/videos", json=order, headers={b"x-stainless-retry-count": count})
        assert made.status_code == 200
        events = f"/v1/videos/{made.json()['id']}/events"
        with client.stream("GET", events, headers={b"Last-Event-ID": count}) as stream:
            first = next(event for event in frames(stream.iter_lines()) if event.get("event") == "video")

    assert json.loads(first["data"])["id"] == made.json()["id"]


@pytest.mark.parametrize(
    "path", ["/", "/reset", "/requests", "/certificates", "/privacy", "/privacy/versions/1", "/favicon.ico"]
)
def test_pages_answer_head_with_what_they_would_say_of_themselves(client: httpx2.Client, path: str) -> None:
    page, told = client.get(path), client.head(path)

    assert (told.status_code, told.content) == (200, b"")
    for name in ("content-length", "content-type", "cache-control"):
        assert told.headers[name] == page.headers[name]


def test_a_chunked_body_is_cut_off_at_the_limit(client: httpx2.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    answer = client.post("/v1/quotes", content=endless(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 413


def test_a_clients_request_id_is_neither_echoed_nor_logged(suite: Suite, client: httpx2.Client) -> None:
    answer = client.get("/v1/videos/nothing", headers={"X-Request-Id": CANARY, "Idempotency-Key": CANARY})

    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")
    assert CANARY not in suite.logged(Service.GATEWAY)


def test_every_answer_forbids_scripts_frames_and_sniffing(client: httpx2.Client) -> None:
    for path in ("/", "/v1/models", "/v1/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert "server" not in headers


def test_a_quote_binds_and_says_what_there_is(client: httpx2.Client) -> None:
    quote = client.post("/v1/quotes", json={"seconds": "8", "size": "640x360"}).json()

    assert (quote["credits"], quote["available"], quote["is_affordable"]) == (40, 600, True)


def test_an_account_signs_in_by_cookie_and_out_again(suite: Suite) -> None:
    email = "cookie@example.org"
    suite.sign_up(email)
    own = {"Origin": suite.url}
    with suite.client() as browser:
        wrong = browser.post("/v1/sessions", json={"email": email, "password": "not this one"}, headers=own)
        unknown = browser.post("/v1/sessions", json={"email": "no@example.org", "password": PASSWORD}, headers=own)
        answer = browser.post("/v1/sessions", json={"email": " Cookie@Example.org", "password": PASSWORD}, headers=own)
        shown = browser.get("/v1/account")
        cookie = answer.headers["set-cookie"]
        out = browser.delete("/v1/sessions", headers=own)
        after = browser.get("/v1/account")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert answer.status_code == 201
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert (shown.status_code, shown.json()["email"]) == (200, email)
    assert (out.status_code, after.status_code) == (204, 401)


def test_a_session_changes_nothing_from_another_site(suite: Suite) -> None:
    email = "forged@example.org"
    suite.sign_up(email)
    with suite.client() as browser:
        login = {"email": email, "password": PASSWORD}
        forged = browser.post("/v1/sessions", json=login, headers={"Origin": "https://evil.example"})
        browser.post("/v1/sessions", json=login, headers={"Origin": suite.url})
        body = {"prompt": "not mine"}
        from_elsewhere = browser.post("/v1/videos", json=body, headers={"Origin": "https://evil.example"})
        silent = browser.post("/v1/videos", json=body)
        erased = browser.delete("/v1/account", headers={"Sec-Fetch-Site": "cross-site", "Origin": suite.url})

    assert [answer.status_code for answer in (forged, from_elsewhere, silent, erased)] == [403] * 4


def test_a_revoked_key_is_dead_at_once(suite: Suite) -> None:
    with suite.client(suite.sign_up()) as first:
        made = first.post("/v1/api-keys").json()
        with suite.client(made["key"]) as second:
            assert second.get("/v1/account").status_code == 200
            assert first.delete(f"/v1/api-keys/{made['id']}").json()["deleted"]
            assert second.get("/v1/account").status_code == 401
        assert [one["is_current"] for one in first.get("/v1/api-keys").json()["data"]] == [True]


def test_a_correction_mails_so_often_to_an_address_and_for_an_account_and_no_more(suite: Suite) -> None:
    theirs = ["theirs@example.org", " Theirs@Example.ORG"]
    with suite.client(suite.sign_up()) as one, suite.client(suite.sign_up()) as other:
        sent = [correct(one, theirs[turn % 2]).status_code for turn in range(20)]
        to_the_same, by_the_same = correct(other, theirs[0]), correct(one, "elsewhere@example.org")
        waiting = suite.look("SELECT count(*) FROM gateway.mails WHERE template = 'address_change'")
        free = correct(other, "elsewhere@example.org")

    assert sent == [201] * 20
    assert (to_the_same.status_code, by_the_same.status_code, free.status_code) == (429, 429, 201)
    assert int(to_the_same.headers["retry-after"]) > 0
    assert problem(by_the_same)["code"] == "rate_limited"
    # Each took the place of the one before, which was still waiting.
    assert waiting == 1


def correct(client: httpx2.Client, email: str) -> httpx2.Response:
    return client.post("/v1/privacy/requests", json={"kind": "correct", "email": email})


def test_another_accounts_key_cannot_be_revoked(suite: Suite) -> None:
    with suite.client(suite.sign_up()) as one, suite.client(suite.sign_up()) as other:
        theirs = one.get("/v1/api-keys").json()["data"][0]["id"]

        assert other.delete(f"/v1/api-keys/{theirs}").status_code == 404
        assert one.get("/v1/account").status_code == 200


def test_an_address_and_a_password_are_enough_to_open_an_account_over_the_api(suite: Suite) -> None:
    with suite.client() as client:
        opened = client.post("/v1/accounts", json={"email": "enough@example.org", "password": PASSWORD})

    assert opened.status_code == 201
    assert opened.json()["api_key"]["key"].startswith("lethe_sk_")


def test_an_address_has_one_account_however_it_is_spelled(suite: Suite) -> None:
    suite.sign_up("taken@example.org")
    with suite.client() as stranger:
        answer = stranger.post(
            "/v1/accounts", json={"email": "TAKEN@example.org", "password": PASSWORD, "birth_year": 1990}
        )

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "address_taken")


@pytest.mark.parametrize(
    "body",
    [
        {"email": CANARY, "password": PASSWORD},
        {"email": "a@example.org", "password": "short"},
        {"email": "a@example.org"},
        {"email": "a@example.org", "password": PASSWORD, CANARY: 1},
    ],
)
def test_a_wrong_sign_up_is_refused_without_an_echo(suite: Suite, body: dict[str, str]) -> None:
    with suite.client() as stranger:
        answer = stranger.post("/v1/accounts", json=body)

    assert answer.status_code == 400
    problem(answer)


def test_what_a_person_wrote_rests_sealed(suite: Suite, client: httpx2.Client) -> None:
    suite.sign_up(f"{CANARY}@example.org")
    headers = {"Idempotency-Key": CANARY}
    with suite.client(suite.sign_up()) as writer:
        assert writer.post("/v1/videos", json={"prompt": CANARY * 700}, headers=headers).status_code == 200

    for table in ("accounts", "generations", "idempotency", "outbox", "api_keys", "sessions"):
        dumped = suite.look(f"SELECT count(*) FROM gateway.{table} t WHERE t::text LIKE '%{CANARY}%' "
                            f"OR t::text LIKE '%{CANARY.encode().hex()}%'")  # fmt: skip
        assert dumped == 0, table


def test_the_console_wants_the_operators_token(suite: Suite) -> None:
    with httpx2.Client(base_url=suite.console_url, trust_env=False, timeout=30) as browser:
        assert browser.get("/api/health").status_code == 401
        own = {"Origin": suite.console_url}
        assert browser.post("/api/session", json={"token": "wrong"}, headers=own).status_code == 401
        assert browser.post("/api/session", json={"token": suite.token}).status_code == 403
        assert browser.post("/api/session", json={"token": suite.token}, headers=own).status_code == 204
        health = browser.get("/api/health").json()["services"]
        assert browser.post("/api/ledger/verify").status_code == 403
        assert browser.post("/api/ledger/verify", headers=own).json()["is_balanced"]
        assert browser.delete("/api/session", headers=own).status_code == 204
        assert browser.get("/api/health").status_code == 401

    assert {one["service"] for one in health if one["is_answering"]} == {"gateway", "jobs", "billing", "privacy"}


def test_an_operator_moves_an_account_to_another_plan(suite: Suite) -> None:
    with suite.client(suite.sign_up()) as customer:
        account_id = customer.get("/v1/account").json()["id"]
        until(lambda: customer.get("/v1/credits").status_code == 200)
        answer = httpx2.post(
            f"{suite.console_url}/api/accounts/{account_id}/plan",
            json={"plan": "pro"},
            headers={"Authorization": f"Bearer {suite.token}"},
        )

        assert answer.status_code == 200, answer.text
        until(lambda: bool(customer.get("/v1/account").json()["plan"] == "pro"))


def test_a_stream_tells_each_state_and_resumes_after_the_last_one_seen(suite: Suite) -> None:
    with suite.client(suite.sign_up()) as client:
        video = client.post("/v1/videos", json={"prompt": "watched", "size": "640x360"}).json()
        path = f"/v1/videos/{video['id']}/events"
        told: list[tuple[int, dict[str, object]]] = []
        with client.stream("GET", path) as stream:
            for event in frames(stream.iter_lines()):
                if event.get("event") == "video":
                    told.append((int(event["id"]), json.loads(event["data"])))
                if told and told[-1][1]["credits_charged"] is not None:
                    break
        with client.stream("GET", path, headers={"Last-Event-ID": str(told[0][0])}) as stream:
            resumed = next(event for event in frames(stream.iter_lines()) if event.get("event") == "video")

    versions = [version for version, _ in told]
    assert versions == sorted(set(versions))
    assert all(shown["prompt"] is None for _, shown in told)
    assert (told[-1][1]["status"], told[-1][1]["credits_charged"]) == ("completed", 20)
    assert int(resumed["id"]) >= versions[-1]


def test_content_is_told_of_without_being_opened_and_a_range_beyond_it_is_refused_in_words(suite: Suite) -> None:
    with suite.client(suite.sign_up()) as client:
        video = client.post("/v1/videos", json={"prompt": "told of", "size": "640x360"}).json()
        path = f"/v1/videos/{video['id']}"
        until(lambda: bool(client.get(path).json()["status"] == "completed"))
        owner = suite.look(f"SELECT subject_ref FROM gateway.generations WHERE generation_id = '{video['id']}'")
        accesses = f"SELECT count(*) FROM privacy.access_bodies WHERE subject_ref = '{owner}'"
        before = suite.look_at_facts(accesses)
        told = client.head(f"{path}/content", headers={"Range": "bytes=0-9"})
        after = suite.look_at_facts(accesses)
        whole = client.get(f"{path}/content")
        opened = suite.look_at_facts(accesses)
        beyond = client.get(f"{path}/content", headers={"Range": "bytes=99999999-"})

    assert (told.status_code, told.content) == (200, b"")
    assert before == after != opened
    for name in ("content-length", "content-type", "content-disposition", "etag", "accept-ranges"):
        assert told.headers[name] == whole.headers[name]
    assert (beyond.status_code, problem(beyond)["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
