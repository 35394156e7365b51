"""An event is never edited after release: another version of Lethe, or its own outbox, still speaks the old one."""

import json

import pytest

from lethe_common.events.catalogue import EVENTS
from tests.contracts.freeze import FROZEN, schema_of


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_what_it_was_when_it_was_frozen(name: str) -> None:
    file = FROZEN / f"{name}.json"

    assert file.exists(), f"{name} is new: make contracts"
    assert schema_of(EVENTS[name]) == json.loads(file.read_text()), (
        f"{name} was edited. Make a v2 beside it; v1 stays until no outbox, stream or parked message can hold one."
    )


def test_no_frozen_event_has_gone() -> None:
    assert {file.stem for file in FROZEN.glob("*.json")} <= set(EVENTS), "an event went; others may still be told it"


@pytest.mark.parametrize("name", EVENTS)
def test_an_events_type_is_domain_subject_action_version(name: str) -> None:
    domain, _subject, _action, version = name.split(".")

    assert EVENTS[name].domain() == domain
    assert version[0] == "v"
    assert version[1:].isdigit()


def test_every_event_is_heard_by_somebody_and_told_by_somebody() -> None:
    assert all(kind.speakers and kind.listeners for kind in EVENTS.values())
