"""A camera whose frames are compressed, each as another codec has it, some of them wrong; and code that reads them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Event, EventBatch, Message
from penstock.core.codecs import CODECS, encoded
from penstock.core.decoder import Traits
from penstock.elements.decoding import Decoding
from penstock.elements.source import Reading, Source
from penstock.protocols.stins import StinsDecoder, encode_end, encode_image, encode_start
from penstock.views import ArrayView

N = 24
CUT, UNKNOWN = 7, 13
"""Frames whose bytes end too soon, and are of a codec that nobody knows."""
LARGE = 5
"""One that is a block by itself."""


def image(number: int) -> NDArray[np.uint16]:
    """What the camera counted."""
    shape = (600, 1024) if number == LARGE else (33, 40)
    return np.random.default_rng(number).poisson(2 if number != LARGE else 3000, shape).astype("<u2")


class Camera(Source):
    """STINS packets without a socket."""

    traits = StinsDecoder.traits
    is_repeatable = True

    def open(self) -> None:
        self._packets = self._all()

    def read(self, now_ns: int) -> Reading:
        decoding = Decoding(StinsDecoder(), self.builder)
        for packet in self._packets:
            if not decoding.feed(packet, now_ns):
                return decoding.reading()
        return decoding.reading(ended=True)

    def _all(self) -> Iterator[list[bytes]]:
        yield encode_start("camera")
        codecs = ["none", *CODECS]
        for number in range(N):
            pixels, name = image(number), codecs[number % len(codecs)]
            name = "bslz4" if number in (LARGE, CUT) else "own" if number == UNKNOWN else name
            what: dict[str, Any] = {"shape": pixels.shape, "type": "uint16", "compression": name}
            if name == "none":
                yield encode_image(number, pixels)
            elif name == "own":
                yield encode_image(number, b"own bytes", **what)
            else:
                payload = encoded(pixels, name)[0].tobytes()
                yield encode_image(number, payload[:-3] if number == CUT else payload, **what)
        yield encode_end()


class Clock(Source):
    """Something to join: a number a frame."""

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)
    is_repeatable = True

    def read(self, now_ns: int) -> Reading:
        self.builder.add_all([Message(key=number, metadata={"t": number}) for number in range(N)], now_ns)
        return Reading(blocks=self.builder.close(), ended=True)


def total(message: Message) -> list[int]:
    """Return frame, sum and how many bytes came."""
    counts = int(message.array.sum())
    assert message.array is message.array
    return [message.key or 0, counts, message.buffers[0].nbytes]


def untouched(message: Message) -> list[int]:
    """Return frame, how many bytes came, and whether it is said what they are; nothing is decoded."""
    return [message.key or 0, message.buffers[0].nbytes, len(message.encodings)]


class Whole:
    """The same of events, range by range where that is possible."""

    def process(self, event: Event) -> list[int]:
        return [event.number, int(event["camera"].array.sum()), 0]

    def process_batch(self, events: EventBatch) -> list[list[int]]:
        part = events.parts[0]
        sums = part.array.sum(axis=(1, 2), dtype=int)
        return [[number, int(one), 0] for number, one in zip(events.numbers.tolist(), sums, strict=True)]


class Table:
    """Rows as they come."""

    def __init__(self) -> None:
        self.rows = ArrayView((None, 3), "i8")
        self.views = {"rows": self.rows}

    def reduce(self, row: list[int]) -> None:
        self.rows.append(row)
