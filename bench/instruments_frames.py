"""Compressed frames of 4 Mpixel, decoded by two workers, beside two processes that only decode."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.effort import Effort
from bench.local_code import AddNumbers
from bench.local_limits import two_cores
from bench.local_run import run
from bench.row import Row, in_turns
from penstock.core import Message
from penstock.core.codecs import encoded
from penstock.core.decoder import Traits
from penstock.core.encoding import Encoding
from penstock.elements import Reading, Source
from penstock.pipeline import Map, Pipeline, Reduce
from penstock.pipeline import Source as Reads

__all__ = ["Packed", "compressed", "first_pixel", "rows"]

SHAPE = (2048, 2048)
TEMPLATES = 4
MEAN_COUNTS = 0.1
"""A pixel, between reflections. It makes 1.2 bits of one; a recorded image of an EIGER2 9M had 0.6."""
HOPED_PER_S = 700.0


class Packed(Source):
    """Frames that were compressed before, with bitshuffle and LZ4.

    Parameters
    ----------
    n
        Frames there are.
    """

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)

    def __init__(self, n: int) -> None:
        self._n, self._next = n, 0
        self._frames: list[tuple[NDArray[np.uint8], Encoding]] = []

    def open(self) -> None:
        """Compress the templates."""
        self._frames = payloads()

    def read(self, now_ns: int) -> Reading:
        """Return the next frame."""
        payload, encoding = self._frames[self._next % TEMPLATES]
        self.builder.add(Message(key=self._next, timestamp_ns=now_ns, array=payload, encodings=(encoding,)), now_ns)
        self._next += 1
        return Reading(blocks=self.builder.close(), ended=self._next == self._n)


def first_pixel(message: Message) -> int:
    """Decode a frame, and return how large it is."""
    image: NDArray[np.uint16] = message.array
    return image.size


def compressed(notes: str, n: int) -> Pipeline:
    """Return a pipeline in which two workers decode ``n`` frames."""
    return Pipeline(
        name="frames-compressed",
        sources={"camera": Reads(Packed, n=n)},
        stages={
            "decode": Map(first_pixel, source="camera", workers=2),
            "sum": Reduce(AddNumbers, source="decode", notes=notes),
        },
    )


def rows(effort: Effort) -> Iterator[Row]:
    """Measure bitshuffle with LZ4, which most detectors of this size send.

    Where there are two cores, the workers share them with the source, the builder and the reducer; what they do in the
    time that they have is the second row.
    """
    n = effort.count(HOPED_PER_S)
    size = SHAPE[0] * SHAPE[1]

    busy: list[float] = []

    def ours_per_s() -> float:
        outcome = run("bench.instruments_frames:compressed", effort.engine, expected=n, expected_sum=n * size, n=n)
        busy.append(2 * n / outcome.cpu_s()["map"])
        return outcome.rate_per_s()

    library, ours = in_turns(effort.runs, lambda: two_cores(_decoding), ours_per_s)
    what = "frames: bslz4, 4 Mpixel uint16, decoded by two workers"
    for name, value in ((what, ours), (f"{what}, while they run", statistics.median(busy))):
        yield Row(
            name=name, value=value, unit="frames/s", reference=library, of="bitshuffle alone, two processes",
            target_ratio=0.9,
        )  # fmt: skip


def payloads() -> list[tuple[NDArray[np.uint8], Encoding]]:
    """Return frames as a detector sends them."""
    dice = np.random.default_rng(1)
    return [encoded(dice.poisson(MEAN_COUNTS, SHAPE).astype("<u2"), "bslz4") for _ in range(TEMPLATES)]


def _decoding() -> Callable[[], int]:
    """Call the library as whoever has no use for us does."""
    from penstock.core.codecs import _bitshuffle  # with one thread, as workers have it

    decompress: Any = _bitshuffle().decompress_lz4
    frames = [(payload[12:], int.from_bytes(payload[8:12].tobytes(), "big") // 2) for payload, _ in payloads()]
    turn = 0

    def work() -> int:
        nonlocal turn
        payload, block = frames[turn % TEMPLATES]
        turn += 1
        decompress(payload, SHAPE, np.dtype("<u2"), block)
        return 1

    return work
