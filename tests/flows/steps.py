"""What several flows do: make a video with the official SDK, wait for it, decode it, make pictures to upload."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import av
import openai
from openai.types import Video
from PIL import Image

from tests.suite import Account, RunningSuite, answered, until

SMALL: dict[str, Any] = {"size": "640x360", "seconds": "4"}
"""The quickest order there is: 20 credits."""
SMALL_CREDITS = 20
_RENDER_SECONDS = 100.0
_TRAINED_WITH = """
    INSERT INTO gateway.training_records
           (handover_id, account_id, subject_ref, generation_id, recipient_id, record_sealed, key_id, given_at)
    SELECT 'train_' || md5(account_id), account_id, subject_ref, 'video_' || md5(account_id), 'trainer', '\\x00', key_id,
           created_at FROM gateway.accounts WHERE account_id = $1
"""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a decoder found in a file."""

    width_px: int
    height_px: int
    seconds: float
    frames: int


def decoded(content: bytes) -> Clip:
    """Decode every frame of a clip."""
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        frames = len(list(container.decode(stream)))
        return Clip(stream.width, stream.height, frames / float(stream.average_rate or 1), frames)


def created(client: openai.OpenAI, prompt: str = "a paper boat in the rain", **order: Any) -> Video:
    """A video that was accepted and may still be running."""
    return client.videos.create(prompt=prompt, **(SMALL | order))


def completed(client: openai.OpenAI, video_id: str) -> Video:
    """The same video when it is done."""

    def look() -> Video | None:
        video = client.videos.retrieve(video_id)
        assert video.status != "failed", video.error
        return video if video.status == "completed" else None

    return until(look, f"{video_id} to complete", timeout_seconds=_RENDER_SECONDS)


def made(client: openai.OpenAI, prompt: str = "a paper boat in the rain", **order: Any) -> Video:
    """A finished video."""
    return completed(client, created(client, prompt, **order).id)


def settled(suite: RunningSuite, account: Account, credits_left: int) -> None:
    """Return when an account's credits are as expected and none of its holds is open."""

    def is_settled() -> bool:
        balance = account.balance()
        return balance["available"] == credits_left and not balance["held"]

    until(is_settled, f"{credits_left} credits and no hold")
    assert suite.books()["is_balanced"]


def disclosed(suite: RunningSuite, account: Account, **demand: str) -> str:
    """The id of a demand of an authority about somebody that two operators approved and that was answered."""
    told = {"authority": "A court", "legal_reference": "1 AR 1/26", "asked": "Since when?"} | demand
    with suite.console() as console:

        def post(path: str, **body: str) -> dict[str, Any]:
            place = f"/api/registers/disclosures{path}"
            return answered(console.post(place, json=body, headers={"Origin": suite.console_url}))

        found = post("", operator="A. Clerk", account_id=account.account_id, **told)
        for operator, action in (("A. Clerk", "approve"), ("B. Counsel", "approve"), ("A. Clerk", "disclose")):
            found = post(f"/{found['disclosure_id']}/{action}", operator=operator)
    assert found["state"] == "disclosed"
    return str(found["disclosure_id"])


def trained_with(suite: RunningSuite, account_id: str) -> None:
    """Write the record that a trainer was given something of somebody, where no trainer is."""
    suite.look(_TRAINED_WITH, account_id)


def picture(kind: str = "PNG", size: tuple[int, int] = (320, 180), **save: Any) -> bytes:
    """A small picture with a gradient."""
    file = io.BytesIO()
    gradient = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", (gradient, gradient.rotate(180), gradient)).save(file, kind, **save)
    return file.getvalue()


def bomb(side_px: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that unpacks to gigabytes."""
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1024 * 1024), 9)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
