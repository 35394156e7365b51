import dataclasses
from datetime import UTC, datetime
from enum import EnumType

import pytest

from lethe_common.events.catalogue import EVENTS, STREAMS, stream_of
from lethe_common.events.envelope import Envelope, Event, Undecodable, body, joined
from lethe_common.events.identity import AccountOpened
from lethe_common.events.jobs import GenerationCancelled
from lethe_common.events.retention import ItemsScheduled
from lethe_common.identifiers import SubjectRef
from lethe_common.services import Service
from lethe_common.storage import new_object_prefix, new_subject_random
from tests.samples import sample

OPENED = AccountOpened(subject_ref=SubjectRef.new(), plan="free", opened_at=datetime(2027, 1, 1, tzinfo=UTC))


def test_an_event_comes_out_of_its_message_as_it_went_in() -> None:
    sent = Envelope.around(OPENED, Service.GATEWAY, "00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    read = Envelope.from_message(AccountOpened.type, sent.headers(), sent.data)

    assert read == sent
    assert read.open(AccountOpened) == OPENED


@pytest.mark.parametrize("header", ["ce-id", "ce-type", "ce-source", "ce-time"])
def test_a_message_without_a_required_attribute_is_undecodable(header: str) -> None:
    sent = Envelope.around(OPENED, Service.GATEWAY)
    headers = {name: value for name, value in sent.headers().items() if name != header}

    with pytest.raises(Undecodable):
        Envelope.from_message(AccountOpened.type, headers, sent.data)


def test_a_message_under_another_subject_than_its_type_is_undecodable() -> None:
    sent = Envelope.around(OPENED, Service.GATEWAY)

    with pytest.raises(Undecodable):
        Envelope.from_message("identity.account.closed.v1", sent.headers(), sent.data)


def test_a_body_with_a_field_too_many_is_undecodable() -> None:
    sent = Envelope.around(OPENED, Service.GATEWAY)
    altered = Envelope(sent.event_id, sent.type, sent.source, sent.told_at, sent.data[:-1] + b',"email":"x"}')

    with pytest.raises(Undecodable):
        altered.open(AccountOpened)


def test_what_is_told_together_travels_in_few_messages_by_type_and_comes_out_in_its_order() -> None:
    opened, cancelled = [sample(AccountOpened) for _ in range(70)], [sample(GenerationCancelled) for _ in range(2)]
    events = [opened[0], *cancelled, *opened[1:]]

    sent = list(Envelope.around_all(events, Service.GATEWAY))

    assert [(one.type, one.count) for one in sent] == [
        (AccountOpened.type, 32), (AccountOpened.type, 32), (AccountOpened.type, 6), (GenerationCancelled.type, 2),
    ]  # fmt: skip
    assert len({one.event_id for one in sent}) == len(sent)
    read = [Envelope.from_message(one.type, one.headers(), one.data) for one in sent]
    assert [event for one in read[:3] for event in one.open_all(AccountOpened)] == opened
    assert read[3].open_all(GenerationCancelled) == tuple(cancelled)


def test_one_event_alone_is_no_array() -> None:
    (sent,) = Envelope.around_all([OPENED], Service.GATEWAY)

    assert sent.count == 1
    assert sent.open(AccountOpened) == OPENED
    assert sent.open_all(AccountOpened) == (OPENED,)


def test_large_events_travel_in_messages_that_an_outbox_takes() -> None:
    items = (sample(ItemsScheduled).items[0],) * 128
    events = [ItemsScheduled(items=items) for _ in range(6)]

    sent = list(Envelope.around_all(events, Service.RETENTION))

    assert 1 < len(sent) < 6
    assert max(len(one.data) for one in sent) <= 65_536
    assert [event for one in sent for event in one.open_all(ItemsScheduled)] == events


MANY = [(kind, field) for kind in EVENTS.values() for field in ("items", "holds") if field in kind.model_fields]


@pytest.mark.parametrize(("kind", "field"), MANY, ids=[kind.__name__ for kind, _ in MANY])
def test_an_event_that_tells_of_as_many_as_it_may_fits_into_an_outbox(kind: type[Event], field: str) -> None:
    part = type(getattr(sample(kind), field)[0])
    prefix = new_object_prefix("outputs", new_subject_random())
    longest: dict[str, object] = {
        "prefixes": (prefix,),
        "rows": 999_999,
        "object_versions": 999_999,
        "credits": 999_999,
    }
    longest |= {
        name: max(annotation.annotation, key=len)
        for name, annotation in part.model_fields.items()
        if isinstance(annotation.annotation, EnumType)
    }
    (limit,) = (one.max_length for one in kind.model_fields[field].metadata if hasattr(one, "max_length"))

    most = sample(kind, **{field: (sample(part, **longest),) * limit})

    assert len(body(most)) <= 65_536


@pytest.mark.parametrize(
    "data",
    [b"[]", b"[%b" % body(OPENED), b"[%b,null]" % body(OPENED), b"[[%b]]" % body(OPENED), joined([body(OPENED)] * 33)],
    ids=["none", "torn", "one is nothing", "nested", "more than travel together"],
)
def test_an_array_that_is_not_events_of_its_type_is_undecodable(data: bytes) -> None:
    sent = dataclasses.replace(Envelope.around(OPENED, Service.GATEWAY), data=data)

    with pytest.raises(Undecodable):
        sent.open_all(AccountOpened)


def test_every_stored_event_has_a_stream_a_speaker_and_a_listener() -> None:
    for kind in EVENTS.values():
        assert kind.speakers, kind
        assert kind.listeners, kind
        if kind.is_stored:
            assert kind.type in stream_of(kind.type).subjects
        else:
            assert all(kind.type not in stream.subjects for stream in STREAMS.values())


def test_event_types_name_domain_subject_action_and_version() -> None:
    for name in EVENTS:
        domain, subject, action, version = name.split(".")
        assert domain
        assert subject
        assert action
        assert version.removeprefix("v").isdigit()
