"""Reads multipart/form-data from memory: lean for text fields, python-multipart for bodies with files.

The web framework's own reader writes parts above a megabyte to a temporary file,
in clear; this one never touches a disk. Files come back as bytes only: their
names are personal data nobody asked for, so they are dropped here.

Stricter than RFC 7578 where leniency has let two readers see two different
bodies: no preamble, no folded headers, each name once, UTF-8 only.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from lethe_gateway.errors import BadRequest, TooLarge

_HEADERS_MOST = 8
_HEADER_LIMIT_BYTES = 2048
_QUOTED_OR_TOKEN = rb"""(?:"((?:[^"\\\x00-\x1f\x7f]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))"""
_PARAMETER = re.compile(rb"[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=" + _QUOTED_OR_TOKEN)
_MEDIA_TYPE = re.compile(rb"[ \t]*multipart/form-data(?=[ \t;]|$)", re.IGNORECASE)
_DISPOSITION = re.compile(rb"[ \t]*form-data(?=[ \t;]|$)", re.IGNORECASE)
# RFC 2046, section 5.1.1: one to seventy characters, the last of them no space.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_NAME = re.compile(rb"[A-Za-z0-9_.\-\[\]]{1,64}")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_TEXT = re.compile(rb"[ \t]*text/plain[ \t]*(?:;[ \t]*charset=\"?utf-8\"?[ \t]*)?", re.IGNORECASE)
# The one header that most clients send with a text field: read at a glance.
_USUAL = re.compile(rb'\r\nContent-Disposition: form-data; name="([A-Za-z0-9_.\-\[\]]{1,64})"')
_PLAIN_ENCODINGS = (b"7bit", b"8bit", b"binary")


class BadMultipart(BadRequest):
    """The body is not the multipart/form-data it should be."""

    code = "bad_multipart"


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The most that is accepted of each."""

    fields: int = 32
    files: int = 4
    field_bytes: int = 160 * 1024
    file_bytes: int = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part. Neither its name nor its declared type is kept."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Text fields and files by name; no name comes twice, nor in both."""

    fields: dict[str, str] = field(default_factory=dict, repr=False)
    files: dict[str, Upload] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    is_file: bool
    data: bytes


def parse(content_type: str, body: bytes, limits: FormLimits) -> Form:
    """Read a whole body.

    Raises:
        BadMultipart: the type or the body is malformed, or there are too many parts.
        TooLarge: one part is larger than its limit.
    """
    boundary = _boundary(content_type)
    parts_most = limits.fields + limits.files
    split = _general_parts if b"filename" in body else _lean_parts
    form = Form()
    for count, part in enumerate(split(boundary, body, parts_most), start=1):
        if count > parts_most:
            raise BadMultipart("The form has too many parts.")
        _put(form, part, limits)
    return form


def _boundary(content_type: str) -> bytes:
    try:
        given = content_type.encode("ascii")
    except UnicodeEncodeError as error:
        raise BadMultipart("The Content-Type header is malformed.") from error
    kind = _MEDIA_TYPE.match(given)
    if kind is None:
        raise BadMultipart("The body must be multipart/form-data.")
    boundary = _parameters(given[kind.end() :]).get(b"boundary", b"")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise BadMultipart("The Content-Type header needs a boundary of 1 to 70 characters.")
    return boundary


