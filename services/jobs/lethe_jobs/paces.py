"""How long a second of video takes to make, learnt from what was made here."""

_WEIGHT_OF_NEWEST = 0.2


class Pace:
    """A moving mean, in seconds of work per second of video."""

    def __init__(self, first_guess: float) -> None:
        self._seconds_per_second = first_guess

    def observe(self, video_seconds: float, took_seconds: float) -> None:
        """Something was made."""
        if video_seconds > 0:
            seen = took_seconds / video_seconds
            self._seconds_per_second += _WEIGHT_OF_NEWEST * (seen - self._seconds_per_second)

    def expect(self, video_seconds: float) -> float:
        """Seconds that a video of this length will take."""
        return self._seconds_per_second * video_seconds
