"""A source of a run that goes on: what was recorded of it, and behind that the instrument itself."""

from typing import Any

import numpy as np
from msgspec.structs import replace

from penstock.core.block import Block
from penstock.core.decoder import Traits
from penstock.elements.source import Reading, Source

__all__ = ["ResumedSource"]


class ResumedSource(Source):
    """Give what was recorded, then what comes.

    Both are opened at once, so that an instrument that can wait does. What one that is no file sent while nobody read
    it is missing; ids go on all the same, and nothing else tells of it but the instrument's own numbers.

    Parameters
    ----------
    recorded
        Gives what was recorded, and ends.
    live
        The source itself. One that is repeatable gives the recorded messages again, and these are left out.
    """

    def __init__(self, recorded: Source, live: Source) -> None:
        self._recorded = recorded
        self._live = live
        self._is_catching_up = True
        self.last_id = 0
        """Of the messages that were given, or that somebody has already who was given them by a predecessor."""

    @property
    def live(self) -> Source:
        """The source itself."""
        return self._live

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # those of the instrument
        """Those of the source itself."""
        return self._live.traits

    @property
    def is_repeatable(self) -> bool:  # type: ignore[override]  # as the source itself
        """Whether the source itself is."""
        return self._live.is_repeatable

    @property
    def is_catching_up(self) -> bool:
        """Whether it gives what was recorded; what `pollable` returns changes when that ends."""
        return self._is_catching_up

    @property
    def pollable(self) -> Any:  # zmq.Socket | int | None, without importing ZeroMQ
        """Nothing while it gives what was recorded, then what the source itself waits on."""
        return None if self._is_catching_up else self._live.pollable

    def open(self) -> None:
        """Open both; raises ``SourceError`` if one cannot be."""
        for each in (self._recorded, self._live):
            each.stream, each.folder = self.stream, self.folder
            each.open()
        self._is_catching_up = True

    def close(self) -> None:
        """Close both."""
        self._recorded.close()
        self._live.close()

    def wait_s(self, now_ns: int) -> float | None:
        """Return for how long the source itself will have nothing, once it is its turn."""
        return None if self._is_catching_up else self._live.wait_s(now_ns)

    def read(self, now_ns: int) -> Reading:
        """Return the next of what was recorded, or read the source itself; raises ``SourceError`` as these do."""
        if not self._is_catching_up:
            return self._go_on(self._live.read(now_ns))
        reading = self._recorded.read(now_ns)
        for block in reading.blocks:
            self.last_id = max(self.last_id, int(block.ids[-1]))
        if reading.ended:
            self._is_catching_up = False
            self._recorded.close()
        return Reading(blocks=reading.blocks)

    def _go_on(self, reading: Reading) -> Reading:
        if self._live.is_repeatable:
            blocks = [new for block in reading.blocks if (new := _behind(block, self.last_id)) is not None]
        else:
            shift = np.uint64(self.last_id)
            blocks = [replace(block, ids=block.ids + shift) for block in reading.blocks]
        return Reading(blocks=blocks, unparsable=reading.unparsable, filtered=reading.filtered, ended=reading.ended)


def _behind(block: Block, last_id: int) -> Block | None:
    """Return the messages of a block behind one, if there are any."""
    at = int(np.searchsorted(block.ids, last_id, "right"))
    return None if at == len(block) else block.take(slice(at, len(block))) if at else block
