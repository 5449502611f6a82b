"""A source that fills frames in place, where they will be read, so that they are never copied.

Whose memory that is, it never knows: a slot that all processes of a run see, or memory of its own process.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.core.message import Kind
from penstock.elements.source import Reading, Source
from penstock.wire.layout import ALIGNMENT, BlockLayout, read_block
from penstock.wire.reserve import Form, Reserved, layout_of, reserve

__all__ = ["METADATA_BYTES", "Filled", "FillingSource", "fill_slot", "reserve_here"]

METADATA_BYTES: Final = 64 << 10
"""Room for the metadata of one block, behind its columns."""

_REMARK: Final = layout_of(1, keyed=False)
"""What is said before and after the data has neither a number nor arrays, like that of every other source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What one call of `FillingSource.fill` did."""

    rows: int
    """Messages; 0 if there is nothing now."""
    metadata: Sequence[Mapping[str, Any]] | None = None
    """One mapping a message, 64 kB a block in all; ``None`` if none has anything to say."""
    kind: Kind = Kind.DATA
    """Of all of them. A start and an end are single messages; only their metadata and timestamp count."""
    ended: bool = False
    """Nothing will ever come again."""


class FillingSource(Source):
    """Base of sources that write their frames where they are told: cameras with a buffer of their own, fast simulators.

    A subclass gives a `form` and fills; it opens, waits and closes as any `Source`, and does not write ``read``.

    >>> from penstock.core.decoder import Traits
    >>> class Ramp(FillingSource):
    ...     '''``n`` frames, each full of its own number.'''
    ...     traits = Traits(number="frame", first=0, has_start=False, has_end=False)
    ...     form = layout_of(1, ("uint16", (2, 3)))
    ...
    ...     def __init__(self, n: int) -> None:
    ...         self.n, self.next = n, 0
    ...
    ...     def fill(self, into: Reserved, now_ns: int) -> Filled:
    ...         into.keys[0] = self.next
    ...         into.columns[0][0] = self.next
    ...         self.next += 1
    ...         return Filled(rows=1, ended=self.next == self.n)
    >>> source = Ramp(3)
    >>> blocks = [block for _ in range(3) for block in source.read(now_ns=7).blocks]
    >>> [(block.ids.tolist(), block.keys.tolist(), block.timestamps.tolist()) for block in blocks]
    [([1], [0], [7]), ([2], [1], [7]), ([3], [2], [7])]
    >>> blocks[2].columns[0].tolist()
    [[[2, 2, 2], [2, 2, 2]]]
    """

    _next_id = 1

    @property
    @abstractmethod
    def form(self) -> Form:
        """How many messages a block has at most, and of which dtype and shape their arrays are; see ``layout_of``.

        The same from `open` to `close`; an attribute of the class does as well.
        """

    @abstractmethod
    def fill(self, into: Reserved, now_ns: int) -> Filled:
        """Fill the first rows with what there is, without waiting.

        Parameters
        ----------
        into
            Keys, if the form has them, and columns hold whatever lay there before and must be written for every row
            that counts. Timestamps hold ``now_ns`` and may be overwritten. Ids are the engine's. Nothing of it may be
            kept: after the call others read there.
        now_ns
            Nanoseconds UTC.

        Raises
        ------
        SourceError
            If the instrument was not reached in time, or its connection broke.
        """

    def read(self, now_ns: int) -> Reading:
        """Fill memory of this process, for engines without slots; see `fill`."""
        into = reserve_here(self.form)
        layout, filled = fill_slot(self, into, self._next_id, now_ns)
        self._next_id += filled.rows
        blocks = [] if layout is None else [read_block(layout, into.slot, self.stream)]
        return Reading(blocks=blocks, ended=filled.ended)


def fill_slot(source: FillingSource, into: Reserved, first_id: int, now_ns: int) -> tuple[BlockLayout | None, Filled]:
    """Let a source fill a slot once.

    Parameters
    ----------
    source
        Whose `fill` is called.
    into
        What of the slot was reserved in the source's form. It may be filled again and again.
    first_id
        Of the first message; the others follow.
    now_ns
        Nanoseconds UTC.

    Returns
    -------
    BlockLayout or None
        Of the block that lies in the slot now; ``None`` if there was nothing.
    Filled
        What the source said.

    Raises
    ------
    ValueError
        If the source says that it filled more rows than there are, or its metadata do not fit.
    ResultTypeError
        If metadata hold what cannot travel between processes.
    """
    into.timestamps[:] = now_ns
    filled = source.fill(into, now_ns)
    if not filled.rows:
        return None, filled
    if filled.kind is not Kind.DATA:
        into = _remark_in(into)
    layout = into.close(filled.rows, filled.metadata, filled.kind)
    into.ids[: filled.rows] = np.arange(first_id, first_id + filled.rows, dtype=np.uint64)
    return layout, filled


def reserve_here(form: Form) -> Reserved:
    """Reserve memory of this process, with room for metadata."""
    nbytes = form.nbytes + METADATA_BYTES
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return reserve(form, memory[start : start + nbytes])


def _remark_in(into: Reserved) -> Reserved:
    timestamp = into.timestamps[0]
    remark = reserve(_REMARK, into.slot)
    remark.timestamps[0] = timestamp
    return remark
