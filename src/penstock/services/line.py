"""The way between the event builder and one process beside it: envelopes, the pools they speak of, kept views.

It knows what lies where, and nothing of what is done with it.
"""

import gc
import os
import select
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.result_range import ResultRange, Values
from penstock.errors import PenstockError, RemoteProtocolError
from penstock.services.flow import Flow
from penstock.transport.pool import PoolHandle
from penstock.transport.pools import Pools
from penstock.transport.seqpacket import Link
from penstock.wire.descriptors import BlockDescriptor, ResultsDescriptor
from penstock.wire.envelopes import (
    Drop,
    Envelope,
    FlowDescriptor,
    Free,
    Picked,
    Piece,
    PoolGone,
    PoolMade,
    open_envelopes,
    seal,
)
from penstock.wire.events import EventsDescriptor
from penstock.wire.slots import ReadSlot, Slot

__all__ = ["BuilderGoneError", "Line", "SlotName", "slots_of"]

TOGETHER_BYTES = 128 << 10
"""Of several envelopes in one message; more go alone."""

SlotName = tuple[str, int, int]
"""(pool, generation, slot)"""


class BuilderGoneError(PenstockError):
    """Nobody is there to work for."""


class Line:
    """One process's end.

    Parameters
    ----------
    link
        To the event builder.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.freed: list[Free] = []
        """Slots of this process's own pool that came back since they were last looked at."""
        self._pools = Pools()
        self._pieces: dict[int, ResultsDescriptor] = {}
        self._came: deque[Any] = deque()
        self._later: list[Envelope] = []
        self._poller = select.poll()
        self._poller.register(link.fileno(), select.POLLIN)
        self._waker: select.poll | None = None
        """Waits for something else too."""

    def wake_on(self, fd: int) -> None:
        """Let `next` return when this can be read too."""
        self._waker = select.poll()
        for each in (self.link.fileno(), fd):
            self._waker.register(each, select.POLLIN)

    def next(self, timeout_s: float | None = None) -> Any:  # Any: one of Envelope
        """Return what came next; ``None`` if nothing did in time, or only what is seen to here: pools and pieces.

        Raises
        ------
        BuilderGoneError
            If the event builder has gone.
        """
        if not self._came:
            if timeout_s is None:
                self.flush()
            if self._waker is not None:
                self._waker.poll(None if timeout_s is None else timeout_s * 1000)
                timeout_s = 0.0
            if timeout_s is not None and not self._poller.poll(timeout_s * 1000):
                return None
            self._hear()
        # Not waited for again: whoever asks may have something to do before it waits, such as to publish.
        return self.here()

    def here(self) -> Any:  # Any: one of Envelope
        """Return what came next, if it was received already; else ``None``."""
        return self._came.popleft() if self._came else None

    def wait_for_freed(self, timeout_s: float | None = None) -> None:
        """Wait until slots of this process's own pool come back, or time is up; what else comes waits for ``next``.

        Raises
        ------
        BuilderGoneError
            If the event builder has gone.
        """
        self.flush()
        while not self.freed and (timeout_s is None or self._poller.poll(timeout_s * 1000)):
            self._hear()

    def look(self) -> None:
        """Take in what has come, without waiting."""
        while self._poller.poll(0):
            self._hear()

    def has_come(self, is_so: Callable[[Any], bool]) -> bool:  # Any: one of Envelope
        """Whether something lies here for ``next`` that is so."""
        return any(map(is_so, self._came))

    def take_out(self, is_so: Callable[[Any], bool]) -> Any:  # Any: one of Envelope, or None
        """Return the first of what lies here for ``next`` that is so, which goes before the others."""
        for at, envelope in enumerate(self._came):
            if is_so(envelope):
                del self._came[at]
                return envelope
        return None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing lies ready."""
        return not self._came and not self._poller.poll(0)

    def later(self, envelope: Envelope) -> int:
        """Say something together with what is said next, or before waiting without an end; return how much waits."""
        self._later.append(envelope)
        return len(self._later)

    def flush(self) -> None:
        """Say now what was to be said later; raises what ``send`` does."""
        later, self._later = self._later, []
        if later:
            self._send(later)

    def send(self, *envelopes: Envelope, fds: Sequence[int] = ()) -> None:
        """Say something, in one message if it is not too long; the event builder always listens.

        Raises
        ------
        BuilderGoneError
            If it has gone.
        """
        if fds:
            self.flush()
        later, self._later = self._later, []
        self._send([*later, *envelopes], fds)

    def read(self, flow: FlowDescriptor, *, is_copied: bool = False) -> Flow:
        """Return what a descriptor describes, as views of pools, or of copies that may be kept.

        Raises
        ------
        RemoteProtocolError
            If it describes something that is not here.
        """
        read_slot = self._copy_slot if is_copied else self._read_slot
        return self._picked(flow, read_slot) if isinstance(flow, Picked) else flow.read(read_slot)

    def slots_of(self, flow: FlowDescriptor) -> set[SlotName]:
        """Return the slots in which a flow lies."""
        if not isinstance(flow, Picked):
            return slots_of(flow)
        found = (self._pieces[number].slot for number in flow.pieces)
        return {(slot.pool, slot.generation, slot.index) for slot in found if slot is not None}

    def kept(self, slots: Iterable[SlotName]) -> list[SlotName]:
        """Return those of which something is held in this process."""
        return [name for name in slots if self._pools.find(*name[:2]).is_kept(name[2])]

    def kept_for_sure(self, slots: Iterable[SlotName]) -> list[SlotName]:
        """Return those of which something is held, not counting what only the garbage collector has not found yet."""
        held = self.kept(slots)
        if held:
            gc.collect()
            held = self.kept(held)
        return held

    def view(self, name: SlotName) -> NDArray[np.uint8]:
        """(0,), a view of a slot, to find out what else is one."""
        return self._pools.bytes(*name, 0)

    def close(self) -> None:
        """Let go of everything."""
        self.link.close()
        self._pools.close()

    def _send(self, envelopes: Sequence[Envelope], fds: Sequence[int] = ()) -> None:
        sealed = seal(envelopes)
        if len(sealed) > TOGETHER_BYTES and len(envelopes) > 1:
            for envelope in envelopes:
                self._send([envelope])
            return
        try:
            self.link.send(sealed, fds)
        except BrokenPipeError as error:
            raise BuilderGoneError("the event builder has gone") from error

    def _hear(self) -> None:
        received = self.link.receive()
        if received is None:
            raise BuilderGoneError("the event builder has gone")
        fds = list(received.fds)
        for envelope in open_envelopes(received.data):
            self._take(envelope, fds)

    def _take(self, envelope: Any, fds: list[int]) -> None:
        kind = type(envelope)
        if kind is Piece:
            self._pieces[envelope.id] = envelope.results
        elif kind is Drop:
            for number in envelope.pieces:
                self._pieces.pop(number, None)
        elif kind is Free:
            self.freed.append(envelope)
        elif kind is PoolMade:
            handle = PoolHandle(envelope.name, envelope.generation, envelope.slots, envelope.slot_bytes)
            self._pools.attach(handle, fds.pop(0))
        elif kind is PoolGone:
            self._pools.retire(envelope.name, envelope.generation)
        else:
            self._came.append(envelope)

    def _read_slot(self, slot: Slot, nbytes: int) -> NDArray[np.uint8]:
        return self._pools.find(slot.pool, slot.generation).bytes(slot.index, nbytes)

    def _copy_slot(self, slot: Slot, nbytes: int) -> NDArray[np.uint8]:
        return self._read_slot(slot, nbytes).copy()

    def _picked(self, flow: Picked, read_slot: ReadSlot) -> ResultRange:
        columns: list[Any] = [self._piece(number, read_slot) for number in flow.pieces]
        if flow.which is None:
            (column,) = columns
            first, n = flow.rows.first, flow.rows.size
            is_run = not flow.rows.item and (flow.rows.step == 1 or n == 1)
            values = column[first : first + n] if is_run else [column[row] for row in flow.rows.array().tolist()]
        else:
            places = zip(flow.which.array().tolist(), flow.rows.array().tolist(), strict=True)
            values = [columns[k][row] for k, row in places]
        copies = None if flow.copies is None else flow.copies.array().astype(np.int32)
        return ResultRange(
            stage=flow.stage,
            numbers=flow.numbers.array(),
            values=values,
            revision=flow.revision,
            copies=copies,
            lane=flow.lane,
        )

    def _piece(self, number: int, read_slot: ReadSlot) -> Values:
        try:
            values = self._pieces[number].values(read_slot)
        except KeyError:
            raise RemoteProtocolError(f"piece {number} was never sent here, or was dropped") from None
        return () if values is None else values


def slots_of(flow: BlockDescriptor | EventsDescriptor | ResultsDescriptor) -> set[SlotName]:
    """Return the slots in which messages, events or results lie."""
    if isinstance(flow, EventsDescriptor):
        slots: list[Slot | None] = [part.slot for part in flow.parts if part is not None]
    else:
        slots = [flow.slot]
    return {(slot.pool, slot.generation, slot.index) for slot in slots if slot is not None}


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that nobody took over."""
    for fd in fds:
        os.close(fd)
