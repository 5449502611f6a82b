"""Compressed frames of 4 Mpixel, decoded by two workers: beside workers that call the library, and bare processes."""

import statistics
from collections.abc import Callable, Iterator
from functools import cache
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

__all__ = ["Packed", "by_hand", "compressed", "decoded", "rows"]

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


def decoded(message: Message) -> int:
    """Decode a frame, and return how large it is."""
    image: NDArray[np.uint16] = message.array
    return image.size


def by_hand(message: Message) -> int:
    """Do the same with the library, as whoever has no use for ``message.array`` does: it trusts the bytes."""
    image: NDArray[np.uint16] = _library()(message.buffers[0])
    return image.size


def compressed(notes: str, n: int, is_by_hand: bool = False) -> Pipeline:
    """Return a pipeline in which two workers decode ``n`` frames."""
    return Pipeline(
        name="frames-compressed",
        sources={"camera": Reads(Packed, n=n)},
        stages={
            "decode": Map(by_hand if is_by_hand else decoded, source="camera", workers=2),
            "sum": Reduce(AddNumbers, source="decode", notes=notes),
        },
    )


def rows(effort: Effort) -> Iterator[Row]:
    """Measure bitshuffle with LZ4, which most detectors of this size send.

    The first row is what ``message.array`` costs beside the library itself, on the same workers. Where there are two
    cores, these share them with the source, the builder and the reducer: what bare processes do, which have the cores
    for themselves, is the second row's limit, and what workers do in the time that they have is the third.
    """
    n = effort.count(HOPED_PER_S)
    size = SHAPE[0] * SHAPE[1]
    busy: list[float] = []

    def per_s(is_by_hand: bool) -> float:
        outcome = run(
            "bench.instruments_frames:compressed", effort.engine, expected=n, expected_sum=n * size, n=n,
            is_by_hand=is_by_hand,
        )  # fmt: skip
        if not is_by_hand:
            busy.append(2 * n / outcome.cpu_s()["map"])
        return outcome.rate_per_s()

    bare, calls, ours = in_turns(
        effort.runs, lambda: two_cores(_decoding), lambda: per_s(is_by_hand=True), lambda: per_s(is_by_hand=False)
    )
    what = "frames: bslz4, 4 Mpixel uint16, decoded by two workers"
    yield Row(
        name=what, value=ours, unit="frames/s", reference=calls, of="bitshuffle called on the same workers",
        target_ratio=0.9,
    )  # fmt: skip
    for name, value in ((f"{what}, beside bare", ours), (f"{what}, while they run", statistics.median(busy))):
        yield Row(
            name=name, value=value, unit="frames/s", reference=bare, of="bitshuffle alone, two processes",
            target_ratio=0.9,
        )  # fmt: skip


def payloads() -> list[tuple[NDArray[np.uint8], Encoding]]:
    """Return frames as a detector sends them."""
    dice = np.random.default_rng(1)
    return [encoded(dice.poisson(MEAN_COUNTS, SHAPE).astype("<u2"), "bslz4") for _ in range(TEMPLATES)]


def _decoding() -> Callable[[], int]:
    frames = [payload for payload, _ in payloads()]
    decode = _library()
    turn = 0

    def work() -> int:
        nonlocal turn
        payload = frames[turn % TEMPLATES]
        turn += 1
        decode(payload)
        return 1

    return work


@cache
def _library() -> Callable[[NDArray[np.uint8]], Any]:
    """Return bitshuffle's own call, with one thread, as workers have it."""
    from penstock.core.codecs import _bitshuffle

    decompress = _bitshuffle().decompress_lz4

    def decode(payload: NDArray[np.uint8]) -> Any:
        return decompress(payload[12:], SHAPE, np.dtype("<u2"), int.from_bytes(payload[8:12].tobytes(), "big") // 2)

    return decode
