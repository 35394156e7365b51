import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import FormParser

from lethe_gateway.errors import TooLarge
from lethe_gateway.multipart import BadMultipart, Form, FormLimits, parse

BOUNDARY = "7d1b0c9f"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
LIMITS = FormLimits()


def part(name: str, value: bytes, more: str = "", headers: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{headers}\r\n'
    return head.encode() + value + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def seen_by_the_library(content: bytes) -> list[tuple[str, bytes]]:
    seen: list[tuple[str, bytes]] = []
    ended: list[bool] = []
    parser = FormParser(
        "multipart/form-data",
        lambda field: seen.append((field.field_name.decode("latin-1"), field.value or b"")),  # type: ignore[union-attr]  # its stubs allow None
        None,
        on_end=lambda: ended.append(True),
        boundary=BOUNDARY.encode(),
    )
    parser.write(content)
    parser.finalize()
    assert ended
    return seen


def test_text_fields_are_read_as_they_were_written() -> None:
    form = parse(TYPE, body(part("prompt", "кораблик\r\n".encode()), part("seconds", b"4")), LIMITS)

    assert form == Form({"prompt": "кораблик\r\n", "seconds": "4"}, {})


def test_a_file_comes_without_its_name() -> None:
    content = b"\x89PNG\r\n--7d1b" + bytes(range(256))
    upload = part("input_reference", content, '; filename="CANARY me.png"', "Content-Type: image/png\r\n")

    form = parse(TYPE, body(part("prompt", b"x"), upload), LIMITS)

    assert form.files["input_reference"].data == content
    assert form.fields == {"prompt": "x"}
    assert "CANARY" not in repr(form)


def test_a_text_that_mentions_a_filename_stays_a_text() -> None:
    assert parse(TYPE, body(part("prompt", b'filename="x"')), LIMITS).fields == {"prompt": 'filename="x"'}


@pytest.mark.parametrize(
    "name", ['filename="a;b.png"', 'filename="a\\"b.png"', "filename=a.png", 'filename=""', 'filename="кот.png"']
)
def test_awkward_file_names_are_read_and_dropped(name: str) -> None:
    form = parse(TYPE, body(part("image", b"data", f"; {name}")), LIMITS)

    assert form.files["image"].data == b"data"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'a' * 71}",
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a\x00",
        "multipart/mixed; boundary=7d1b0c9f",
        "application/json",
        "multipart/form-data; boundary=é",
        "",
    ],
)
def test_a_type_without_a_proper_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadMultipart):
        parse(content_type, body(part("a", b"1")), LIMITS)


@pytest.mark.parametrize(
    "content_type",
    [f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"', f"multipart/form-data;boundary={BOUNDARY}"],
)
def test_the_type_may_be_written_in_any_lawful_way(content_type: str) -> None:
    assert parse(content_type, body(part("a", b"1")), LIMITS).fields == {"a": "1"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--7d1b0c9f",
        part("a", b"1"),
        b"preamble\r\n" + body(part("a", b"1")),
        body(part("a", b"1")) + b"epilogue",
        body(part("a", b"1"), part("a", b"2")),
        body(part("a", b"1"), part("a", b"2", '; filename="x"')),
        body(part("a", b"1", '; name="b"')),
        body(part("a", b"1", headers="X-Folded: one\r\n two\r\n")),
        body(part("a", b"1", headers="Content-Disposition: form-data; name=b\r\n")),
        body(part("a", b"1", headers="Content-Transfer-Encoding: base64\r\n")),
        body(part("a", b"1", headers="Content-Type: text/plain; charset=utf-16\r\n")),
        body(part("a", b"1", headers="Content-Type: text/html\r\n")),
        body(part("a", b"1", headers="X: " + "y" * 3000 + "\r\n")),
        body(part("a", b"1", headers="X: y\r\n" * 9)),
        body(part("a", b"\xff\xfe")),
        body(part("", b"1")),
        body(part("a b", b"1")),
        body(b"--7d1b0c9f\r\n\r\nno headers\r\n"),
        body(b"--7d1b0c9f\r\nContent-Type: text/plain\r\n\r\nno name\r\n"),
        body(b"--7d1b0c9fextra\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"),
        body(part("a", b"1")).replace(b"\r\n", b"\n"),
        body(*(part(f"f{number}", b"") for number in range(40))),
        body(*(part(f"f{number}", b"", '; filename="x"') for number in range(5))),
    ],
)
def test_a_malformed_body_is_refused_without_an_echo(content: bytes) -> None:
    with pytest.raises(BadMultipart) as refusal:
        parse(TYPE, content, LIMITS)
    assert refusal.value.status == 400
    assert BOUNDARY not in str(refusal.value)


