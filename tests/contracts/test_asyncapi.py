"""The committed AsyncAPI document is the generated one, and is valid AsyncAPI."""

import importlib
import json
import pkgutil
from typing import Any

import jsonschema

from lethe_common import rpc
from lethe_common.asyncapi import as_yaml, document
from lethe_common.events.catalogue import EVENTS
from lethe_common.rpc.catalogue import CALLS
from lethe_common.rpc.envelope import Call
from tests.tree import ROOT

SCHEMA = ROOT / "tests/contracts/schemas/asyncapi-3.1.0.json"


def test_the_committed_document_is_what_the_catalogues_say() -> None:
    assert (ROOT / "asyncapi.yaml").read_text() == as_yaml(document()), "the catalogues changed: make asyncapi"


def test_the_document_is_valid_asyncapi() -> None:
    errors = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(document())

    assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


def test_the_schema_would_refuse_an_invalid_document() -> None:
    content = document()
    next(iter(content["operations"].values()))["action"] = "publish"

    assert not jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).is_valid(content)


def test_every_event_and_call_has_its_channel() -> None:
    channels = document()["channels"]

    assert set(EVENTS) <= set(channels)
    assert {f"rpc.{call.callee}.{call.name}" for call in CALLS} <= set(channels)


def test_every_reference_leads_somewhere() -> None:
    content = document()

    assert [reference for reference in references(content) if not is_found(content, reference)] == []


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return here + [reference for inner in value.values() for reference in references(inner)]
    return [reference for inner in value for reference in references(inner)] if isinstance(value, list) else []


def is_found(content: Any, reference: str) -> bool:
    for part in reference.removeprefix("#/").split("/"):
        if part not in content:
            return False
        content = content[part]
    return True


def test_every_call_that_is_written_down_is_in_the_catalogue() -> None:
    """One that is not has no permission on the broker, and whoever asks waits for nothing."""
    known = {call.name for call in CALLS}
    for module in pkgutil.iter_modules(rpc.__path__, f"{rpc.__name__}."):
        found = vars(importlib.import_module(module.name)).values()
        calls = {one for one in found if isinstance(one, type) and issubclass(one, Call) and "name" in vars(one)}
        assert {call.name for call in calls} <= known, module.name
