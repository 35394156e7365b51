from datetime import UTC, datetime

import pytest

from lethe_common.events.catalogue import EVENTS, STREAMS, stream_of
from lethe_common.events.envelope import Envelope, Undecodable
from lethe_common.events.identity import AccountOpened
from lethe_common.identifiers import SubjectRef
from lethe_common.services import Service

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