def _parameters(text: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        name, quoted, token = match.groups()
        name = name.lower()
        if name in found:
            raise BadMultipart("A header names one parameter twice.")
        found[name] = token if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
        at = match.end()
    if text[at:].strip(b" \t;"):
        raise BadMultipart("A header's parameters are malformed.")
    return found


def _lean_parts(boundary: bytes, body: bytes, parts_most: int) -> Iterator[_Part]:
    """Parts of a body without files. One split does the work that a reader byte by byte takes long for."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, parts_most + 3)
    if len(pieces) > parts_most + 2:
        raise BadMultipart("The form has too many parts.")
    if len(pieces) == 1 or pieces[0] or pieces[-1] not in {b"--", b"--\r\n"}:
        raise BadMultipart("The form does not begin and end with its boundary.")
    for piece in pieces[1:-1]:
        head, gap, data = piece.partition(b"\r\n\r\n")
        usual = _USUAL.fullmatch(head)
        if usual is not None and gap:
            yield _Part(usual[1].decode("ascii"), is_file=False, data=data)
            continue
        if not gap or not head.startswith(b"\r\n"):
            raise BadMultipart("A part of the form is malformed.")
        lines = head[2:].split(b"\r\n", _HEADERS_MOST)
        if len(lines) > _HEADERS_MOST:
            raise BadMultipart("A part of the form has too many headers.")
        yield _part([_header(line) for line in lines], data)


def _header(line: bytes) -> tuple[bytes, bytes]:
    match = _HEADER.fullmatch(line)
    if match is None or len(line) > _HEADER_LIMIT_BYTES:
        raise BadMultipart("A part of the form has a malformed or folded header.")
    return match[1].lower(), match[2].strip(b" \t")


class _Collector:
    """Gathers python-multipart's callbacks into parts, in memory."""

    def __init__(self, parts_most: int) -> None:
        self.parts: list[_Part] = []
        self.is_complete = False
        self._parts_most = parts_most
        self._name, self._value, self._data = bytearray(), bytearray(), bytearray()
        self._headers: list[tuple[bytes, bytes]] = []

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
            "on_part_end": self._finish,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ended,
            "on_end": self._ended,
        }

    def _begin(self) -> None:
        if len(self.parts) >= self._parts_most:
            raise BadMultipart("The form has too many parts.")
        self._headers, self._data = [], bytearray()

    def _header_ended(self) -> None:
        self._headers.append(_header(bytes(self._name) + b":" + bytes(self._value)))
        self._name, self._value = bytearray(), bytearray()

    def _finish(self) -> None:
        self.parts.append(_part(self._headers, bytes(self._data)))

    def _ended(self) -> None:
        self.is_complete = True


def _general_parts(boundary: bytes, body: bytes, parts_most: int) -> Iterable[_Part]:
    """Parts of any body, by python-multipart's tokeniser."""
    collector = _Collector(parts_most)
    reader = MultipartParser(
        boundary, collector.callbacks(),  # type: ignore[arg-type]  # its TypedDict, spelled as a dict
        max_header_count=_HEADERS_MOST, max_header_size=_HEADER_LIMIT_BYTES,
    )  # fmt: skip
    try:
        reader.write(body)
        reader.finalize()
    except FormParserError as error:
        raise BadMultipart("The form is malformed.") from error
    if not collector.is_complete:
        raise BadMultipart("The form does not end with its boundary.")
    return collector.parts


def _part(given: list[tuple[bytes, bytes]], data: bytes) -> _Part:
    headers = dict(given)
    if len(headers) != len(given):
        raise BadMultipart("A part of the form has one header twice.")
    if headers.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN_ENCODINGS:
        raise BadMultipart("A part of the form is encoded. Send it as it is.")
    name, is_file = _disposition(headers)
    if not is_file and _TEXT.fullmatch(headers.get(b"content-type", b"text/plain")) is None:
        raise BadMultipart("A text field must be text/plain in UTF-8.")
    return _Part(name, is_file, data)


def _put(form: Form, part: _Part, limits: FormLimits) -> None:
    if part.name in form.fields or part.name in form.files:
        raise BadMultipart("The form has one field twice.")
    put = _put_file if part.is_file else _put_text
    put(form, part, limits)


def _disposition(headers: dict[bytes, bytes]) -> tuple[str, bool]:
    given = headers.get(b"content-disposition", b"")
    kind = _DISPOSITION.match(given)
    if kind is None:
        raise BadMultipart("A part of the form lacks its Content-Disposition.")
    if b"filename" in given.lower():
        # File names hold whatever people write; the library knows how browsers escape it.
        parameters = parse_options_header(given)[1]
        name, is_file = parameters.get(b"name", b""), b"filename" in parameters
    else:
        parameters = _parameters(given[kind.end() :])
        name, is_file = parameters.get(b"name", b""), False
    if _NAME.fullmatch(name) is None:
        raise BadMultipart("A part of the form has no usable name.")
    return name.decode("ascii"), is_file


def _put_file(form: Form, part: _Part, limits: FormLimits) -> None:
    if len(form.files) >= limits.files:
        raise BadMultipart("The form has too many files.")
    if len(part.data) > limits.file_bytes:
        raise TooLarge(limits.file_bytes)
    form.files[part.name] = Upload(part.data)


def _put_text(form: Form, part: _Part, limits: FormLimits) -> None:
    if len(form.fields) >= limits.fields:
        raise BadMultipart("The form has too many fields.")
    if len(part.data) > limits.field_bytes:
        raise TooLarge(limits.field_bytes)
    try:
        form.fields[part.name] = part.data.decode()
    except UnicodeDecodeError as error:
        raise BadMultipart("A text field is not UTF-8.") from error
