"""Who gets into the console by a token, and after how many wrong ones nobody does."""

from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError
from starlette.requests import Request

from lethe_gateway.errors import NotSignedIn, TooManyRequests
from lethe_gateway.operators import Operators
from lethe_gateway.settings import GatewaySettings

TOKEN = "t" * 32


def bearing(token: str, host: str = "192.0.2.1") -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "method": "GET", "path": "/api/health", "headers": headers, "client": (host, 1)})


def operators() -> Operators:
    return Operators(SecretStr(TOKEN), timedelta(hours=1), cookie="operator")


def test_after_too_many_wrong_tokens_the_right_one_is_not_told_from_them() -> None:
    known = operators()
    for turn in range(10):
        with pytest.raises(NotSignedIn):
            known.must_be(bearing(f"wrong {turn}"))

    for token in ("wrong again", TOKEN):
        with pytest.raises(TooManyRequests):
            known.must_be(bearing(token))
    known.must_be(bearing(TOKEN, host="192.0.2.2"))


def test_the_right_token_is_good_any_number_of_times() -> None:
    known = operators()

    for _ in range(50):
        known.must_be(bearing(TOKEN))


def test_a_token_that_could_be_guessed_is_refused_at_the_start_and_not_printed() -> None:
    given = {
        "database_url": "postgres://", "database_owner_url": "postgres://", "nats_user": "gateway", "nats_password": "n",
        "profile": ".", "pepper": "ab" * 32,
    }  # fmt: skip

    with pytest.raises(ValidationError, match="LETHE_OPERATOR_TOKEN must have at least 32 characters") as refusal:
        GatewaySettings.model_validate({**given, "operator_token": "u" * 31})

    assert "uuu" not in str(refusal.value)
    assert GatewaySettings.model_validate({**given, "operator_token": TOKEN}).operator_token == SecretStr(TOKEN)
