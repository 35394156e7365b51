"""What may go out, to whom, and in which part of a request: decided from plain values, denied by default."""

import json
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from lethe_common.clock import RealClock
from lethe_common.egress import Attachment, EgressRefused, Outbound, Passage, Reason, Recipient, Recipients, Refusals
from lethe_common.egress.addresses import is_public
from lethe_common.egress.bodies import read_body
from lethe_common.egress.declared import endpoints, is_own, must_be_declared, recipients_of, words
from lethe_common.egress.paths import is_plain
from lethe_common.egress.recipients import passed_headers
from lethe_common.errors import ConfigurationError
from lethe_common.policy import load_policy
from tests.tree import ROOT

TODAY = date(2026, 12, 1)
RENDERER = Recipient(
    id="renderer",
    hosts=frozenset({"api.example.org"}),
    purposes=frozenset({"service"}),
    fields=frozenset({"prompt", "size", "input.image", "reference"}),
    expires=date(2027, 1, 1),
)
JSON = {"content-type": "application/json"}
SECRET = "a boat nobody should hear of"


def refusal(passage: Passage, recipient: Recipient = RENDERER, today: date = TODAY) -> Reason | None:
    """Why a passage may not go out; None when it may."""
    try:
        Recipients(lambda: [recipient]).admit(passage, today)
    except EgressRefused as refused:
        return refused.reason
    return None


def passage(url: str = "https://api.example.org/v1/videos", body: Any = None, **other: Any) -> Passage:
    """A passage that may go out, but for what a test changes."""
    content = b"" if body is None else json.dumps(body).encode()
    return Passage(**{
        "recipient": "renderer", "purpose": "service", "method": "POST", "url": url, "headers": JSON, "body": content,
        **other,
    })  # fmt: skip


def test_what_the_policy_lists_may_go_out() -> None:
    assert refusal(passage(body={"prompt": SECRET, "size": "1280x720", "input": {"image": ["x"]}})) is None
    assert refusal(passage(method="GET")) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (passage(recipient="somebody"), Reason.RECIPIENT),
        (passage(purpose="marketing"), Reason.PURPOSE),
        (passage("http://api.example.org/v1"), Reason.SCHEME),
        (passage("ftp://api.example.org/v1"), Reason.SCHEME),
        (passage("https://evil.example.org/v1"), Reason.HOST),
        (passage("https://x.api.example.org/v1"), Reason.HOST),
        (passage("https://api.example.org.evil.test/v1"), Reason.HOST),
        (passage("https://api.example.org@evil.test/v1"), Reason.HOST),
        (passage("https://who:secret@api.example.org/v1"), Reason.HOST),
        (passage("https://93.184.216.34/v1"), Reason.HOST),
        (passage("https://api.example.org:8443/v1"), Reason.PORT),
        (passage("https://api.example.org:99999999/v1"), Reason.PORT),
        (passage(f"https://api.example.org/v1?q={quote(SECRET)}"), Reason.QUERY),
        (passage("https://api.example.org/v1?"), Reason.QUERY),
        (passage(f"https://api.example.org/v1#{quote(SECRET)}"), Reason.QUERY),
        (passage(f"https://api.example.org/v1/{quote(SECRET)}"), Reason.PATH),
        (passage("https://api.example.org/v1/../admin"), Reason.PATH),
        (passage("https://api.example.org/v1/lantern", body={"prompt": "lantern"}), Reason.PATH),
        (passage("https://api.example.org/" + "a" * 97), Reason.PATH),
        (passage(body={"prompt": "x", "email": "somebody"}), Reason.FIELD),
        (passage(body={"prompt": {"email": "somebody"}}), Reason.FIELD),
        (passage(body={"input": {"image": "x", "name": "y"}}), Reason.FIELD),
        (passage(body=[SECRET]), Reason.FIELD),
        (passage(body={"": SECRET}), Reason.FIELD),
        (passage(headers={"content-type": "text/plain"}, body={"prompt": "x"}), Reason.BODY),
        (passage(headers={}, body={"prompt": "x"}), Reason.BODY),
    ],
)
def test_what_it_does_not_list_is_refused_by_the_rule_that_stands_against_it(changed: Passage, reason: Reason) -> None:
    assert refusal(changed) is reason


def test_a_contract_that_has_expired_closes_the_way_out() -> None:
    assert refusal(passage(), today=date(2027, 1, 1)) is None
    assert refusal(passage(), today=date(2027, 1, 2)) is Reason.EXPIRED


def test_nobody_is_a_recipient_where_none_is_declared() -> None:
    with pytest.raises(EgressRefused, match="no recipient of this id"):
        Recipients(list).admit(passage(), TODAY)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(), min_size=1, max_size=5))
def test_no_body_with_any_other_field_ever_passes(body: dict[str, str]) -> None:
    is_declared = body.keys() <= {"prompt", "size", "reference"}

    assert (refusal(passage(body=body)) is None) == is_declared


@given(st.text(max_size=40))
def test_whatever_stands_in_a_url_only_plain_words_pass(text: str) -> None:
    reason = refusal(passage(f"https://api.example.org/v1/{text}"))

    assert reason is not None or is_plain(f"/v1/{text}", ())


def test_a_form_is_read_like_json() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}

    assert refusal(passage(headers=form)) is None
    ok = Passage("renderer", "service", "POST", passage().url, form, b"prompt=x&input[image][]=y")
    told = Passage("renderer", "service", "POST", passage().url, form, b"prompt=x&metadata[email]=y")
    broken = Passage("renderer", "service", "POST", passage().url, form, b"prompt")
    assert [refusal(ok), refusal(told), refusal(broken)] == [None, Reason.FIELD, Reason.BODY]


