"""The quiet sound under a drawn video: moving air or water, and a soft chord."""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 48_000
_PEAK = 0.08
_FADE_SECONDS = 0.4
_ROOTS_HZ = (110.0, 123.47, 130.81, 146.83, 164.81, 98.0)
_CHORD = (1.0, 1.5, 2.0, 2.5)


def murmur(chance: np.random.Generator, samples: int) -> NDArray[np.float32]:
    """Mono sound of shape (1, samples), peak -22 dBFS, faded in and out."""
    spectrum = np.fft.rfft(chance.standard_normal(samples))
    pitch_hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    air = np.fft.irfft(spectrum / (40 + pitch_hz) ** 0.9 * np.exp(-pitch_hz / 5000), samples)
    seconds = np.arange(samples) / SAMPLE_RATE_HZ
    air *= 1 + 0.35 * np.sin(2 * np.pi * 0.21 * seconds + chance.uniform(0, 6))
    root_hz = _ROOTS_HZ[int(chance.integers(len(_ROOTS_HZ)))]
    chord = sum(np.sin(2 * np.pi * root_hz * ratio * seconds + ratio) / (ratio + 1) for ratio in _CHORD)
    sound = air / np.abs(air).max() + 0.22 * chord
    edge = np.minimum(seconds, seconds[::-1]) / _FADE_SECONDS
    sound *= np.clip(edge, 0, 1)
    return np.asarray(sound / np.abs(sound).max() * _PEAK, dtype=np.float32)[None, :]
