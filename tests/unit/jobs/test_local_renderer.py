import io

import av
import numpy as np
import pytest
from PIL import Image

from lethe_jobs.adapters.local_renderer import BadOrder, BadReference, RenderCancelled, Rendered, render


def drawn(
    prompt: str = "a paper boat in the rain",
    seed: int = 1,
    size: tuple[int, int] = (320, 180),
    seconds: int = 1,
    reference: bytes | None = None,
) -> Rendered:
    return render(prompt, seed, *size, seconds, reference, lambda _: None, lambda: False)


def frames_of(video: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(video), "r", format="mov") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def picture(size: tuple[int, int], colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_a_video_decodes_with_the_size_seconds_and_frames_asked_for() -> None:
    rendered = drawn(size=(1280, 720), seconds=2)

    with av.open(io.BytesIO(rendered.video), "r", format="mov") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (1280, 720)
        assert video.average_rate == 24
        assert audio.codec_context.name == "aac"
        assert container.duration == 2_000_000
        assert len(list(container.decode(video=0))) == rendered.frames == 48
    assert (rendered.width_px, rendered.height_px, rendered.duration_seconds) == (1280, 720, 2.0)


@pytest.mark.parametrize("size", [(180, 320), (1024, 1792), (16, 16)])
def test_any_even_size_is_drawn(size: tuple[int, int]) -> None:
    assert frames_of(drawn(size=size).video)[0].shape == (size[1], size[0], 3)


def test_the_index_stands_before_the_pictures_so_that_a_browser_plays_at_once() -> None:
    video = drawn().video

    assert 0 < video.index(b"moov") < video.index(b"mdat")


def test_the_same_order_gives_the_same_bytes() -> None:
    assert drawn(reference=picture((60, 40), (200, 10, 10))) == drawn(reference=picture((60, 40), (200, 10, 10)))


@pytest.mark.parametrize("change", [{"prompt": "another"}, {"seed": 2}, {"reference": b"picture"}])
def test_another_prompt_seed_or_reference_gives_another_picture(change: dict[str, object]) -> None:
    if "reference" in change:
        change = {"reference": picture((64, 64), (250, 20, 20))}

    difference = frames_of(drawn().video)[12].astype(int) - frames_of(drawn(**change).video)[12].astype(int)  # type: ignore[arg-type]  # a field of one test each

    assert np.abs(difference).mean() > 2


def test_the_picture_moves() -> None:
    frames = frames_of(drawn(seconds=2).video)

    assert np.abs(frames[0].astype(int) - frames[-1].astype(int)).mean() > 1


def test_the_reference_is_seen_in_the_upper_part_of_the_picture() -> None:
    upper = frames_of(drawn("calm sea", reference=picture((640, 360), (230, 30, 30))).video)[6][10:60, 60:260]

    assert upper[..., 0].mean() > 150
    assert upper[..., 1].mean() < 80


def test_nothing_of_the_prompt_and_no_time_is_in_the_file() -> None:
    video = drawn("CANARYPROMPT").video

    with av.open(io.BytesIO(video), "r", format="mov") as container:
        assert set(container.metadata) == {"major_brand", "minor_version", "compatible_brands"}
    assert b"CANARYPROMPT" not in video


def test_the_thumbnail_is_a_small_webp() -> None:
    thumbnail = Image.open(io.BytesIO(drawn(size=(1280, 720)).thumbnail))

    assert (thumbnail.format, thumbnail.size) == ("WEBP", (480, 270))


def test_progress_grows_and_ends_in_a_hundred() -> None:
    told: list[int] = []
    render("x", 1, 64, 64, 1, None, told.append, lambda: False)

    assert told == sorted(set(told))
    assert (told[0], told[-1]) == (0, 100)


def test_a_cancelled_run_stops_at_the_next_frame() -> None:
    told: list[int] = []
    with pytest.raises(RenderCancelled):
        render("x", 1, 64, 64, 4, None, told.append, lambda: bool(told and told[-1] >= 10))

    assert told[-1] == 10


@pytest.mark.parametrize("order", [(321, 180, 1), (14, 180, 1), (320, 8192, 1), (320, 180, 0), (320, 180, 61)])
def test_an_order_it_cannot_draw_is_refused(order: tuple[int, int, int]) -> None:
    with pytest.raises(BadOrder):
        render("x", 1, *order, None, lambda _: None, lambda: False)


@pytest.mark.parametrize("reference", [b"", b"no picture", picture((8, 8), (0, 0, 0))[:40]])
def test_a_reference_that_is_no_picture_is_refused(reference: bytes) -> None:
    with pytest.raises(BadReference):
        drawn(reference=reference)


@pytest.mark.parametrize("word", ["rain", "snow", "night", "город", "лес", "sail", "balloon", "bird"])
def test_each_motif_is_drawn(word: str) -> None:
    assert frames_of(drawn(word).video)[0].std() > 5
