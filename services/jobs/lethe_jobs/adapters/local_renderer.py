"""Provider `local`: a video drawn by formulas. Procedural, no AI model.

The result is an ordinary H.264/AAC MP4 whose index stands first, made wholly in
memory: nothing of a user's content touches a disk in clear. Byte for byte the same
for the same order, on the same machine and libraries.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import Colorspace, Interpolation
from av.video.stream import VideoStream
from PIL import Image, UnidentifiedImageError

from lethe_jobs.adapters.pictures import Frame, Picture, chance_of
from lethe_jobs.adapters.sounds import SAMPLE_RATE_HZ, murmur
from lethe_jobs.errors import BadInput, RunStopped

PROVIDER = "local"
LABEL = "procedural, no AI model"
FRAMES_PER_SECOND = 24

_EDGE_LEAST_PX = 16
_EDGE_LIMIT_PX = 4096
_SECONDS_LIMIT = 60
_REFERENCE_PIXEL_LIMIT = 50_000_000
_THUMBNAIL_EDGE_PX = 480
_THUMBNAIL_AT = 0.4
_AAC_FRAME_SAMPLES = 1024
# One thread keeps the bytes the same on every machine and leaves the other cores to other runs.
# The deblocking filter, which this preset leaves out, keeps soft skies free of squares.
_X264 = {"preset": "ultrafast", "crf": "22", "threads": "1", "x264-params": "no-deblock=0:deblock=0,0"}


class RenderCancelled(RunStopped):
    """The run was stopped; there is no output."""

    code = "render_cancelled"


class BadReference(BadInput):
    """The reference is no picture that can be drawn."""


class BadOrder(BadInput):
    """Size or length is outside what this provider draws. The catalogue should have refused it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished video (`video/mp4`) with its thumbnail (`image/webp`)."""

    video: bytes
    thumbnail: bytes
    width_px: int
    height_px: int
    frames: int
    duration_seconds: float


def render(
    prompt: str,
    seed: int,
    width_px: int,
    height_px: int,
    seconds: int,
    reference: bytes | None,
    on_progress: Callable[[int], None],
    is_cancelled: Callable[[], bool],
) -> Rendered:
    """Draw a video. Blocks for about a second per four seconds of 720p; call it in a thread.

    `on_progress` gets each percent that was reached, growing, ending in 100;
    `is_cancelled` is asked before every frame. Drawing, scaling and encoding
    release the interpreter lock for most of their time.

    Raises:
        BadOrder: an odd or too large size, or a length outside 1..60 s.
        BadReference: `reference` is not a readable picture.
        RenderCancelled: `is_cancelled` said yes.
    """
    _check(width_px, height_px, seconds)
    picture = Picture(prompt, seed, width_px, height_px, _opened(reference))
    frames = seconds * FRAMES_PER_SECOND
    thumbnail_at = int(frames * _THUMBNAIL_AT)
    thumbnail = b""
    file = io.BytesIO()
    with _container(file, frames) as container:
        video, audio = _video_stream(container, width_px, height_px), _audio_stream(container)
        # The muxer interleaves by itself, but only what it has got: sound goes in beside its frames.
        sound = _sound_packets(audio, prompt, seed, seconds)
        reached = -1
        for index in range(frames):
            if is_cancelled():
                raise RenderCancelled("The run was stopped before it was finished.")
            drawn = picture.frame(index / FRAMES_PER_SECOND, index / max(frames - 1, 1))
            if index == thumbnail_at:
                thumbnail = _thumbnail(drawn)
            container.mux(video.encode(_scaled(drawn, index, width_px, height_px)))
            if index % FRAMES_PER_SECOND == 0:
                container.mux(next(sound, []))
            if (percent := index * 100 // frames) > reached:
                reached = percent
                on_progress(percent)
        container.mux(video.encode(None))
        for packets in sound:
            container.mux(packets)
    on_progress(100)
    return Rendered(file.getvalue(), thumbnail, width_px, height_px, frames, frames / FRAMES_PER_SECOND)


def _check(width_px: int, height_px: int, seconds: int) -> None:
    for edge_px in (width_px, height_px):
        if edge_px % 2 or not _EDGE_LEAST_PX <= edge_px <= _EDGE_LIMIT_PX:
            raise BadOrder(f"Width and height must be even and between {_EDGE_LEAST_PX} and {_EDGE_LIMIT_PX} pixels.")
    if not 1 <= seconds <= _SECONDS_LIMIT:
        raise BadOrder(f"A video lasts from 1 to {_SECONDS_LIMIT} seconds.")


def _opened(reference: bytes | None) -> Image.Image | None:
    if reference is None:
        return None
    try:
        picture = Image.open(io.BytesIO(reference), formats=("PNG", "JPEG", "WEBP"))
        if picture.width * picture.height > _REFERENCE_PIXEL_LIMIT:
            raise BadReference("The reference image has too many pixels.")
        picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadReference("The reference image cannot be read. Use a PNG, JPEG or WebP file.") from error
    return picture


def _container(file: io.BytesIO, frames: int) -> OutputContainer:
    # Room for the index is kept at the start (movenc's moov_size), which puts it first
    # without the second pass over a real file that +faststart needs.
    index_bytes = 8192 + frames * 32 + (frames // FRAMES_PER_SECOND + 2) * 47 * 16
    options = {"moov_size": str(index_bytes), "fflags": "+bitexact"}
    return av.open(file, "w", format="mp4", options=options)


def _video_stream(container: OutputContainer, width_px: int, height_px: int) -> VideoStream:
    stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=dict(_X264))
    stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
    stream.codec_context.gop_size = 2 * FRAMES_PER_SECOND
    stream.codec_context.colorspace = int(Colorspace.ITU709)
    stream.codec_context.color_primaries = 1
    stream.codec_context.color_trc = 1
    stream.codec_context.color_range = 1
    return stream


def _audio_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
    stream.codec_context.bit_rate = 64_000
    return stream


def _scaled(drawn: Frame, index: int, width_px: int, height_px: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(drawn, format="rgb24").reformat(
        width=width_px, height=height_px, format="yuv420p",
        dst_colorspace=Colorspace.ITU709, interpolation=Interpolation.BICUBIC,
    )  # fmt: skip
    frame.pts = index
    return frame


def _sound_packets(
    stream: AudioStream, prompt: str, seed: int, seconds: int
) -> Iterator["list[av.Packet[AudioStream]]"]:
    """The sound's packets, about a second at a time. It ends a little before the picture does."""
    whole_frames = seconds * SAMPLE_RATE_HZ // _AAC_FRAME_SAMPLES - 1
    sound = murmur(chance_of(prompt, seed), whole_frames * _AAC_FRAME_SAMPLES)
    piece = SAMPLE_RATE_HZ // _AAC_FRAME_SAMPLES * _AAC_FRAME_SAMPLES
    for start in range(0, sound.shape[1], piece):
        part = np.ascontiguousarray(sound[:, start : start + piece])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, start
        yield stream.encode(frame)
    yield stream.encode(None)


def _thumbnail(drawn: Frame) -> bytes:
    picture = Image.fromarray(drawn)
    picture.thumbnail((_THUMBNAIL_EDGE_PX, _THUMBNAIL_EDGE_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=82, method=3)
    return file.getvalue()
