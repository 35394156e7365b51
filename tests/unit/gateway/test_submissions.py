import json

import pytest
from pydantic import ValidationError

from lethe_common.policy import load_catalogue
from lethe_gateway.errors import BadRequest
from lethe_gateway.submissions import VideoCreate, order, refusal_of, submission
from tests.tree import ROOT

CATALOGUE = load_catalogue(ROOT / "deploy/profiles/aisora2")
KNOWN = frozenset(VideoCreate.model_fields)
CANARY = "canary-7f3a"


def refused(body: object) -> BadRequest:
    try:
        with pytest.raises(BadRequest) as refusal:
            submission(CATALOGUE, VideoCreate.model_validate_json(json.dumps(body)), None)
    except ValidationError as error:
        return refusal_of(error, KNOWN)
    return refusal.value


def test_what_is_not_asked_for_is_the_catalogues_default() -> None:
    made = order(CATALOGUE, VideoCreate(prompt="a boat"))

    assert (made.model, str(made.size), made.seconds) == ("lethe-local-1", "1280x720", 4)


def test_seconds_may_be_text_as_the_sdk_sends_them() -> None:
    wanted = VideoCreate.model_validate({"prompt": "a boat", "seconds": "8", "size": "640x360"})

    assert order(CATALOGUE, wanted).seconds == 8


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "prompt", "missing_prompt"),
        ({"prompt": ""}, "prompt", "invalid_prompt"),
        ({"prompt": " \n "}, "prompt", "missing_prompt"),
        ({"prompt": CANARY * 4000}, "prompt", "invalid_prompt"),
        ({"prompt": CANARY, "seconds": "5"}, "seconds", "invalid_seconds"),
        ({"prompt": CANARY, "seconds": CANARY}, "seconds", "invalid_seconds"),
        ({"prompt": CANARY, "size": "1x1"}, "size", "invalid_size"),
        ({"prompt": CANARY, "size": "641x360"}, "size", "invalid_size"),
        ({"prompt": CANARY, "size": CANARY[:16]}, "size", "invalid_size"),
        ({"prompt": CANARY, "model": CANARY}, "model", "model_not_found"),
        ({"prompt": CANARY, "seed": -1}, "seed", "invalid_seed"),
        ({"prompt": CANARY, "quote_id": CANARY}, "quote_id", "invalid_quote_id"),
        ({"prompt": CANARY, CANARY: 1}, None, "unknown_field"),
        ({"prompt": CANARY, "input_reference": {"image_url": CANARY}}, "input_reference", "reference_not_supported"),
        ({"prompt": CANARY, "input_reference": CANARY}, "input_reference", "invalid_input_reference"),
        ([CANARY], None, "invalid_request"),
    ],
)
def test_each_wrong_body_is_refused_by_its_field_and_not_echoed(body: object, param: str | None, code: str) -> None:
    refusal = refused(body)

    assert (refusal.param, refusal.own_code, refusal.status) == (param, code, 400)
    assert CANARY not in str(refusal)


def test_broken_json_is_refused_without_an_echo() -> None:
    with pytest.raises(ValidationError) as error:
        VideoCreate.model_validate_json('{"prompt": "' + CANARY)

    refusal = refusal_of(error.value, KNOWN)

    assert refusal.own_code == "invalid_json"
    assert CANARY not in str(refusal)
