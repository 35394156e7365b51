"""The fields of a body that is about to go out: JSON, a form, or a form with files. What cannot be read is None."""

import email.parser
import email.policy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl

_DEEPEST = 16
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_EXTENSION = re.compile(r"(\.[a-z0-9]{1,5})?")
_PART_HEADERS = {"content-disposition", "content-type", "content-length"}


@dataclass(frozen=True, slots=True, repr=False)
class Body:
    """Names and values of a body, and whether its files bear no name of their own."""

    fields: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    has_plain_file_names: bool = True


def read_body(headers: Mapping[str, str], content: bytes) -> Body | None:
    """What a body says, by its media type."""
    if not content:
        return Body()
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    try:
        match kind.partition(";")[0].strip().lower():
            case "application/json":
                return _of_pairs(list(_leaves(json.loads(content))))
            case "application/x-www-form-urlencoded":
                return _of_form(content)
            case "multipart/form-data":
                return _of_parts(kind, content)
            case _:
                return None
    except (ValueError, RecursionError):
        return None


def _of_pairs(pairs: list[tuple[str, str]]) -> Body:
    return Body(frozenset(name for name, _ in pairs), tuple(value for _, value in pairs))


def _leaves(value: object, before: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Each value with its dotted path, lists passed through; an empty object or list is a value too."""
    if depth > _DEEPEST:
        raise ValueError("deeper than any request is")
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{before}.{key}" if before else str(key), depth + 1)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(inner, before, depth + 1)
    else:
        yield before, value if isinstance(value, str) else json.dumps(value)


def _of_form(content: bytes) -> Body:
    pairs = parse_qsl(content.decode(), keep_blank_values=True, strict_parsing=True)
    return _of_pairs(
        [(_BRACKETS.sub(lambda match: f".{match[1]}" if match[1] else "", name), text) for name, text in pairs]
    )


def _of_parts(kind: str, content: bytes) -> Body | None:
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message: Any = email.parser.BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + content)
    if message.defects or not message.is_multipart() or message.preamble or message.epilogue:
        return None
    pairs: list[tuple[str, str]] = []
    is_plain = True
    for part in message.iter_parts():
        name, file_name = part.get_param("name", header="content-disposition"), part.get_filename()
        if not isinstance(name, str) or {header.lower() for header in part} - _PART_HEADERS:
            return None
        if file_name is None:
            pairs.append((name, part.get_payload(decode=True).decode()))
        else:
            pairs.append((name, ""))
            is_plain &= file_name.startswith(name) and _EXTENSION.fullmatch(file_name[len(name) :]) is not None
    found = _of_pairs(pairs)
    return Body(found.fields, found.values, has_plain_file_names=is_plain)
