"""Bodies as they are read: which texts are refused."""

import json

import pytest
from starlette.requests import Request

from lethe_gateway.endpoints.bodies import read
from lethe_gateway.errors import NulInText
from lethe_gateway.schemas import ConsentAnswers
from lethe_gateway.submissions import VideoCreate


def post(body: bytes) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/json")]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize("field", [{"prompt": "a\0b"}, {"prompt": "x", "input_reference": {"file": [{"\0": 1}]}}])
async def test_a_nul_in_any_text_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(NulInText):
        await read(post(json.dumps(field).encode()), VideoCreate)


async def test_a_nul_in_a_name_is_refused() -> None:
    with pytest.raises(NulInText):
        await read(post(json.dumps({"consents": {"a\0": True}}).encode()), ConsentAnswers)


async def test_a_text_about_a_nul_is_taken() -> None:
    prompt = r"the letters \u0000 on a wall"

    assert (await read(post(json.dumps({"prompt": prompt}).encode()), VideoCreate)).prompt == prompt
