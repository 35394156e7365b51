"""The AsyncAPI 3.1.0 document of the bus, made from the event and call catalogues.

`python -m lethe_common.asyncapi` prints it; the committed `asyncapi.yaml` must be
the same. One document describes the suite: each operation is tagged with the
service that performs it. https://www.asyncapi.com/docs/reference/specification/v3.1.0
"""

import inspect
import sys
from collections.abc import Iterable
from importlib.metadata import version
from io import StringIO
from typing import Any

from pydantic.json_schema import models_json_schema
from ruamel.yaml import YAML

from lethe_common.events.catalogue import EVENTS, stream_of
from lethe_common.events.envelope import MESSAGE_ID_HEADER, TOGETHER_MOST, TRACE_HEADER, Event
from lethe_common.rpc.catalogue import CALLS
from lethe_common.rpc.envelope import Call
from lethe_common.services import Service

Json = dict[str, Any]
AnyCall = type[Call[Any, Any]]

_EVENT_HEADERS: Json = {
    "type": "object",
    "description": "CloudEvents 1.0, binary mode (NATS protocol binding, section 3.1).",
    "required": [MESSAGE_ID_HEADER, "ce-specversion", "ce-id", "ce-type", "ce-source", "ce-time"],
    "properties": {
        MESSAGE_ID_HEADER: {
            "type": "string",
            "format": "uuid",
            "description": "The event's id; JetStream drops a second one.",
        },
        "ce-specversion": {"const": "1.0"},
        "ce-id": {"type": "string", "format": "uuid"},
        "ce-type": {"type": "string", "description": "The subject it is published on."},
        "ce-source": {"type": "string", "enum": [f"lethe/{service}" for service in Service]},
        "ce-time": {"type": "string", "format": "date-time"},
        "ce-datacontenttype": {"const": "application/json"},
        TRACE_HEADER: {"type": "string", "description": "W3C Trace Context; baggage is dropped."},
    },
}
_REFUSAL: Json = {
    "name": "Refusal",
    "summary": "The callee answers no (NATS micro protocol, ADR-32). The body is empty.",
    "headers": {
        "type": "object",
        "required": ["Nats-Service-Error", "Nats-Service-Error-Code"],
        "properties": {
            "Nats-Service-Error": {"type": "string", "description": "A sentence that never echoes input."},
            "Nats-Service-Error-Code": {"type": "string", "description": "A stable code."},
        },
    },
}


def document() -> Json:
    """The whole document, as plain values."""
    events, calls = list(EVENTS.values()), list(CALLS)
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Lethe",
            "version": version("lethe-common"),
            "description": "Events and calls between Lethe's services. No direct identifier and no content travels here.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "nats": {"host": "localhost:4222", "protocol": "nats", "description": "NATS 2.12 or newer with JetStream."}
        },
        "channels": {
            **{kind.type: _event_channel(kind) for kind in events},
            **{_key(call): _call_channel(call) for call in calls},
            **{f"{_key(call)}.reply": _reply_channel(call) for call in calls},
        },
        "operations": {
            key: operation for part in (events, calls) for each in part for key, operation in _operations(each)
        },
        "components": {"messages": _messages(events, calls), "schemas": _schemas(events, calls)},
    }


def as_yaml(content: Json) -> str:
    """The document as it is committed."""
    yaml = YAML()
    yaml.default_flow_style, yaml.width = False, 120
    text = StringIO()
    text.write("# Generated from lethe_common.events and lethe_common.rpc: make asyncapi\n")
    yaml.dump(content, text)
    return text.getvalue()


def _key(call: AnyCall) -> str:
    return f"rpc.{call.callee}.{call.name}"


def _about(thing: type[object]) -> str:
    """A class's own docstring in one line."""
    return " ".join((inspect.cleandoc(thing.__doc__ or "")).split("\n\n")[0].split())


def _event_channel(kind: type[Event]) -> Json:
    return {
        "address": kind.type,
        "description": _kept(kind),
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.type}"}},
    }


def _kept(kind: type[Event]) -> str:
    if not kind.is_stored:
        return "Core NATS only, not kept."
    stream = stream_of(kind.type)
    return f"Kept in stream {stream.name} for {stream.max_age.days} days."


def _call_channel(call: AnyCall) -> Json:
    return {
        "address": call.subject("{caller}"),
        "parameters": {
            "caller": {
                "enum": [str(caller) for caller in call.callers],
                "description": "Who asks; the broker lets nobody else publish it.",
            }
        },
        "messages": {"question": {"$ref": f"#/components/messages/{_key(call)}"}},
    }


def _reply_channel(call: AnyCall) -> Json:
    return {
        "address": None,
        "description": "The caller's own inbox, _INBOX.<caller>.>",
        "messages": {
            "answer": {"$ref": f"#/components/messages/{_key(call)}.reply"},
            "refusal": {"$ref": "#/components/messages/refusal"},
        },
    }


def _operations(each: type[Event] | AnyCall) -> Iterable[tuple[str, Json]]:
    if issubclass(each, Event):
        for service in each.speakers:
            yield f"{service}.tells.{each.type}", _operation("send", each.type, service)
        for service in each.listeners:
            yield f"{service}.hears.{each.type}", _operation("receive", each.type, service)
        return
    for service in each.callers:
        yield f"{service}.asks.{_key(each)}", _operation("send", _key(each), service) | _reply(each)
    yield f"{each.callee}.answers.{_key(each)}", _operation("receive", _key(each), each.callee) | _reply(each)


def _operation(action: str, channel: str, service: Service) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "tags": [{"name": str(service)}]}


def _reply(call: AnyCall) -> Json:
    about = f"Answered within {call.timeout_seconds:g} s. Repeating is safe: {call.idempotency}."
    return {"description": about, "reply": {"channel": {"$ref": f"#/channels/{_key(call)}.reply"}}}


def _messages(events: list[type[Event]], calls: list[AnyCall]) -> Json:
    told = {
        kind.type: {
            "name": kind.__name__,
            "summary": _about(kind),
            "headers": {"$ref": "#/components/schemas/EventHeaders"},
            "payload": _payload(kind),
        }
        for kind in events
    }
    asked = {_key(call): _message(call.question) for call in calls}
    answered = {f"{_key(call)}.reply": _message(call.answer) for call in calls}
    return {**told, **asked, **answered, "refusal": _REFUSAL}


def _payload(kind: type[Event]) -> Json:
    one = {"$ref": f"#/components/schemas/{kind.__name__}"}
    if not kind.is_stored:
        return one
    about = "What one transaction told of this type, under one id."
    return {
        "oneOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": TOGETHER_MOST, "description": about}]
    }


def _message(model: type[Any]) -> Json:
    return {"name": model.__name__, "payload": {"$ref": f"#/components/schemas/{model.__name__}"}}


def _schemas(events: list[type[Event]], calls: list[AnyCall]) -> Json:
    models = [*events, *(model for call in calls for model in (call.question, call.answer))]
    unique = {model.__name__: model for model in models}
    _, schema = models_json_schema(
        [(model, "validation") for model in unique.values()], ref_template="#/components/schemas/{model}"
    )
    missing = set(unique) - set(schema["$defs"])
    if missing:  # two different models of one name would make every reference to it ambiguous
        raise ValueError(f"more than one model is called {sorted(missing)}")
    return {"EventHeaders": _EVENT_HEADERS, **{name: schema["$defs"][name] for name in sorted(schema["$defs"])}}


if __name__ == "__main__":
    sys.stdout.write(as_yaml(document()))
