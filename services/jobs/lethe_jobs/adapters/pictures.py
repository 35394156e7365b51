"""Draws the local renderer's frames: a sky or the user's picture, a horizon, water, a subject, weather.

No model is involved. What is seen follows from the prompt's words and from a hash
of prompt and seed, so that the same order always gives the same video.
"""

import hashlib
from math import atan2, cos, degrees, floor, pi, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lethe_jobs.adapters import fields
from lethe_jobs.adapters.fields import Field
from lethe_jobs.adapters.palettes import Mood, Subject, Weather, read_mood

Frame = NDArray[np.uint8]

# A quarter of the pixels is a quarter of the work, and what is drawn is soft anyway.
_FIELD_SCALE, _FIELD_EDGE_PX = 0.5, 640
_WATER_LAYERS = 4
_BACKDROP_SHARE = 1.25


def chance_of(prompt: str, seed: int) -> np.random.Generator:
    """All chance in a video, from its prompt and seed alone."""
    digest = hashlib.blake2b(f"{seed}\0{prompt}".encode(), digest_size=16, person=b"lethe-local").digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


class Picture:
    """One video's scene.

    `frame()` gives it at a moment, in field size: half of the video's, and 640 px along the longer edge at most.
    """

    def __init__(self, prompt: str, seed: int, width_px: int, height_px: int, reference: Image.Image | None) -> None:
        chance = chance_of(prompt, seed)
        scale = min(_FIELD_SCALE, _FIELD_EDGE_PX / max(width_px, height_px))
        self.width = max(16, round(width_px * scale / 2) * 2)
        self.height = max(16, round(height_px * scale / 2) * 2)
        self.mood: Mood = read_mood(prompt, chance)
        self._unit = min(self.width, self.height)
        self._horizon = int(self.height * chance.uniform(0.54, 0.62))
        self._sun_x = float(chance.uniform(0.22, 0.78)) * self.width
        self._reference = None if reference is None else _covering(reference, self.width, self.height)
        self._pan = int(chance.choice((-1, 1)))
        self._build_sky(chance)
        self._build_water(chance)
        self._build_subject(chance)
        self._build_weather(chance)
        edge = fields.glow(self.height, self.width, self.width / 2, self.height * 0.46, self._unit * 0.2)
        self._vignette = np.clip(0.74 + 1.1 * edge, 0, 1)
        # A fixed grain hides the steps that eight bits show in a soft sky.
        self._grain = chance.uniform(-0.4, 1.4, (self.height, self.width)).astype(np.float32)

    def frame(self, at_seconds: float, share: float) -> Frame:
        """The picture at a moment; `share` is how much of the video has passed (0..1).

        RGB, uint8, shape (height, width, 3).
        """
        canvas = self._sky(at_seconds) if self._reference is None else self._photo(self._reference, share)
        self._draw_water(canvas, at_seconds, share)
        self._draw_weather(canvas, at_seconds)
        canvas *= self._vignette
        canvas += self._grain
        np.clip(canvas, 0, 255, out=canvas)
        return np.stack(tuple(canvas.astype(np.uint8)), axis=-1)

    def _build_sky(self, chance: np.random.Generator) -> None:
        palette, height, wide = self.mood.palette, self._horizon, int(self.width * _BACKDROP_SHARE)
        sky = np.repeat(fields.ramp(height, palette.sky_top, palette.sky_low, 1.25), wide, axis=2)
        self._light = fields.tone(palette.light)
        sun_y = height * float(chance.uniform(0.3, 0.75))
        sun = fields.glow(height, wide, self._sun_x + (wide - self.width) / 2, sun_y, self._unit * 0.055)
        sky += (self._light - sky) * (sun * np.float32(0.92))
        if self.mood.has_stars:
            sky += _stars(chance, height, wide) * self._light
        rows = np.arange(height, dtype=np.float32)[:, None]
        for depth, share in ((0.35, 0.26), (0.75, 0.16)):
            line = fields.skyline(chance, self.mood.horizon, wide, height * share)
            mask = np.clip(rows - (height - line) + 0.5, 0, 1) * np.float32(0.45 + 0.5 * depth)
            far = fields.tone(palette.sky_low) * np.float32(1 - depth) + fields.tone(palette.far) * np.float32(depth)
            sky += (far - sky) * mask
        self._backdrop = sky
        soft = fields.noise(chance, height, self.width, self._unit // 7, 2.4)
        fine = fields.noise(chance, height, self.width, self._unit // 22, 2.0)
        cloud = np.clip((soft * 0.72 + fine * 0.28 - 0.47) * 2.4, 0, 1)
        cloud *= np.linspace(0.42, 0.04, height, dtype=np.float32)[:, None]
        self._clouds: Field = np.concatenate((cloud, cloud), axis=1, dtype=np.float32)

    def _build_water(self, chance: np.random.Generator) -> None:
        palette, depth = self.mood.palette, self.height - self._horizon
        self._columns = np.arange(self.width, dtype=np.float32) / np.float32(self.width)
        self._waves = [_wave_train(chance, layer) for layer in range(_WATER_LAYERS)]
        self._tones = fields.ramp(depth + self._unit // 6, palette.water_far, palette.water_near, 0.8)
        self._glitter = [_doubled(fields.noise(chance, depth, self.width, 3, 5.0)) for _ in range(2)]
        spread = np.linspace(0.05, 0.3, depth, dtype=np.float32)[:, None]
        path = np.exp(-(((self._columns[None, :] - self._sun_x / self.width) / spread) ** 2))
        self._path = path * np.linspace(0.9, 0.22, depth, dtype=np.float32)[:, None] + np.float32(0.06)

    def _build_subject(self, chance: np.random.Generator) -> None:
        palette, subject = self.mood.palette, self.mood.subject
        self._is_afloat = subject in {Subject.PAPER_BOAT, Subject.SAIL}
        size = int(self._unit * (0.34 if self._is_afloat else 0.3))
        shade = palette.water_near if self._is_afloat else palette.sky_top
        body = palette.water_near if subject is Subject.BIRDS else palette.subject
        self._sprite = fields.sprite(subject, size, body, shade)
        self._start, self._way = (0.2, 0.5) if chance.choice((True, False)) else (0.7, -0.45)
        self._lane = 1 + int(chance.integers(2))

    def _build_weather(self, chance: np.random.Generator) -> None:
        self._falling: list[tuple[Field, float, float]] = []
        area = self.width * self.height
        if self.mood.weather is Weather.RAIN:
            for drops, length, speed, strength in ((area // 900, 14, 420, 46), (area // 2600, 30, 640, 78)):
                self._falling.append(
                    (_doubled(fields.rain(chance, self.height, self.width, drops, length)) * strength, speed, 0.0)
                )
        elif self.mood.weather is Weather.SNOW:
            for flakes, radius, speed, strength in ((area // 900, 0.9, 30, 120), (area // 3200, 1.9, 52, 170)):
                self._falling.append(
                    (_doubled(fields.snow(chance, self.height, self.width, flakes, radius)) * strength, speed, 9.0)
                )

    def _sky(self, at_seconds: float) -> Field:
        spare = self._backdrop.shape[2] - self.width
        canvas = np.empty((3, self.height, self.width), dtype=np.float32)
        upper = canvas[:, : self._horizon]
        pan_px = spare / 2 + self._pan * min(at_seconds * 3.0, spare / 2 - 2)
        upper[...] = _shifted(self._backdrop, pan_px, self.width)
        cloud = _shifted(self._clouds, (at_seconds * 9.0) % self.width, self.width)
        upper *= 1 - cloud
        upper += cloud * self._light
        return canvas

    def _photo(self, photo: Image.Image, share: float) -> Field:
        zoom = 1.0 + 0.12 * share
        scale = min(photo.width / self.width, photo.height / self.height) / zoom
        across, down = self.width * scale, self.height * scale
        drift = 0.5 + self._pan * (share - 0.5) * 0.5
        left, top = (photo.width - across) * drift, (photo.height - down) * 0.5
        box = (left, top, left + across, top + down)
        cut = photo.resize((self.width, self.height), Image.Resampling.BILINEAR, box=box)
        return np.asarray(cut, dtype=np.float32).transpose(2, 0, 1).copy()

    def _draw_water(self, canvas: Field, at_seconds: float, share: float) -> None:
        is_photo = self._reference is not None
        if not is_photo:
            lower = canvas[:, self._horizon :]
            lower[...] = self._tones[:, : lower.shape[1]]
            lower += self._shimmer(at_seconds) * self._light
        first = _WATER_LAYERS - 2 if is_photo else 0
        for layer in range(first, _WATER_LAYERS):
            if layer == max(self._lane, first + 1):
                self._draw_subject(canvas, at_seconds, share, layer - 1)
            self._draw_wave(canvas, at_seconds, layer, 0.5 if is_photo else 0.82)

    def _draw_wave(self, canvas: Field, at_seconds: float, layer: int, cover: float) -> None:
        line = self._surface(at_seconds, layer)
        top, calm = max(0, int(line.min()) - 2), min(self.height, int(line.max()) + 10)
        end = min(self.height, calm + int(self.height * 0.3))
        if top >= self.height:
            return
        depth = self._tones.shape[1]
        tone = self._tones[:, min(int((layer + 1) / (_WATER_LAYERS + 0.6) * depth), depth - 1), None]
        fade = np.linspace(cover, cover * 0.25, end - top, dtype=np.float32)[:, None]
        below = np.arange(top, calm, dtype=np.float32)[:, None] - line[None, :]
        mask = np.clip(below + 0.5, 0, 1) * fade[: calm - top]
        crest = np.exp(np.abs(below - 1) * np.float32(-0.6)) * np.float32(0.13 + 0.04 * layer)
        edge = canvas[:, top:calm]
        edge += (tone - edge) * mask
        edge += (self._light - edge) * crest
        body, share = canvas[:, calm:end], fade[calm - top :]
        body *= 1 - share
        body += tone * share

    def _surface(self, at_seconds: float, layer: int) -> Field:
        near = (layer + 0.6) / _WATER_LAYERS
        middle = self._horizon + (self.height - self._horizon) * near**1.35 * 0.86
        line = np.full(self.width, middle, dtype=np.float32)
        for waves, phase, speed in self._waves[layer]:
            lift = np.float32(self._unit * 0.011 * (0.4 + near) * 3 / max(waves - 2, 1))
            line += lift * np.sin(np.float32(pi * waves) * self._columns + np.float32(phase + at_seconds * speed * 1.5))
        return line

    def _shimmer(self, at_seconds: float) -> Field:
        first, second = self._glitter
        width, depth = self.width, self.height - self._horizon
        east, west = int(at_seconds * 11) % width, width - int(at_seconds * 8) % width
        light = first[:depth, east : east + width] * second[:depth, west : west + width]
        light *= np.float32(3.2)
        light -= np.float32(0.72)
        np.clip(light, 0, 1, out=light)
        light *= self._path
        return light

    def _draw_subject(self, canvas: Field, at_seconds: float, share: float, layer: int) -> None:
        side = self._sprite.width
        x = (self._start + self._way * share) * self.width
        tilt = 3.0 * sin(at_seconds * 1.1)
        if self._is_afloat:
            line = self._surface(at_seconds, layer)
            column = int(np.clip(x, 4, self.width - 5))
            slope = float(line[column + 4] - line[column - 4]) / 8
            tilt -= degrees(atan2(slope, 1)) * 0.8
            y = float(line[column]) + self._unit * 0.012 - side * 0.3
        else:
            y = self._horizon * 0.42 + self._unit * 0.02 * cos(at_seconds * 0.9)
        _stamp(canvas, self._sprite, tilt, x, y)

    def _draw_weather(self, canvas: Field, at_seconds: float) -> None:
        for tile, speed, sway in self._falling:
            scale = self._unit / 360
            down = self.height - int(at_seconds * speed * scale) % self.height
            across = int(self.width / 2 + sway * scale * sin(at_seconds * 1.3)) % self.width
            canvas += tile[down : down + self.height, across : across + self.width]


def _covering(reference: Image.Image, width: int, height: int) -> Image.Image:
    """The reference in RGB, no larger than twice the field."""
    photo = reference.convert("RGB")
    scale = max(width / photo.width, height / photo.height) * 1.5
    if scale < 1:
        photo = photo.resize(
            (max(1, round(photo.width * scale)), max(1, round(photo.height * scale))), Image.Resampling.LANCZOS
        )
    return photo


def _shifted(field: Field, offset_px: float, width: int) -> Field:
    """A window of a wide field at a fraction of a pixel, always a fresh array."""
    whole = int(offset_px)
    part = np.float32(offset_px - whole)
    window = field[..., whole : whole + width] * (1 - part)
    window += field[..., whole + 1 : whole + 1 + width] * part
    return window


def _doubled(tile: Field) -> Field:
    return np.tile(tile, (2, 2))


def _wave_train(chance: np.random.Generator, layer: int) -> list[tuple[int, float, float]]:
    """Three waves of a layer: half waves across the picture, phase, speed."""
    shortest = 2 * (_WATER_LAYERS - layer)
    return [
        (int(chance.integers(2, 6)) + shortest, float(chance.uniform(0, 2 * pi)), float(chance.uniform(0.5, 1.1)))
        for _ in range(3)
    ]


def _stars(chance: np.random.Generator, height: int, width: int) -> Field:
    sky = np.zeros((height, width), dtype=np.float32)
    count = height * width // 700
    sky[chance.integers(0, height, count), chance.integers(0, width, count)] = chance.uniform(0.1, 0.7, count).astype(
        np.float32
    )
    return sky * np.linspace(1, 0.1, height, dtype=np.float32)[:, None]


def _stamp(canvas: Field, picture: Image.Image, tilt_degrees: float, x: float, y: float) -> None:
    """Lay an RGBA picture, turned about its middle, onto the canvas at (x, y). What sticks out is cut off."""
    side = picture.width + 2
    corner_x, corner_y = floor(x - side / 2), floor(y - side / 2)
    turn_x, turn_y = cos(radians(tilt_degrees)), sin(radians(tilt_degrees))
    off_x, off_y, middle = corner_x - x, corner_y - y, picture.width / 2
    matrix = (
        turn_x, -turn_y, turn_x * off_x - turn_y * off_y + middle,
        turn_y, turn_x, turn_y * off_x + turn_x * off_y + middle,
    )  # fmt: skip
    turned = picture.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    stamp = np.asarray(turned, dtype=np.float32).transpose(2, 0, 1)
    top, left = max(0, -corner_y), max(0, -corner_x)
    bottom, right = min(side, canvas.shape[1] - corner_y), min(side, canvas.shape[2] - corner_x)
    if bottom <= top or right <= left:
        return
    region = canvas[:, corner_y + top : corner_y + bottom, corner_x + left : corner_x + right]
    part = stamp[:, top:bottom, left:right]
    region += (part[:3] - region) * (part[3] / np.float32(255))
