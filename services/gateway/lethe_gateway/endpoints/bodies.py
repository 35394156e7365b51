"""Reading request bodies: the raw bytes, validated by Pydantic, refused without an echo."""

from typing import TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from lethe_gateway.errors import NulInText, WrongMediaType
from lethe_gateway.submissions import refusal_of

B = TypeVar("B", bound=BaseModel)


async def read(request: Request, kind: type[B]) -> B:
    """The JSON body as `kind`.

    Raises:
        WrongMediaType: it is not announced as JSON.
        BadRequest: it does not fit, or has a NUL in a text; nothing of it is repeated.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongMediaType("Send JSON with Content-Type: application/json.")
    body = await request.body()
    try:
        content = kind.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error, frozenset(kind.model_fields)) from None
    # JSON spells it in one way only; the same letters behind a backslash are a text about it.
    if b"\\u0000" in body:
        must_have_no_nul(from_json(body))
    return content


async def read_optional(request: Request, kind: type[B]) -> B:
    """The same, where no body means an empty object."""
    if not await request.body():
        return kind.model_validate({})
    return await read(request, kind)


def read_query(request: Request, kind: type[B]) -> B:
    """The query string as `kind`.

    Raises:
        BadRequest: it does not fit; nothing of it is repeated.
    """
    try:
        return kind.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise refusal_of(error, frozenset(kind.model_fields)) from None


def reply(content: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as JSON."""
    return Response(content.__pydantic_serializer__.to_json(content), status, headers, media_type="application/json")


def must_have_no_nul(content: object) -> None:
    """Look through a whole body, names of fields among it.

    Raises:
        NulInText: one of its texts has this character.
    """
    if _has_nul(content):
        raise NulInText


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_has_nul, value))
