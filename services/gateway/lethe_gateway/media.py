"""What is uploaded: known by its content, measured before it is decoded, and stripped of all but its pixels.

A file's name and declared type are never looked at. Camera, place, comments,
colour profile and thumbnails inside do not survive: the pixels are copied into a
fresh picture and encoded anew. `clean` blocks; `Pictures` calls it in threads, a few at once.
"""

import asyncio
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from lethe_gateway.errors import BadRequest, TooLarge, WrongMediaType

PARAM = "input_reference"

_ORIENTATION_TAG = 0x0112
_VIDEO_BRANDS_NOT = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Markers of ITU-T T.81, table B.1.
_MARK = 0xFF
_SCAN_OR_END = frozenset({0xDA, 0xD9})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What Pillow's readers raise on damaged files; its warnings too, for where these are errors.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    struct.error,
    Warning,
)


class UnsupportedMedia(WrongMediaType):
    """The content is none of the accepted kinds."""

    def __init__(self, message: str = "This is not a PNG, JPEG or WebP image. Send one of these.") -> None:
        super().__init__(message, param=PARAM)


class FileTooLarge(TooLarge):
    """More bytes than allowed."""

    code = "file_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes, param=PARAM)


class ImageTooLarge(BadRequest):
    """More pixels than allowed, whatever the file's size."""

    code = "image_too_large"

    def __init__(self, limit_pixels: int) -> None:
        millions = limit_pixels / 1_000_000
        super().__init__(f"The image has more than {millions:g} million pixels. Scale it down.", param=PARAM)


class BadImage(BadRequest):
    """The content begins like an image and cannot be decoded."""

    code = "bad_image"

    def __init__(self) -> None:
        super().__init__("The image is damaged or incomplete. Save it anew and try again.", param=PARAM)


class Kind(StrEnum):
    """An accepted kind, by its media type."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """The most that is accepted."""

    size_bytes: int = 20 * 1024 * 1024
    pixels: int = 50_000_000


@dataclass(frozen=True, slots=True)
class CleanImage:
    """An upright picture with nothing but pixels in it."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int


class Pictures:
    """Cleans uploads without stopping the event loop, a few at once: a large one takes hundreds of megabytes meanwhile."""

    def __init__(self, at_once: int, limits: PictureLimits) -> None:
        self._limits, self._places = limits, asyncio.Semaphore(at_once)

    async def clean(self, data: bytes) -> CleanImage:
        """Check an upload and make it anew; raises what `clean` raises."""
        async with self._places:
            return await asyncio.to_thread(clean, data, self._limits)


def clean(data: bytes, limits: PictureLimits) -> CleanImage:
    """Check an upload and make it anew.

    Raises:
        FileTooLarge: more bytes than the limit.
        UnsupportedMedia: not PNG, JPEG or WebP by its content.
        ImageTooLarge: the header announces more pixels than the limit; nothing was decoded.
        BadImage: it cannot be decoded.
    """
    if len(data) > limits.size_bytes:
        raise FileTooLarge(limits.size_bytes)
    kind = sniff(data)
    width_px, height_px = _measure(kind, data)
    if not width_px or not height_px:
        raise BadImage
    # Pillow only warns at a hundred million pixels, and its WebP reader makes its canvases when it opens.
    if width_px * height_px > limits.pixels:
        raise ImageTooLarge(limits.pixels)
    bare = _bare(_decoded(kind, data, (width_px, height_px)))
    return CleanImage(_encoded(kind, bare), kind.value, bare.width, bare.height)


def sniff(data: bytes) -> Kind:
    """The kind of an upload, from its first bytes.

    Raises:
        UnsupportedMedia: it is none of the accepted kinds.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Kind.WEBP
    if data[4:8] == b"ftyp" and data[8:12] not in _VIDEO_BRANDS_NOT:
        raise UnsupportedMedia("Videos are not accepted as a reference yet. Send a PNG, JPEG or WebP image.")
    raise UnsupportedMedia


def _measure(kind: Kind, data: bytes) -> tuple[int, int]:
    measures: dict[Kind, Callable[[bytes], tuple[int, int]]] = {
        Kind.PNG: _measure_png, Kind.JPEG: _measure_jpeg, Kind.WEBP: _measure_webp,
    }  # fmt: skip
    try:
        return measures[kind](data)
    except (struct.error, IndexError) as error:
        raise BadImage from error


def _measure_png(data: bytes) -> tuple[int, int]:
    """Width and height from IHDR, which must come first (W3C PNG, section 5.6)."""
    if data[12:16] != b"IHDR":
        raise BadImage
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    """The largest size in any frame header (SOFn) before the first scan (ITU-T T.81, B.2.2)."""
    width = height = 0
    at = 2
    while True:
        while data[at] == _MARK and data[at + 1] == _MARK:
            at += 1
        if data[at] != _MARK:
            raise BadImage
        marker = data[at + 1]
        if marker in _SCAN_OR_END:
            return width, height
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAME_HEADERS:
            tall, wide = struct.unpack_from(">HH", data, at + 5)
            width, height = max(width, wide), max(height, tall)
        at += 2 + max(int(length), 2)


def _measure_webp(data: bytes) -> tuple[int, int]:
    """The canvas of a WebP file (RFC 9649, sections 2.5 to 2.7)."""
    first = data[12:16]
    if first == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if first == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if first == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise BadImage


def _decoded(kind: Kind, data: bytes, size: tuple[int, int]) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=(kind.name,))
        # The header was measured by us; where the reader sees another size, the limit was not checked.
        if picture.size != size:
            raise BadImage
        picture.load()
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        raise BadImage from error
    return picture


def _bare(picture: Image.Image) -> Image.Image:
    """A fresh picture of the same pixels, upright.

    Each step's picture takes the place of the one before: of a large one there is never a third at the same time.
    """
    turn = _turn(picture)
    has_alpha = picture.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info
    mode = "RGBA" if has_alpha else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    if turn is not None:
        picture = picture.transpose(turn)
    bare = Image.new(mode, picture.size, None)
    bare.paste(picture)
    return bare


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(int(picture.getexif().get(_ORIENTATION_TAG, 1)))
    except _DAMAGE:
        return None


def _encoded(kind: Kind, picture: Image.Image) -> bytes:
    file = io.BytesIO()
    if kind is Kind.PNG:
        picture.save(file, "PNG", compress_level=4)
    elif kind is Kind.JPEG:
        picture.save(file, "JPEG", quality=93, subsampling=0)
    else:
        picture.save(file, "WEBP", quality=93, method=2)
    return file.getvalue()