def test_a_file_goes_out_under_the_name_of_its_field() -> None:
    request = Outbound(
        "renderer", "service", "POST", passage().url,
        fields={"prompt": SECRET}, attachments={"reference": Attachment("image/png", b"\x89PNG\r\n")},
    )  # fmt: skip
    made = request.passage()

    assert refusal(made) is None
    assert b'filename="reference.png"' in made.body
    named = made.body.replace(b'filename="reference.png"', b'filename="anna-in-paris.png"')
    assert refusal(Passage(made.recipient, made.purpose, "POST", made.url, made.headers, named)) is Reason.FILE_NAME


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Type: image/png", b"Content-Type: image/png\r\nX-Note: anna"),
        (b'name="prompt"', b'name="email"'),
        (b"--\r\n", b"--\r\nan epilogue that no server reads"),
    ],
)
def test_a_form_with_files_hides_nothing_between_its_parts(old: bytes, new: bytes) -> None:
    files = {"reference": Attachment("image/png", b"\x89PNG")}
    made = Outbound("renderer", "service", "POST", passage().url, {"prompt": "x"}, files).passage()
    changed = old.join(made.body.rsplit(old, 1)) if old not in made.body else new.join(made.body.rsplit(old, 1))

    refused = refusal(Passage(made.recipient, made.purpose, "POST", made.url, made.headers, changed))

    assert refused in {Reason.BODY, Reason.FIELD}


def test_headers_that_nobody_needs_stay_here() -> None:
    given_ = {"Authorization": "Bearer k", "X-Person": "anna", "Cookie": "a=b", "Referer": "x", "Accept": "*/*"}

    assert passed_headers(RENDERER, given_) == {"authorization": "Bearer k", "accept": "*/*"}


def test_deep_json_is_refused_rather_than_followed() -> None:
    assert read_body(JSON, b"[" * 5000 + b"]" * 5000) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "255.255.255.255", "192.0.0.8", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "no address",
    ],
)  # fmt: skip
def test_addresses_inside_or_reserved_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_a_refusal_is_counted_and_remembered_without_what_it_was_about() -> None:
    registry = CollectorRegistry()
    refusals = Refusals(registry, RealClock().now)
    refusals.note(EgressRefused(Reason.FIELD, "renderer"), "service")
    refusals.note(EgressRefused(Reason.RECIPIENT, "undeclared"), "")

    assert [(one.recipient, one.purpose, one.reason) for one in refusals.last()] == [
        ("undeclared", "", Reason.RECIPIENT),
        ("renderer", "service", Reason.FIELD),
    ]
    labels = {"recipient": "renderer", "reason": "undeclared_field"}
    assert registry.get_sample_value("lethe_egress_refused_total", labels) == 1


class Some(BaseSettings):
    database_url: SecretStr = SecretStr("postgresql://who:secret@db.example.org:5432/lethe")
    s3_endpoint: str = "127.0.0.1:9000"
    smtp_url: SecretStr | None = None
    public_url: str = "https://video.example.org"


def test_every_host_that_a_setting_names_is_looked_at_but_our_own_address() -> None:
    found = endpoints(Some(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://traces.example.org"})

    assert [(each.setting, each.host, each.port) for each in found] == [
        ("LETHE_DATABASE_URL", "db.example.org", 5432),
        ("LETHE_S3_ENDPOINT", "127.0.0.1", 9000),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.example.org", None),
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://a:b@/lethe?host=/var/run/lethe&port=5432", ""),
        ("postgresql://a:b@/lethe?host=db.example.org", "db.example.org"),
        ("postgresql://a:b@[::1]:5432/lethe", "::1"),
    ],
)
def test_a_database_may_be_named_in_any_way_that_its_driver_reads(url: str, host: str) -> None:
    (found, _) = endpoints(Some(database_url=SecretStr(url)), {})

    assert found.host == host


def test_a_service_does_not_start_with_a_host_that_nobody_declared() -> None:
    found = endpoints(Some(), {})

    with pytest.raises(ConfigurationError, match="LETHE_DATABASE_URL: the host is no recipient's") as raised:
        must_be_declared(found, own=(), declared=())
    assert "secret" not in str(raised.value)
    must_be_declared(found, own=words("db.example.org, nats"), declared=())
    must_be_declared(found, own=(), declared={"db.example.org"})


@pytest.mark.parametrize(
    ("host", "is_ours"), [("127.0.0.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_loopback_is_own_and_no_other_address_is(host: str, is_ours: bool) -> None:
    assert is_own(host, ()) is is_ours


@pytest.mark.parametrize("profile", sorted(file.parent.name for file in ROOT.glob("deploy/profiles/*/policy.yaml")))
def test_the_recipients_of_each_published_policy_are_what_the_egress_decides_by(profile: str) -> None:
    policy = load_policy(ROOT / "deploy/profiles" / profile)

    for party, made in zip(policy.content.recipients, recipients_of(policy.content.recipients), strict=True):
        assert (made.id, made.hosts, made.fields) == (party.id, frozenset(party.hosts), frozenset(party.fields))
        assert made.ports == frozenset({25, 465, 587} if party.adapter == "smtp" else {443})
        assert not made.is_private
        assert not made.is_plain_http
