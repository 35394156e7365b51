"""Colours and words of the local renderer: what a prompt's words suggest, and what its hash decides."""

import colorsys
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

Colour = tuple[int, int, int]
Choice = TypeVar("Choice")


class Weather(StrEnum):
    """What falls through the picture."""

    CLEAR = "clear"
    RAIN = "rain"
    SNOW = "snow"


class Horizon(StrEnum):
    """What stands where the sky ends."""

    HILLS = "hills"
    FOREST = "forest"
    CITY = "city"


class Subject(StrEnum):
    """What the eye follows."""

    PAPER_BOAT = "paper_boat"
    SAIL = "sail"
    BALLOON = "balloon"
    BIRDS = "birds"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours from the top of the sky to the near water, as sRGB."""

    sky_top: Colour
    sky_low: Colour
    far: Colour
    water_far: Colour
    water_near: Colour
    light: Colour
    subject: Colour


@dataclass(frozen=True, slots=True)
class Mood:
    """Everything about a picture that is chosen once."""

    palette: Palette
    weather: Weather
    horizon: Horizon
    subject: Subject
    has_stars: bool


DAWN = Palette(
    (74, 98, 150), (246, 190, 158), (122, 108, 142), (176, 150, 172), (46, 62, 104), (255, 226, 188), (250, 244, 236)
)
NOON = Palette(
    (66, 138, 196), (202, 230, 238), (96, 144, 160), (120, 182, 196), (18, 84, 118), (255, 252, 232), (255, 255, 250)
)
DUSK = Palette(
    (44, 36, 84), (238, 130, 104), (86, 54, 96), (150, 84, 110), (26, 24, 58), (255, 196, 128), (255, 236, 214)
)
NIGHT = Palette((8, 14, 36), (44, 66, 108), (20, 32, 60), (32, 52, 90), (6, 12, 28), (218, 230, 255), (226, 232, 248))
STORM = Palette(
    (52, 66, 82), (148, 166, 174), (78, 94, 106), (98, 120, 130), (28, 44, 56), (224, 236, 238), (250, 250, 244)
)
MINT = Palette(
    (40, 106, 112), (206, 234, 206), (84, 138, 128), (112, 178, 160), (14, 66, 74), (255, 250, 214), (255, 252, 240)
)
ROSE = Palette(
    (110, 72, 124), (252, 200, 204), (150, 104, 142), (196, 142, 168), (72, 44, 88), (255, 236, 224), (255, 248, 246)
)
WINTER = Palette(
    (128, 152, 182), (230, 236, 242), (156, 176, 194), (178, 200, 214), (70, 100, 130), (255, 255, 255), (214, 78, 66)
)
PALETTES = (DAWN, NOON, DUSK, NIGHT, STORM, MINT, ROSE, WINTER)

_PALETTE_WORDS = (
    (NIGHT, ("night", "moon", "star", "midnight", "ноч", "лун", "звезд", "звёзд")),
    (DUSK, ("dusk", "sunset", "evening", "закат", "вечер")),
    (DAWN, ("dawn", "sunrise", "morning", "рассвет", "утр")),
    (WINTER, ("winter", "snow", "ice", "зим", "снег")),
    (STORM, ("rain", "storm", "fog", "cloud", "дожд", "шторм", "туман", "гроз")),
    (MINT, ("forest", "green", "jungle", "river", "лес", "зелен", "зелён", "рек")),
    (ROSE, ("rose", "pink", "flower", "love", "роз", "цвет", "люб")),
    (NOON, ("summer", "noon", "sky", "ocean", "sea", "лето", "летн", "небо", "море", "океан")),
)
_WEATHER_WORDS = ((Weather.RAIN, ("rain", "storm", "дожд", "гроз")), (Weather.SNOW, ("snow", "winter", "снег", "зим")))
_HORIZON_WORDS = (
    (Horizon.CITY, ("city", "town", "street", "neon", "tokyo", "город", "улиц", "неон")),
    (Horizon.FOREST, ("forest", "tree", "wood", "jungle", "лес", "дерев")),
    (Horizon.HILLS, ("mountain", "hill", "desert", "valley", "гор", "холм", "пустын")),
)
_SUBJECT_WORDS = (
    (Subject.PAPER_BOAT, ("paper", "boat", "origami", "бумаж", "корабл", "лодк")),
    (Subject.SAIL, ("sail", "ship", "yacht", "парус", "яхт")),
    (Subject.BALLOON, ("balloon", "air", "fly", "dream", "воздуш", "полет", "полёт", "мечт")),
    (Subject.BIRDS, ("bird", "gull", "crane", "swan", "птиц", "чайк", "лебед")),
)


def read_mood(prompt: str, chance: np.random.Generator) -> Mood:
    """Choose by the prompt's words, and where they say nothing, by chance."""
    words = prompt.casefold()
    palette = _first(_PALETTE_WORDS, words) or PALETTES[int(chance.integers(len(PALETTES)))]
    horizon = _first(_HORIZON_WORDS, words) or list(Horizon)[int(chance.integers(len(Horizon)))]
    subject = _first(_SUBJECT_WORDS, words) or list(Subject)[int(chance.integers(len(Subject)))]
    return Mood(
        palette=_turned(palette, float(chance.uniform(-0.03, 0.03))),
        weather=_first(_WEATHER_WORDS, words) or Weather.CLEAR,
        horizon=horizon,
        subject=subject,
        has_stars=palette is NIGHT,
    )


def _first(table: tuple[tuple[Choice, tuple[str, ...]], ...], words: str) -> Choice | None:
    return next((choice for choice, stems in table if any(stem in words for stem in stems)), None)


def _turned(palette: Palette, turn: float) -> Palette:
    return Palette(*(_turn(getattr(palette, name), turn) for name in Palette.__slots__))


def _turn(colour: Colour, turn: float) -> Colour:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