def test_the_size_of_each_part_is_limited() -> None:
    limits = FormLimits(field_bytes=10, file_bytes=20)

    assert parse(TYPE, body(part("a", b"x" * 10), part("b", b"x" * 20, '; filename="f"')), limits).fields == {
        "a": "x" * 10
    }
    with pytest.raises(TooLarge):
        parse(TYPE, body(part("a", b"x" * 11)), limits)
    with pytest.raises(TooLarge):
        parse(TYPE, body(part("b", b"x" * 21, '; filename="f"')), limits)


awkward_text = st.text().map(str.encode) | st.lists(
    st.sampled_from([b"\r\n", b"--", b"7d1b0c9", b"\r\n--7d1b", b"\r", b"\n", b"name=", "ё".encode()]), max_size=12
).map(b"".join)
names = st.text(alphabet="abcdefghij_", min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(fields=st.dictionaries(names, awkward_text, max_size=6), content=st.none() | st.binary(max_size=200))
def test_whatever_is_written_is_read_back(fields: dict[str, bytes], content: bytes | None) -> None:
    delimiter = b"--" + BOUNDARY.encode()
    if any(delimiter in value for value in (*fields.values(), content or b"")):
        return
    parts = [part(name, value) for name, value in fields.items()]
    if content is not None:
        parts.append(part("FILE", content, '; filename="x.bin"', "Content-Type: application/octet-stream\r\n"))
    if not parts:
        return

    form = parse(TYPE, body(*parts), LIMITS)

    assert form.fields == {name: value.decode() for name, value in fields.items()}
    assert {name: upload.data for name, upload in form.files.items()} == ({} if content is None else {"FILE": content})


@settings(max_examples=600, deadline=None)
@given(
    fields=st.dictionaries(names, awkward_text, min_size=1, max_size=3),
    at=st.integers(0, 400),
    cut=st.integers(0, 12),
    junk=st.binary(max_size=6)
    | st.sampled_from([b"\r\n", b"--" + BOUNDARY.encode(), b"\r\n\r\n", b";", b'"', b" ", b"\n"]),
)
def test_a_damaged_body_is_refused_or_read_as_the_library_reads_it(
    fields: dict[str, bytes], at: int, cut: int, junk: bytes
) -> None:
    whole = body(*(part(name, value) for name, value in fields.items()))
    at = min(at, len(whole))
    damaged = whole[:at] + junk + whole[at + cut :]

    try:
        form = parse(TYPE, damaged, LIMITS)
    except (BadMultipart, TooLarge):
        return
    try:
        seen = seen_by_the_library(damaged)
    except FormParserError:
        raise AssertionError("accepted what the library refuses") from None

    assert [(name, value.encode()) for name, value in form.fields.items()] == [
        entry for entry in seen if entry[0] not in form.files
    ]


def test_a_large_file_stays_in_memory(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> io.BytesIO:
        raise AssertionError("a temporary file was asked for")

    for maker in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(f"tempfile.{maker}", refuse)

    form = parse(TYPE, body(part("image", b"x" * 3_000_000, '; filename="f"')), LIMITS)

    assert len(form.files["image"].data) == 3_000_000
