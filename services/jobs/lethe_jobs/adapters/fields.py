"""Building blocks of a drawn picture: smooth noise, ramps, silhouettes and what falls through the air.

All fields are float32 arrays of shape (height, width), or (3, height, width) where
they have colour: with the channels apart, numpy's inner loops run over whole rows.
They are made once per video; a frame only shifts and mixes them.
"""

from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lethe_jobs.adapters.palettes import Colour, Horizon, Subject

Field = NDArray[np.float32]

_SPRITE_OVERSAMPLING = 4


def noise(chance: np.random.Generator, height: int, width: int, cell_px: int, stretch: float = 1.0) -> Field:
    """Smooth noise in 0..1 that joins seamlessly left to right and top to bottom."""
    cell_px = max(cell_px, 1)
    rows = max(2, round(height / cell_px))
    columns = max(2, round(width / (cell_px * stretch)))
    grid = chance.random((rows, columns), dtype=np.float32)
    tiled = Image.fromarray(np.tile(grid, (3, 3)))
    size = (width * 3, height * 3)
    smooth = np.asarray(tiled.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    return np.clip(smooth[height : 2 * height, width : 2 * width], 0, 1)


def ramp(height: int, top: Colour, bottom: Colour, bend: float = 1.0) -> Field:
    """A column of colours from `top` to `bottom`, shape (3, height, 1)."""
    share = np.linspace(0, 1, max(height, 2), dtype=np.float32)[None, :height, None] ** np.float32(bend)
    first, last = tone(top), tone(bottom)
    return np.asarray(first + (last - first) * share, dtype=np.float32)


def tone(colour: Colour) -> Field:
    """A colour that mixes with fields, shape (3, 1, 1)."""
    return np.asarray(colour, dtype=np.float32)[:, None, None]


def glow(height: int, width: int, x_px: float, y_px: float, radius_px: float) -> Field:
    """A light: a small disc of 1 in a wide, soft halo."""
    rows, columns = np.ogrid[:height, :width]
    distance = np.sqrt((columns - x_px) ** 2 + (rows - y_px) ** 2).astype(np.float32) / np.float32(radius_px)
    disc = np.clip((1 - distance) * radius_px / 2 + 0.5, 0, 1)
    return np.asarray(np.maximum(disc, 0.55 * np.exp(-0.55 * distance)), dtype=np.float32)


def skyline(chance: np.random.Generator, horizon: Horizon, width: int, height_px: float) -> Field:
    """How high the horizon stands in each column, in pixels; joins left to right."""
    if horizon is Horizon.CITY:
        return _houses(chance, width, height_px)
    places = np.arange(width, dtype=np.float32) * np.float32(2 * pi / width)
    line = np.zeros(width, dtype=np.float32)
    for waves in range(1, 9):
        line += np.float32(chance.uniform(0.4, 1) / waves) * np.sin(
            waves * places + np.float32(chance.uniform(0, 2 * pi))
        )
    line -= line.min()
    line *= np.float32(height_px * (0.8 if horizon is Horizon.HILLS else 0.35) / max(float(line.max()), 1e-6))
    line += np.float32(0.2 * height_px)
    if horizon is Horizon.FOREST:
        line += _trees(chance, width, height_px)
    return line


def rain(chance: np.random.Generator, height: int, width: int, drops: int, length_px: int) -> Field:
    """Slanted streaks in 0..1 on a tile that joins top to bottom."""
    tile = np.zeros((height, width), dtype=np.float32)
    x = chance.integers(0, width, drops)
    y = chance.integers(0, height, drops)
    strength = chance.uniform(0.25, 1, drops).astype(np.float32)
    for step in range(length_px):
        fade = np.float32(step / length_px)
        np.maximum.at(tile, ((y + step) % height, (x - step // 5) % width), strength * fade)
    return tile


def snow(chance: np.random.Generator, height: int, width: int, flakes: int, radius_px: float) -> Field:
    """Soft flakes in 0..1 on a tile that joins on all sides."""
    tile = np.zeros((height, width), dtype=np.float32)
    reach = int(radius_px * 2) + 1
    x, y = chance.integers(0, width, flakes), chance.integers(0, height, flakes)
    strength = chance.uniform(0.35, 1, flakes).astype(np.float32)
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            soft = np.float32(np.exp(-(down**2 + across**2) / radius_px**2))
            np.maximum.at(tile, ((y + down) % height, (x + across) % width), strength * soft)
    return tile


def sprite(subject: Subject, size_px: int, body: Colour, shade: Colour) -> Image.Image:
    """The subject as RGBA, drawn large and scaled down so that its edges are smooth."""
    side = size_px * _SPRITE_OVERSAMPLING
    picture = Image.new("RGBA", (side, side), (*body, 0))
    draw = ImageDraw.Draw(picture)
    middle = _mixed(body, shade, 0.4)
    shapes = {
        Subject.PAPER_BOAT: _paper_boat, Subject.SAIL: _sail, Subject.BALLOON: _balloon, Subject.BIRDS: _birds,
    }  # fmt: skip
    for points, tone in shapes[subject]():
        colour = _mixed(body, shade, tone)
        draw.polygon([(x * side, y * side) for x, y in points], fill=(*colour, 255))
    soft = picture.filter(ImageFilter.GaussianBlur(_SPRITE_OVERSAMPLING * 0.4))
    small = soft.resize((size_px, size_px), Image.Resampling.LANCZOS)
    lit = Image.new("RGBA", small.size, (*middle, 0))
    lit.alpha_composite(small)
    return lit


Shape = tuple[list[tuple[float, float]], float]
"""A polygon in a unit square, and how far its tone goes towards the shade."""


def _paper_boat() -> list[Shape]:
    return [
        ([(0.5, 0.22), (0.68, 0.6), (0.5, 0.6)], 0.34),
        ([(0.5, 0.22), (0.32, 0.6), (0.5, 0.6)], 0.05),
        ([(0.06, 0.5), (0.5, 0.62), (0.3, 0.82), (0.26, 0.8)], 0.12),
        ([(0.94, 0.5), (0.5, 0.62), (0.7, 0.82), (0.74, 0.8)], 0.46),
        ([(0.5, 0.62), (0.3, 0.82), (0.7, 0.82)], 0.26),
    ]


def _sail() -> list[Shape]:
    return [
        ([(0.53, 0.06), (0.53, 0.68), (0.88, 0.66)], 0.2),
        ([(0.49, 0.14), (0.49, 0.68), (0.2, 0.66)], 0.02),
        ([(0.5, 0.02), (0.52, 0.02), (0.52, 0.74), (0.5, 0.74)], 0.7),
        ([(0.14, 0.72), (0.9, 0.72), (0.78, 0.84), (0.26, 0.84)], 0.62),
    ]


def _balloon() -> list[Shape]:
    shapes: list[Shape] = []
    for slice_index in range(5):
        left, right = (cos(pi * (slice_index + edge) / 5) for edge in (1, 0))
        arc = [(0.5 + 0.3 * left * sin(pi * k / 12), 0.05 + 0.6 * k / 12) for k in range(12)]
        back = [(0.5 + 0.3 * right * sin(pi * k / 12), 0.05 + 0.6 * k / 12) for k in range(11, -1, -1)]
        shapes.append((arc + back, 0.1 + 0.16 * (slice_index % 2) + 0.08 * (4 - slice_index)))
    shapes.append(([(0.44, 0.78), (0.56, 0.78), (0.55, 0.88), (0.45, 0.88)], 0.8))
    shapes.extend(
        ([(0.5 + d * 0.1, 0.6), (0.5 + d * 0.11, 0.6), (0.5 + d * 0.055, 0.78), (0.5 + d * 0.045, 0.78)], 0.8)
        for d in (-1, 1)
    )
    return shapes


def _birds() -> list[Shape]:
    shapes: list[Shape] = []
    for x, y, span in ((0.3, 0.35, 0.2), (0.58, 0.22, 0.15), (0.72, 0.46, 0.17), (0.44, 0.62, 0.12), (0.16, 0.56, 0.1)):
        for side in (-1, 1):
            wing = [
                (x, y),
                (x + side * span * 0.45, y - span * 0.34),
                (x + side * span, y - span * 0.1),
                (x + side * span * 0.5, y - span * 0.2),
            ]
            shapes.append((wing, 0.35 if side < 0 else 0.55))
    return shapes


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _houses(chance: np.random.Generator, width: int, height_px: float) -> Field:
    line = np.zeros(width, dtype=np.float32)
    x = 0
    while x < width:
        across = int(chance.integers(max(3, width // 60), max(5, width // 24)))
        line[x : x + across] = np.float32(chance.uniform(0.25, 1) ** 1.6 * height_px + 0.15 * height_px)
        x += across
    return line


def _trees(chance: np.random.Generator, width: int, height_px: float) -> Field:
    line = np.zeros(width, dtype=np.float32)
    places = np.arange(width)
    for _ in range(max(12, width // 9)):
        at, tall = int(chance.integers(width)), float(chance.uniform(0.25, 0.6)) * height_px
        distance = np.minimum(np.abs(places - at), width - np.abs(places - at))
        line = np.maximum(line, np.float32(tall) - distance.astype(np.float32) * np.float32(2.6))
    return line
