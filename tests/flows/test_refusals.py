"""What cannot be done is refused at once: a right status, OpenAI's shape, nothing stored, charged or echoed."""

import asyncio
import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.flows.outside import objects, row_counts
from tests.flows.steps import SMALL, bomb, made, picture, settled
from tests.suite import Account, RunningSuite, answered, until

# The SDK says of every call of this contract that OpenAI's own service has ended; the contract lives on here.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

MARK = f"zq{secrets.token_hex(8)}"
"""Stands in every input; an answer that holds it has echoed."""
ORDER = {"prompt": f"a boat {MARK}", **SMALL}
_UPLOAD_LIMIT_BYTES = 20 * 1024 * 1024


def _gif() -> bytes:
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "GIF")
    return file.getvalue()


def _file(content: Callable[[], bytes]) -> Callable[[], dict[str, Any]]:
    return lambda: {"data": ORDER, "files": {"input_reference": (f"{MARK}.png", content(), "image/png")}}


def _json(**order: Any) -> Callable[[], dict[str, Any]]:
    wanted = {key: value for key, value in (ORDER | order).items() if value is not None}
    return lambda: {"json": wanted}


def _form(**order: Any) -> Callable[[], dict[str, Any]]:
    wanted = {key: value for key, value in (ORDER | order).items() if value is not None}
    return lambda: {"files": [(key, (None, str(value))) for key, value in wanted.items()]}


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that cannot be done."""

    name: str
    request: Callable[[], dict[str, Any]]
    status: int
    code: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


CASES = [
    Case("a size that is not offered", _json(size="641x360"), 400, "invalid_size", "size"),
    Case("a size that is none", _json(size=MARK[:16]), 400, "invalid_size", "size"),
    Case("a length that is not offered", _json(seconds="5"), 400, "invalid_seconds", "seconds"),
    Case("a length that is no number", _json(seconds=MARK), 400, "invalid_seconds", "seconds"),
    Case("the same in a form", _form(seconds=MARK), 400, "invalid_seconds", "seconds"),
    Case("no prompt", _json(prompt=None), 400, "missing_prompt", "prompt"),
    Case("no prompt in a form", _form(prompt=None), 400, "missing_prompt", "prompt"),
    Case("an empty prompt", _json(prompt=""), 400, "invalid_prompt", "prompt"),
    Case("a prompt of spaces", _json(prompt="   "), 400, "missing_prompt", "prompt"),
    Case("a prompt that is too long", _json(prompt=f"{MARK} {'a' * 32_000}"), 400, "invalid_prompt", "prompt"),
    Case("an unknown model", _json(model=MARK), 400, "model_not_found", "model"),
    Case("an unknown field", _json(**{MARK: MARK}), 400, "unknown_field"),
    Case("an unknown field in a form", _form(**{MARK: MARK}), 400, "unknown_field"),
    Case("a seed below zero", _json(seed=-1), 400, "invalid_seed", "seed"),
    Case("a quote that is none", _json(quote_id=MARK), 400, "invalid_quote_id", "quote_id"),
    Case("a quote of somebody else", _json(quote_id=f"quote_{'0' * 32}"), 400, "invalid_request", "quote_id"),
    Case("a reference by address", _json(input_reference={"image_url": f"https://example.org/{MARK}"}), 400,
         "reference_not_supported", "input_reference"),
    Case("broken JSON", lambda: {"content": f'{{"prompt": "{MARK}'.encode()}, 400, "invalid_json", None,
         {"Content-Type": "application/json"}),
    Case("another kind of body", lambda: {"content": MARK.encode()}, 415, "unsupported_media_type", None,
         {"Content-Type": f"text/{MARK}"}),
    Case("a GIF named PNG", _file(_gif), 415, "unsupported_media_type", "input_reference"),
    Case("a PDF named PNG", _file(lambda: b"%PDF-1.7 " + MARK.encode()), 415, "unsupported_media_type",
         "input_reference"),
    Case("a damaged picture", _file(lambda: picture()[:200]), 400, "bad_image", "input_reference"),
    Case("a picture that unpacks to gigabytes", _file(bomb), 400, "image_too_large", "input_reference"),
    Case("a file that is too large", _file(lambda: picture() + bytes(_UPLOAD_LIMIT_BYTES)), 413, "too_large"),
    Case("a body that is too large", _file(lambda: picture() + bytes(_UPLOAD_LIMIT_BYTES + 1024**2)), 413,
         "too_large"),
    Case("a wrong key", _json(), 401, "invalid_api_key", None, {"Authorization": f"Bearer {MARK}"}),
    Case("a key of the right form that is none", _json(), 401, "invalid_api_key", None,
         {"Authorization": f"Bearer lethe_sk_{'0' * 48}"}),
    Case("no key", _json(), 401, "invalid_api_key", None, {"Authorization": ""}),
    Case("an Idempotency-Key that is too long", _json(), 400, "invalid_idempotency_key", None,
         {"Idempotency-Key": MARK * 20}),
]  # fmt: skip


@pytest.fixture(scope="module")
def account(suite: RunningSuite) -> Account:
    """Somebody with one finished video, so that every table has seen use."""
    account = suite.open_account()
    with account.openai() as client:
        made(client)
    _is_quiet(suite, account)
    return account


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_without_a_trace(suite: RunningSuite, account: Account, case: Case) -> None:
    before = _everything(suite, account)
    with account.http() as http:
        refused = http.post("/v1/videos", headers=case.headers | {"X-Request-Id": MARK}, **case.request())

    assert refused.status_code == case.status, refused.text
    error = refused.json()["error"]
    assert (error["code"], error["param"]) == (case.code, case.param)
    _is_well_formed(refused)
    assert _everything(suite, account) == before


def test_too_few_credits_are_told_at_once_and_nothing_more_is_held_or_stored(suite: RunningSuite) -> None:
    account = suite.open_account()
    order = {"prompt": f"a boat {MARK}", "seconds": "12", "size": "1792x1024"}
    with account.http() as http:
        running = answered(http.post("/v1/videos", json=order))
        before = _own_rows(suite, account)
        refused = http.post("/v1/videos", json=order, headers={"Idempotency-Key": MARK})

        assert refused.status_code == 402
        assert (refused.json()["error"]["type"], refused.json()["error"]["code"]) == (
            "insufficient_quota",
            "insufficient_credits",
        )
        _is_well_formed(refused)
        assert _own_rows(suite, account) == before
        http.delete(f"/v1/videos/{running['id']}")
    settled(suite, account, 600)


def _own_rows(suite: RunningSuite, account: Account) -> list[int]:
    """An account's generations, holds, uploads, keys of content and credits, while one of its videos is made."""
    wallet = "SELECT count(*) FROM billing.holds JOIN billing.subjects USING (wallet_id) WHERE subject_ref = $1"
    counts = [suite.look(wallet, account.subject_ref)[0]["count"]]
    for table in ("generations", "uploads", "idempotency"):
        sql = f"SELECT count(*) FROM gateway.{table} WHERE account_id = $1"
        counts.append(suite.look(sql, account.account_id)[0]["count"])
    keys = suite.look_at_keys(
        "SELECT count(*) FROM keys.item_keys WHERE subject_ref = $1 AND key_class = 'content'", account.subject_ref
    )
    return [*counts, keys[0]["count"], account.balance()["available"], account.balance()["held"]]


def _is_well_formed(refused: httpx2.Response) -> None:
    error = refused.json()["error"]
    assert error.keys() == {"type", "code", "message", "param", "request_id"}
    assert error["message"]
    assert error["request_id"] == refused.headers["x-request-id"]
    assert refused.headers["cache-control"] == "private, no-store"
    assert MARK not in refused.text
    assert MARK not in str(refused.headers)


def _everything(suite: RunningSuite, account: Account) -> tuple[dict[str, int], int, dict[str, Any]]:
    """Rows of every table, versions of every object, and the account's money.

    But for the note that a subject's key was deleted, which a key has that was made beside a hold that was refused.
    """
    rows = {table: count for table, count in asyncio.run(row_counts(suite)).items() if table != "keys.losses"}
    return rows, len(objects(suite)), account.balance()


def _is_quiet(suite: RunningSuite, account: Account) -> None:
    """Return when nothing that was begun before still moves."""
    seen: list[object] = []

    def is_still() -> bool:
        seen.append(_everything(suite, account))
        return len(seen) > 1 and seen[-1] == seen[-2] and not account.balance()["held"]

    until(is_still, "quiet")
