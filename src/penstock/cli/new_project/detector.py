"""A camera that does not exist, so that the pipeline can be tried without one: a beam that goes round, with noise."""

import numpy as np

from penstock import Message
from penstock.elements import Reading, Source, Traits

HEIGHT, WIDTH = 24, 32


class Camera(Source):
    """Gives ``images`` images, ``rate_hz`` of them a second: (24, 32) uint16, counts.

    The same ``seed`` gives the same images, every time.
    """

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)
    is_repeatable = True

    def __init__(self, images: int, rate_hz: float, seed: int = 1) -> None:
        if images < 1 or not rate_hz > 0:
            raise ValueError(f"{images} images at {rate_hz} Hz are none; give at least 1, at more than 0 Hz")
        self.images = images
        self.period_ns = 1e9 / rate_hz
        self.seed = seed
        self.frame = 0
        self.due_ns = 0.0

    def wait_s(self, now_ns: int) -> float:
        """Return how long it is until the next image."""
        return max(0.0, (self.due_ns - now_ns) / 1e9)

    def read(self, now_ns: int) -> Reading:
        """Return the next image; it is due."""
        message = Message(key=self.frame, timestamp_ns=now_ns, array=self.image(self.frame))
        self.frame += 1
        self.due_ns = (self.due_ns or now_ns) + self.period_ns
        return self.reading([message], now_ns, ended=self.frame == self.images)

    def image(self, frame: int) -> np.ndarray:
        """Return one image: the beam, about 5000 counts, on a background of 2 counts a pixel."""
        y, x = self.center(frame)
        rows, columns = np.indices((HEIGHT, WIDTH))
        beam = 200 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8)
        return np.random.default_rng([self.seed, frame]).poisson(beam + 2).astype("u2")

    def center(self, frame: int) -> tuple[float, float]:
        """Return where the beam is in an image: y and x, px. It goes round once in 100 images."""
        turn = 2 * np.pi * frame / 100
        return 12 + 5 * np.sin(turn), 16 + 9 * np.cos(turn)
