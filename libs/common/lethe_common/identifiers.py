"""Names of things: UUIDv7 (RFC 9562) behind a prefix that says what they name.

An identifier is a `str` that can only be built in its own shape, so a hold's id
never passes for a generation's. Subject references are fully random: they must
not tell when a person came.
"""

import os
import re
import time
import uuid
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_RANDOM_BITS_A = 12
_RANDOM_BITS_B = 62


def uuid7(wall_milliseconds: int | None = None) -> uuid.UUID:
    """A time-ordered UUID (RFC 9562, section 5.7).

    Sub-millisecond order within a process comes from the clock's nanoseconds in
    the 12 bits after the version (RFC 9562, section 6.2, method 3).
    """
    return uuid.UUID(int=_uuid7(time.time_ns() if wall_milliseconds is None else wall_milliseconds * 1_000_000))


def _uuid7(nanoseconds: int) -> int:
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = (rest << _RANDOM_BITS_A) // 1_000_000
    random_bits = int.from_bytes(os.urandom(8), "big") >> (64 - _RANDOM_BITS_B)
    return (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random_bits


class Identifier(str):
    """A prefixed id. Subclasses name their prefix and whether they tell time.

    Raises:
        ValueError: the text does not have the prefix followed by 32 hex digits.
    """

    prefix: ClassVar[str] = ""
    is_random: ClassVar[bool] = False
    _pattern: ClassVar[re.Pattern[str]] = re.compile("")
    __slots__ = ()

    def __init_subclass__(cls, *, prefix: str, is_random: bool = False) -> None:
        cls.prefix, cls.is_random = prefix, is_random
        cls._pattern = re.compile(rf"{prefix}_[0-9a-f]{{32}}")

    def __new__(cls, text: str) -> Self:
        if cls._pattern.fullmatch(text) is None:
            raise ValueError(f"not an id of the form {cls.prefix}_<32 hex digits>")
        return super().__new__(cls, text)

    @classmethod
    def new(cls) -> Self:
        """A fresh id, never seen before."""
        digits = uuid.uuid4().hex if cls.is_random else f"{_uuid7(time.time_ns()):032x}"
        return str.__new__(cls, f"{cls.prefix}_{digits}")

    @classmethod
    def trusted(cls, text: str) -> Self:
        """The same text without the check, for what our own database hands back."""
        return str.__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls.trusted,
            core_schema.str_schema(pattern=f"^{cls.prefix}_[0-9a-f]{{32}}$"),
            serialization=core_schema.to_string_ser_schema(),
        )


class AccountId(Identifier, prefix="acct"):
    """An account, known to the gateway only."""


class ApiKeyId(Identifier, prefix="key"):
    """An API key's public name; the secret itself is never stored."""


class SessionId(Identifier, prefix="sess"):
    """A signed-in browser."""


class SubjectRef(Identifier, prefix="subj", is_random=True):
    """The pseudonym under which all services but the gateway know a person. Never leaves Lethe."""


class GenerationId(Identifier, prefix="video"):
    """One generation, from request to tombstone; the public id of a video."""


class UploadId(Identifier, prefix="upload"):
    """One uploaded reference file."""


class RunId(Identifier, prefix="run"):
    """One generation's execution in the jobs service."""


class AssetId(Identifier, prefix="asset"):
    """One stored output."""


class HoldId(Identifier, prefix="hold"):
    """Credits set aside for one generation."""


class LegalHoldId(Identifier, prefix="legal"):
    """One legal hold: what it covers is kept until it ends."""


class GrantId(Identifier, prefix="grant"):
    """Credits given to a subject."""


class TransferId(Identifier, prefix="xfer"):
    """One line of the ledger."""


class SealKeyId(Identifier, prefix="seal", is_random=True):
    """One key of the key store."""


class ErasureId(Identifier, prefix="erase"):
    """One erasure, from fence to certificate."""


class CertificateId(Identifier, prefix="cert"):
    """One signed certificate of erasure."""


class RequestId(Identifier, prefix="req"):
    """One request to the rights desk: access, correction, an enquiry."""


class BreachId(Identifier, prefix="breach"):
    """One breach of personal data, from when it became known."""


class DisclosureId(Identifier, prefix="discl"):
    """One demand of an authority to disclose something about somebody."""


class ActId(Identifier, prefix="act"):
    """One statutory act of destruction: that somebody's data were destroyed, by name."""


class HandoverId(Identifier, prefix="train", is_random=True):
    """One item that a trainer was given: the row that knows whose it was."""


class TellingId(Identifier, prefix="tell"):
    """One word about a breach to those whom it touches."""


class MailId(Identifier, prefix="mail"):
    """One mail in the gateway's queue."""


class ExportId(Identifier, prefix="export"):
    """One export of a person's data, from the request until its archive is gone."""


REGISTERS = SubjectRef.trusted("subj_" + "0" * 32)
"""Whose keys seal what operators write into registers: nobody's. No random reference is ever the same."""
