"""A camera that does not exist, over a sample that drifts; now and then one of its grains lights up for good."""

import time
from collections.abc import Iterator

import numpy as np

from penstock import Kind, Message
from penstock.elements import GivesMessages, Traits

SHAPE = (64, 96)
ROOM = 16
"""How far the sample goes on beyond the first image, in pixels."""
FURTHEST = 6
"""How far it drifts at most, in each direction."""
COUNTS = 200
EVERY = 25
"""How many frames there are from one grain to the next."""


class Camera(GivesMessages):
    """Images, (64, 96) uint16 counts; the start has one that was taken before the scan.

    Parameters
    ----------
    n
        How many.
    rate_Hz
        How many a second; 0 is as fast as they are taken.
    seed
        Of all that is chance.
    """

    traits = Traits(number="frame", first=0)
    is_repeatable = True

    def __init__(self, n: int = 200, rate_Hz: float = 0, seed: int = 7) -> None:
        self.n, self.period_s, self.seed = n, 1 / rate_Hz if rate_Hz else 0.0, seed

    def __iter__(self) -> Iterator[Message]:
        """Yield the start, the images, and the end."""
        yield Message(kind=Kind.START, metadata={"sample": "grains"}, array=self.image((0, 0), 0, self.n))
        for frame, shift in enumerate(self.path().tolist()):
            time.sleep(self.period_s)
            yield Message(key=frame, array=self.image(shift, self.lit(frame), frame))
        yield Message(kind=Kind.END)

    def path(self) -> np.ndarray:
        """Return where the sample was in each image: (n, 2), whole pixels, y and x."""
        steps = np.random.default_rng((self.seed, 1)).integers(-1, 2, (self.n, 2))
        at = np.zeros(2, int)
        path = []
        for step in steps:
            at = np.clip(at + step, -FURTHEST, FURTHEST)
            path.append(at)
        return np.array(path)

    def lit(self, frame: int) -> int:
        """Return how many grains have lit up by now."""
        return (frame + EVERY // 2) // EVERY

    def grains(self) -> np.ndarray:
        """Return where grains light up, one after the other: (m, 2), pixels of the first image."""
        dice = np.random.default_rng((self.seed, 2))
        return dice.integers(ROOM, np.subtract(SHAPE, ROOM), (self.lit(self.n), 2))

    def image(self, shift: tuple[int, int], lit: int, number: int) -> np.ndarray:
        """Return an image: (64, 96), counts."""
        sample = _texture(self.seed)
        for y, x in self.grains()[:lit] + ROOM:
            sample[y - 1 : y + 2, x - 1 : x + 2] += 10
        first = ROOM - np.asarray(shift)
        seen = sample[first[0] : first[0] + SHAPE[0], first[1] : first[1] + SHAPE[1]]
        return np.random.default_rng((self.seed, 3, number)).poisson(COUNTS * seen).astype(np.uint16)


def _texture(seed: int) -> np.ndarray:
    """Return something that looks like nothing else in it: noise without its finest parts, from 0 to about 2."""
    shape = np.add(SHAPE, 2 * ROOM)
    noise = np.random.default_rng((seed, 4)).standard_normal(shape)
    y, x = np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.rfftfreq(shape[1])
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * np.exp(-60 * (y**2 + x**2)), shape)
    return np.clip(1 + 0.5 * smooth / smooth.std(), 0, None)
