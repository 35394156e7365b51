"""What a client asks to be generated, checked against the catalogue before anything is held or stored."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lethe_common.policy import Catalogue
from lethe_common.policy.errors import UnknownModel
from lethe_common.policy.sizes import PictureSize, parse_size
from lethe_common.rpc.billing import Order
from lethe_gateway.errors import BadRequest

_SEED_MOST = 2**63 - 1
_Seconds = Annotated[int, Field(gt=0, le=600)]


class VideoCreate(BaseModel):
    """The body of `POST /v1/videos`: OpenAI's fields, and `seed` and `quote_id`, which are ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Annotated[str, StringConstraints(min_length=1, max_length=32_000)]
    model: str | None = Field(default=None, max_length=64)
    seconds: _Seconds | None = None
    size: str | None = Field(default=None, max_length=16)
    seed: int | None = Field(default=None, ge=0, le=_SEED_MOST)
    quote_id: str | None = Field(default=None, pattern="^quote_[0-9a-f]{32}$")
    input_reference: dict[str, Any] | None = None


class OrderCreate(BaseModel):
    """The body of `POST /v1/quotes`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(default=None, max_length=64)
    seconds: _Seconds | None = None
    size: str | None = Field(default=None, max_length=16)


@dataclass(frozen=True, slots=True)
class Ordered:
    """Model, size and length, all of which the catalogue has."""

    model: str
    size: PictureSize
    seconds: int


@dataclass(frozen=True, slots=True, repr=False)
class Reference:
    """A reference image, decoded and written anew: no metadata is left. `sha256` is of the bytes that were sent."""

    data: bytes
    media_type: str
    sha256: str


@dataclass(frozen=True, slots=True, repr=False)
class Submission:
    """One checked request."""

    prompt: str
    ordered: Ordered
    seed: int | None
    quote_id: str | None
    reference: Reference | None = None

    def canonical(self, key_id: str | None) -> list[object]:
        """What makes two requests the same, the API key that sent them included; not the quote, which may be asked for anew."""
        return [
            key_id,
            self.prompt,
            self.ordered.model,
            str(self.ordered.size),
            self.ordered.seconds,
            self.seed,
            self.reference.sha256 if self.reference else None,
        ]


def order(catalogue: Catalogue, wanted: VideoCreate | OrderCreate) -> Ordered:
    """What is asked for, with the catalogue's defaults.

    Raises:
        BadRequest: the catalogue has no such model, size or length.
    """
    try:
        model = catalogue.model(wanted.model)
    except UnknownModel as error:
        raise BadRequest(str(error), param="model", code="model_not_found") from error
    seconds = wanted.seconds or model.default_seconds
    if seconds not in model.seconds:
        raise BadRequest(f"This model makes {_either(model.seconds)} seconds.", param="seconds", code="invalid_seconds")
    return Ordered(model.id, _size(wanted.size, model.sizes), seconds)


def priced(ordered: Ordered) -> Order:
    """An order as billing takes it."""
    return Order(
        model=ordered.model,
        width_px=ordered.size.width_px,
        height_px=ordered.size.height_px,
        seconds=ordered.seconds,
    )


def submission(catalogue: Catalogue, wanted: VideoCreate, reference: Reference | None) -> Submission:
    """A checked request.

    Raises:
        BadRequest: something in it cannot be done; `param` says which field.
    """
    if not wanted.prompt.strip():
        raise BadRequest("Write what the video shows.", param="prompt", code="missing_prompt")
    if wanted.input_reference is not None:
        raise BadRequest(
            "References by image_url or file_id are not offered yet. Send the image itself as a file part.",
            param="input_reference",
            code="reference_not_supported",
        )
    return Submission(wanted.prompt, order(catalogue, wanted), wanted.seed, wanted.quote_id, reference)


def refusal_of(error: ValidationError, known: frozenset[str]) -> BadRequest:
    """The first thing wrong with a body, in words that repeat nothing of it."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = next((str(part) for part in first["loc"] if str(part) in known), None)
    kind = first["type"]
    if kind == "extra_forbidden":
        return BadRequest("The body has a field that is not known here. Remove it.", code="unknown_field")
    if kind == "json_invalid":
        return BadRequest("The body is not valid JSON.", code="invalid_json")
    if kind == "missing":
        return BadRequest(f"The field {field} is missing.", param=field, code=f"missing_{field}")
    if field is None:
        return BadRequest("The body does not have the form that is documented for this call.")
    return BadRequest(f"The field {field} is not valid. {_hint(kind)}", param=field, code=f"invalid_{field}")


def _size(text: str | None, sizes: tuple[PictureSize, ...]) -> PictureSize:
    if text is None:
        return sizes[0]
    try:
        size = parse_size(text)
    except ValueError as error:
        raise BadRequest(f"Sizes are written like {sizes[0]}.", param="size", code="invalid_size") from error
    if size not in sizes:
        raise BadRequest(f"This model makes {_either(sizes)}.", param="size", code="invalid_size")
    return size


def _either(values: tuple[object, ...]) -> str:
    *most, last = (str(value) for value in values)
    return f"{', '.join(most)} or {last}" if most else last


def _hint(kind: str) -> str:
    hints = {
        "string_too_short": "It is too short.",
        "string_too_long": "It is too long.",
        "string_pattern_mismatch": "It does not have the right form.",
        "greater_than": "It is too small.",
        "greater_than_equal": "It is too small.",
        "less_than_equal": "It is too large.",
    }
    return hints.get(kind, "It has the wrong type or form.")
