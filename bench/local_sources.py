"""Instruments for the benches of ``local``: they cost next to nothing themselves, and end after so many messages.

All that a message holds was made before; a reading only says where it is.
"""

import os
import time
from pathlib import Path

import numpy as np

from penstock.core import Block
from penstock.core.decoder import Traits
from penstock.elements import Reading, Source

__all__ = [
    "A_FEW",
    "GAPS_PERIOD",
    "GAPS_PRESENT",
    "ROWS",
    "Frames",
    "Images",
    "Rows",
    "Silent",
    "Triggers",
    "frame_sum",
    "image",
    "template",
]

ROWS = 4096
"""Messages a block."""
A_FEW = 4
TEMPLATES = 3
GAPS_PERIOD = 50 * ROWS
"""Numbers after which the gaps of a stream repeat."""
GAPS_PRESENT = 49 * ROWS
"""How many of these are there: 2 % are missing."""


class Frames(Source):
    """Frames of ``size`` MB (2²⁰ bytes), each a block by itself, copied by the engine.

    Parameters
    ----------
    size
        A whole number.
    n
        Frames there are.
    """

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)

    def __init__(self, size: int, n: int) -> None:
        self._size, self._n, self._next = size, n, 0
        self._frames: list[np.ndarray[tuple[int, ...], np.dtype[np.uint16]]] = []

    def open(self) -> None:
        """Make the templates."""
        self._frames = [template(self._size, k)[np.newaxis] for k in range(TEMPLATES)]
        self._next = 0

    def read(self, now_ns: int) -> Reading:
        """Return the next frame."""
        number, self._next = self._next, self._next + 1
        block = Block(
            stream=self.stream,
            ids=np.array([number + 1], np.uint64),
            keys=np.array([number], np.uint64),
            timestamps=np.array([now_ns]),
            columns=(self._frames[number % TEMPLATES],),
        )
        return Reading(blocks=[block], ended=self._next == self._n)


class Images(Source):
    """Small images, (height, width) numbers of two bytes, as many a block as make 1 MB, or one.

    Parameters
    ----------
    n
        Images there are.
    """

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)

    def __init__(self, width: int, height: int, n: int) -> None:
        self._n, self._next = n, 0
        self._images = np.stack([image(width, height, k) for k in range(max(1, 2**19 // (width * height)))])

    def read(self, now_ns: int) -> Reading:
        """Return the next block."""
        keys = np.arange(self._next, min(self._next + len(self._images), self._n), dtype=np.uint64)
        self._next += len(keys)
        block = Block(
            stream=self.stream, ids=keys + 1, keys=keys, timestamps=np.full(len(keys), now_ns),
            columns=(self._images[: len(keys)],),
        )  # fmt: skip
        return Reading(blocks=[block], ended=self._next >= self._n)


class Rows(Source):
    """Messages of 128 numbers of two bytes, in blocks of 4096.

    Parameters
    ----------
    n
        Messages there are, the missing ones counted; a multiple of 4096, with gaps of 50 × 4096.
    has_gaps
        Whether 2 % of the numbers are missing, so that its blocks never align with those of others.
    """

    traits = Traits(number="pulse", first=None, has_start=False, has_end=False)

    def __init__(self, n: int, has_gaps: bool = False) -> None:
        self._n, self._block, self._blocks = n, 0, n // ROWS
        generator = np.random.default_rng(1)
        self._values = generator.integers(0, 4096, (ROWS, 128), np.uint16)
        self._period, present = ROWS, np.arange(ROWS, dtype=np.uint64)
        if has_gaps:
            self._period = GAPS_PERIOD
            chosen = generator.choice(GAPS_PERIOD, GAPS_PRESENT, replace=False)
            present = np.sort(chosen).astype(np.uint64)
            self._blocks = n // GAPS_PERIOD * GAPS_PRESENT // ROWS
        self._keys = present.reshape(-1, ROWS)

    def read(self, now_ns: int) -> Reading:
        """Return the next block."""
        block, self._block = self._block, self._block + 1
        turn, part = divmod(block, len(self._keys))
        made = Block(
            stream=self.stream,
            ids=np.arange(block * ROWS + 1, (block + 1) * ROWS + 1, dtype=np.uint64),
            keys=self._keys[part] + np.uint64(turn * self._period),
            timestamps=np.full(ROWS, now_ns),
            columns=(self._values,),
        )
        return Reading(blocks=[made], ended=self._block == self._blocks)


class Triggers(Source):
    """Messages that hold only their number, four a block: what makes workers work.

    Parameters
    ----------
    n
        Messages there are; a multiple of four.
    """

    traits = Traits(number="trigger", first=0, has_start=False, has_end=False)

    def __init__(self, n: int) -> None:
        self._n, self._next = n, 0

    def read(self, now_ns: int) -> Reading:
        """Return the next block."""
        keys = np.arange(self._next, self._next + A_FEW, dtype=np.uint64)
        self._next += A_FEW
        block = Block(stream=self.stream, ids=keys + 1, keys=keys, timestamps=np.full(A_FEW, now_ns), columns=(keys,))
        return Reading(blocks=[block], ended=self._next >= self._n)


class Silent(Source):
    """An instrument that is connected and says nothing, for so many seconds from the first reading on.

    Parameters
    ----------
    notes
        Folder in which it leaves a file of its stream's name when it is first read.
    seconds
        After which it ends.
    """

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)

    def __init__(self, notes: str, seconds: float) -> None:
        self._notes, self._seconds = Path(notes), seconds
        self._pipe: tuple[int, int] | None = None
        self._until: float | None = None

    @property
    def pollable(self) -> int | None:
        """The end of a pipe nobody writes to."""
        return None if self._pipe is None else self._pipe[0]

    def open(self) -> None:
        """Make the pipe."""
        self._pipe = os.pipe()

    def close(self) -> None:
        """Close the pipe."""
        for end in self._pipe or ():
            os.close(end)
        self._pipe = None

    def read(self, now_ns: int) -> Reading:  # noqa: ARG002 - it has nothing to date
        """Return nothing."""
        if self._until is None:
            self._until = time.monotonic() + self._seconds
            (self._notes / f"{self.stream}.ready").touch()
        return Reading(ended=time.monotonic() >= self._until)


def image(width: int, height: int, k: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Return an image, (height, width), that no other number gives."""
    found = np.full((height, width), k % 1000, np.uint16)
    found[0, 0] = k % 65536
    return found


def template(size: int, k: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Return the k-th of the frames that come in turns: (512 × size, 1024), read-only."""
    frame = np.full((512 * size, 1024), 257 * (k + 1), np.uint16)
    frame.flags.writeable = False
    return frame


def frame_sum(size: int, n: int) -> int:
    """Return the sum of the first ``n`` frames, read as numbers of eight bytes, modulo 2⁶⁴."""
    words = size * 2**20 // 8
    turns, rest = divmod(n, TEMPLATES)
    total = sum((turns + (k < rest)) * words * 0x0101_0101_0101_0101 * (k + 1) for k in range(TEMPLATES))
    return total % 2**64
