import asyncio
import io
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from lethe_gateway import media
from lethe_gateway.errors import GatewayError
from lethe_gateway.media import (
    BadImage,
    CleanImage,
    FileTooLarge,
    ImageTooLarge,
    PictureLimits,
    Pictures,
    UnsupportedMedia,
    clean,
    sniff,
)

LIMITS = PictureLimits()
CANARY = "CANARY-55.7558N-37.6173E"


def picture(kind: str, size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: object) -> bytes:
    image = Image.new(mode, size)
    image.paste((250, 10, 10) if mode in {"RGB", "RGBA"} else 1, (0, 0, size[0] // 2, size[1]))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_exif(kind: str, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = CANARY
    return picture(kind, exif=exif)


def opened(image: CleanImage) -> Image.Image:
    return Image.open(io.BytesIO(image.data))


def png_of(width: int, height: int) -> bytes:
    """A tiny file that announces a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_an_accepted_picture_comes_back_in_its_own_kind_and_size(kind: str, media_type: str) -> None:
    image = clean(picture(kind), LIMITS)

    assert (image.media_type, image.width_px, image.height_px) == (media_type, 40, 20)
    assert (opened(image).format, opened(image).size) == (kind, (40, 20))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_a_camera_wrote_about_a_person_does_not_survive(kind: str) -> None:
    dirty = with_exif(kind)
    assert CANARY.encode() in dirty

    assert CANARY.encode() not in clean(dirty, LIMITS).data


def test_comments_text_profile_and_bytes_after_the_end_do_not_survive() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", CANARY)
    dirty = (
        picture("PNG", pnginfo=text) + CANARY.encode(),
        picture("JPEG", comment=CANARY.encode()) + CANARY.encode(),
        picture("PNG", icc_profile=CANARY.encode()),
        picture("WEBP", xmp=CANARY.encode()),
    )

    for upload in dirty:
        cleaned = clean(upload, LIMITS)
        assert CANARY.encode() not in cleaned.data
        assert set(opened(cleaned).info) <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "loop",
            "background",
            "timestamp",
            "duration",
        }


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (40, 20)), (3, (40, 20)), (6, (20, 40)), (8, (20, 40)), (99, (40, 20))]
)
def test_a_picture_taken_sideways_is_turned_upright(orientation: int, size: tuple[int, int]) -> None:
    assert opened(clean(with_exif("JPEG", orientation), LIMITS)).size == size


def test_turned_pixels_stand_where_the_camera_meant_them() -> None:
    turned = opened(clean(with_exif("PNG", 6), LIMITS))

    assert turned.getpixel((10, 5)) == (250, 10, 10)
    assert turned.getpixel((10, 35)) == (0, 0, 0)


def test_a_huge_picture_in_a_small_file_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ImageTooLarge):
        clean(png_of(60_000, 60_000), LIMITS)


def test_a_huge_webp_canvas_is_refused_before_it_is_decoded() -> None:
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\x02\0\0\0"
        + (16_000).to_bytes(3, "little")
        + (16_000).to_bytes(3, "little")
    )

    with pytest.raises(ImageTooLarge):
        clean(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body, LIMITS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_pixel_limit_holds_for_every_kind(kind: str) -> None:
    assert clean(picture(kind), PictureLimits(pixels=800)).width_px == 40
    with pytest.raises(ImageTooLarge):
        clean(picture(kind), PictureLimits(pixels=799))


def test_a_jpeg_with_two_frame_headers_is_measured_by_the_larger() -> None:
    small, large = picture("JPEG"), struct.pack(">BBHBHHB", 0xFF, 0xC0, 11, 8, 30_000, 30_000, 1) + b"\x01\x11\x00"

    with pytest.raises(ImageTooLarge):
        clean(small[:2] + large + small[2:], LIMITS)


def test_lossless_webp_is_measured_too() -> None:
    with pytest.raises(ImageTooLarge):
        clean(picture("WEBP", lossless=True), PictureLimits(pixels=799))


async def test_only_so_many_pictures_are_cleaned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end, lock = threading.Semaphore(0), threading.Event(), threading.Lock()
    running, most = 0, 0

    def slow(_data: bytes, _limits: PictureLimits) -> CleanImage:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        begun.release()
        may_end.wait(10)
        with lock:
            running -= 1
        return CleanImage(b"", "image/png", 1, 1)

    monkeypatch.setattr(media, "clean", slow)
    pictures = Pictures(2, LIMITS)
    cleanings = asyncio.gather(*(pictures.clean(b"") for _ in range(4)))
    for _ in range(2):
        await asyncio.to_thread(begun.acquire, timeout=10)
    is_third_begun = await asyncio.to_thread(begun.acquire, timeout=0.2)
    may_end.set()

    assert len(await cleanings) == 4
    assert (is_third_begun, most) == (False, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_no_more_than_two_copies_of_a_picture_are_in_memory(tmp_path: Path, kind: str) -> None:
    file, side = tmp_path / "plain", 4000
    Image.new("RGB", (side, side)).save(file, kind)
    # In a process of its own: the highest mark of this one was set by other tests.
    told = subprocess.run([sys.executable, "-c", _HIGHEST, str(file)], check=True, capture_output=True, text=True)

    # Pillow keeps a pixel of three colours in four bytes.
    copies = int(told.stdout) * 1024 / (side * side * 4)
    assert 1 < copies < 2.4


_HIGHEST = """
import sys
from lethe_gateway.media import PictureLimits, clean

def highest():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

with open(sys.argv[1], "rb") as file:
    data = file.read()
before = highest()
clean(data, PictureLimits())
print(highest() - before)
"""


def test_more_bytes_than_allowed_are_refused() -> None:
    data = picture("PNG")

    with pytest.raises(FileTooLarge) as refusal:
        clean(data, PictureLimits(size_bytes=len(data) - 1))
    assert refusal.value.status == 413


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + b"\0" * 30, b"<svg/>", b"%PDF-1.7", b"\0\0\0\x18ftypheic" + b"\0" * 20]
)
def test_other_content_is_refused_whatever_it_is_called(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia) as refusal:
        clean(data, LIMITS)
    assert refusal.value.status == 415


def test_a_video_is_refused_with_its_own_sentence() -> None:
    with pytest.raises(UnsupportedMedia, match="Videos are not accepted"):
        sniff(b"\0\0\0\x18ftypisom" + b"\0" * 20)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_half_a_picture_is_refused(kind: str) -> None:
    data = picture(kind, (200, 200))

    with pytest.raises(BadImage):
        clean(data[: len(data) // 2], LIMITS)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "P"), ("PNG", "L"), ("PNG", "1"), ("PNG", "I;16"), ("PNG", "LA"), ("JPEG", "CMYK"), ("JPEG", "L")],
)
def test_every_colour_mode_becomes_plain_colour(kind: str, mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (12, 6)).save(file, kind)

    assert opened(clean(file.getvalue(), LIMITS)).mode in {"RGB", "RGBA"}


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG", "WEBP"]), at=st.floats(0, 1), junk=st.binary(min_size=1, max_size=24))
def test_damage_anywhere_is_an_answer_and_never_a_crash(kind: str, at: float, junk: bytes) -> None:
    data = bytearray(with_exif(kind))
    place = int(at * (len(data) - 1))
    data[place : place + len(junk)] = junk

    try:
        cleaned = clean(bytes(data), PictureLimits(pixels=1_000_000))
    except GatewayError:
        return
    assert CANARY.encode() not in cleaned.data
