"""Ids as they stand in addresses: what has another form names nothing, and no database is asked about it."""

from typing import TypeVar

from lethe_common.identifiers import Identifier
from lethe_gateway.errors import NotFound

Named = TypeVar("Named", bound=Identifier)


def named(kind: type[Named], text: str, message: str | None = None, *, code: str | None = None) -> Named:
    """The id in an address. PostgreSQL would refuse some of what can stand there, such as a NUL.

    Raises:
        NotFound: nothing can have it.
    """
    try:
        return kind(text)
    except ValueError:
        refusal = NotFound(code=code) if message is None else NotFound(message, code=code)
        raise refusal from None
