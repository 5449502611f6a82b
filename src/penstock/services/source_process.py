"""The process of one source: it reads, writes every block once into a slot, and says where it lies."""

import math
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from penstock.core import Block, Kind
from penstock.elements.filling_source import METADATA_BYTES, FillingSource, fill_slot, reserve_here
from penstock.elements.resumed_source import ResumedSource
from penstock.elements.source import Reading, Source
from penstock.errors import PenstockError, SourceError, UserCodeError
from penstock.pipeline.reference import resolve
from penstock.services.line import BuilderGoneError, Line
from penstock.services.made import made_source
from penstock.services.notes import note_of_error
from penstock.services.orders import ElementOrder, SourceOrder
from penstock.services.own_pools import OwnPools
from penstock.services.progress import Progress
from penstock.services.room_process import FOR_EVER_S
from penstock.services.value_source import ValueSource
from penstock.services.waiter import Waiter
from penstock.transport.malloc import prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.wire.envelopes import (
    Begin,
    BlockFilled,
    Broken,
    Close,
    Go,
    Hold,
    Obeyed,
    Opened,
    PoolGone,
    PoolMade,
    Read,
    Ready,
    Settled,
    Stop,
)
from penstock.wire.layout import BlockLayout, PackedBlock, pack_block
from penstock.wire.reserve import Reserved, reserve
from penstock.wire.slots import Slot
from penstock.wire.values import decode_value

__all__ = ["SourceProcess", "run"]

LONGEST_WAIT_S = 0.1
"""Sources that wait for their instrument must be read that often; whoever watches hears that often that it lives."""
FILES_S = 0.5
"""How often it is noted how far it is with files."""


class SourceProcess:
    """Read one source.

    Parameters
    ----------
    order
        What it is to be.
    fds
        The link to the event builder, and the page of progress.
    """

    def __init__(self, order: SourceOrder, fds: Sequence[int]) -> None:
        self.order = order
        self.line = Line(Link(fds[0], patience_s=FOR_EVER_S))
        self.progress = Progress(fds[1])
        self._pools = OwnPools(order.name, order.slots, order.generation, self._announce, small_count=order.small_slots)
        self._source: Source = None  # type: ignore[assignment]  # made before it is used
        self._is_open = False
        self._is_reading = False
        self._is_held = False
        self._is_asked_to_end = False
        self._waiter = Waiter()
        self._filled: list[BlockFilled] = []
        self._reserved: dict[tuple[int, int], Reserved] = {}
        self._begun = Begin()
        self._unparsable = self._filtered = 0
        """Read so far, of what a predecessor has told of."""
        self._next_id = 1
        self._readings = 0
        self._scratch: Reserved | None = None
        self._files_due_s = math.inf

    def live(self) -> None:
        """Make the source, then read until told to end, or until it has ended."""
        try:
            if self._make():
                self._work_on()
            self.progress.leave()
        except BuilderGoneError:
            return
        except PenstockError as error:
            self.line.send(Broken(str(error), note_of_error(self.order.name, error)))
            self.progress.leave()
        finally:
            if self._source is not None:
                self._source.close()
                with suppress(PenstockError, OSError):  # what is not noted comes again
                    self._source.leave()
                self._note_files()
            self._waiter.close()
            self._pools.close()
            self.line.close()
            self.progress.close()

    def _make(self) -> bool:
        order = self.order
        prefer_reuse()
        try:
            target = resolve(order.element.reference, Path(order.folder))
            self._source = made_source(target, decode_value(order.element.arguments), order.element.name, order.name)
            if order.before is not None:
                self._source = ResumedSource(self._recorded(order.before), self._source)
            self._source.stream, self._source.folder = order.name, order.folder
            if isinstance(self._source, ValueSource):
                self._source.pipeline = order.pipeline
            traits = self._source.traits
            # Made and known to everybody before the instrument is opened: touching it takes half a second a gigabyte.
            source = self._source
            self._pools.fit(source.form.nbytes + METADATA_BYTES if isinstance(source, FillingSource) else 1)
        except PenstockError as error:
            self.line.send(Broken(str(error), note_of_error(order.name, error)))
            return False
        source = self._source
        self._note_files()
        self.line.send(Ready(traits=traits, is_repeatable=source.is_repeatable, wants_settled=source.wants_settled))
        return True

    def _recorded(self, before: ElementOrder) -> Source:
        target = resolve(before.reference, Path(self.order.folder))
        return made_source(target, decode_value(before.arguments), before.name, self.order.name)

    def _work_on(self) -> None:
        while not self._is_asked_to_end:
            self.progress.beat()
            if time.monotonic() >= self._files_due_s:
                self._note_files()
            self._listen(0.0 if self._is_reading and not self._is_held else self.order.beat_s)
            if not self._is_reading or self._is_held or self._is_asked_to_end:
                continue
            now = time.time_ns()
            wait_s = self._source.wait_s(now)
            if wait_s:
                self._waiter.wait(min(wait_s, LONGEST_WAIT_S), without=[self._source.pollable])
            elif not self._pools.free and not self.order.drops:
                self._wait_for_room()
            elif not self._read(now):
                self._waiter.wait(min(LONGEST_WAIT_S, self.order.beat_s))

    def _listen(self, timeout_s: float) -> None:
        """Do what the event builder says; wait for it if nothing is to be read."""
        self.line.look()
        self._take_back()
        while (envelope := self.line.next(timeout_s)) is not None:
            timeout_s = 0.0
            match envelope:
                case Begin():
                    self._begin(envelope)
                case Go():
                    self._is_reading = self._is_open  # no more, if it crossed a Stop
                case Hold(is_held):
                    self._is_held = is_held
                    self.line.send(Obeyed())
                case Settled(ranges):
                    self._settle(ranges)
                case Stop():
                    if self._is_open:
                        self._end()
                case Close():
                    self._is_asked_to_end = True
            self._take_back()

    def _note_files(self) -> None:
        """Let those who watch know how far it is with files, if it opens any; from now on, now and then."""
        source = self._source.live if isinstance(self._source, ResumedSource) else self._source
        found = source.files() if isinstance(source, ValueSource) else None
        if found is not None:
            self.progress.note(msgspec.msgpack.encode(replace(found, name=self.order.name)))
            self._files_due_s = time.monotonic() + FILES_S

    def _settle(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Tell the source what is accounted for of what it gave; what a predecessor gave comes again."""
        shift = self._begun.shift
        for first, last in ranges:
            if first > shift:
                self._source.settle(first - shift, last - shift)

    def _begin(self, asked: Begin) -> None:
        """Open the instrument; a successor's messages go on from those of its predecessors."""
        if isinstance(self._source, ResumedSource):  # it numbers by itself, and gives first what was recorded
            self._source.last_id = max(asked.shift, asked.skip)
            asked = replace(asked, shift=0, skip=self._source.last_id)
        self._begun = asked
        self._next_id = asked.shift + 1
        self._source.open()
        self._is_open = True
        self._waiter.add(self._source.pollable)
        self._waiter.add(self.line.link.fileno())
        self.line.send(Opened(self._source.pollable is None))

    def _read(self, now: int) -> bool:
        """Read once; return whether there was anything."""
        self._readings += 1
        is_skipping = self._next_id <= self._begun.skip
        if isinstance(self._source, FillingSource) and not is_skipping:
            return self._fill(self._source, now)
        was_catching_up = isinstance(self._source, ResumedSource) and self._source.is_catching_up
        reading = self._reading(now)
        if was_catching_up and not self._source.is_catching_up:  # type: ignore[attr-defined]  # as just seen
            self._waiter.add(self._source.pollable)
            self.line.send(Opened(self._source.pollable is None))
        if is_skipping:
            self._next_id += sum(map(len, reading.blocks))
        read_ns = time.monotonic_ns()
        dropped = sum(self._put(block, read_ns) for block in reading.blocks)
        if not reading.is_empty:
            self._tell(reading, dropped)
        if reading.ended:
            self._end(tell=False)
        return not reading.is_empty

    def _reading(self, now: int) -> Reading:
        self.progress.begin(self._readings)
        try:
            return self._source.read(now)
        except SourceError as error:
            text = str(error)
            name = self.order.name
            self._trouble = text if text.startswith(f"{name}: ") else f"{name}: {text}"
            return Reading(ended=True)
        except PenstockError:
            raise
        except (Exception, SystemExit) as error:  # a source may be user code
            name = self.order.name
            raise UserCodeError(f"source {name}: {type(error).__name__}: {error}", stage=name) from error
        finally:
            self.progress.end()

    _trouble = ""

    def _tell(self, reading: Reading, dropped: int) -> None:
        blocks, self._filled = tuple(self._filled), []
        begun = self._begun
        unparsable = reading.unparsable[max(0, begun.skip_unparsable - self._unparsable) :]
        self._unparsable += len(reading.unparsable)
        filtered = min(reading.filtered, max(0, self._filtered + reading.filtered - begun.skip_filtered))
        self._filtered += reading.filtered
        self.line.send(Read(blocks, tuple(unparsable), filtered, dropped, reading.ended, self._trouble))

    def _put(self, block: Block, read_ns: int) -> int:
        """Write a block into a slot; return how many messages were dropped instead."""
        begun = self._begun
        if begun.skip:
            at = int(np.searchsorted(block.ids, begun.skip, side="right"))
            if at == len(block):
                return 0
            block = block if not at else block.take(slice(at, len(block)))
        if begun.shift:
            block = replace(block, ids=block.ids + np.uint64(begun.shift))
        packed = self._packed(block)
        self._pools.fit(packed.layout.nbytes if not self._pools.slot_bytes else _with_room(packed.layout, self._pools))
        slot = self._slot(block.kind)
        if slot is None:
            self._settle([(int(block.ids[0]), int(block.ids[-1]))] if self._source.wants_settled else ())
            return len(block)
        packed.write(self._pools.memory(slot))
        self._filled.append(BlockFilled(slot.generation, slot.index, packed.layout, read_ns))
        return 0

    def _packed(self, block: Block) -> PackedBlock:
        try:
            return pack_block(block)
        except PenstockError:
            raise
        except Exception as error:  # metadata that are none, of a source or decoder of the user's
            text = f"source {self.order.name}: a message cannot travel: {type(error).__name__}: {error}"
            raise UserCodeError(text, stage=self.order.name) from error

    def _slot(self, kind: Kind) -> Slot | None:
        """Return a free slot, waiting for one unless data may be dropped; what begins and ends a scan never is."""
        while (slot := self._pools.lend()) is None:
            self.line.look()
            self._take_back()
            if self._pools.free:
                continue
            if self.order.drops and kind is Kind.DATA:
                return None
            if self._filled:
                blocks, self._filled = tuple(self._filled), []
                self.line.send(Read(blocks))
            self.line.wait_for_freed(LONGEST_WAIT_S)
            self.progress.beat()
            self._take_back()
        return slot

    def _fill(self, source: FillingSource, now: int) -> bool:
        """Let the source fill a slot in place; one that finds none and may drop fills memory that nobody reads."""
        form = source.form
        self._pools.fit(form.nbytes + METADATA_BYTES)
        slot = self._pools.lend()
        if slot is None:
            if self._scratch is None:
                self._scratch = reserve_here(form)
            _, filled = fill_slot(source, self._scratch, self._next_id, now)
            reading = Reading(ended=filled.ended)
            if filled.rows or filled.ended:
                self._tell(reading, filled.rows)
        else:
            layout, filled = fill_slot(source, self._of(slot), self._next_id, now)
            if layout is None:
                self._pools.give_up(slot)
            else:
                self._filled.append(BlockFilled(slot.generation, slot.index, layout, time.monotonic_ns()))
            if filled.rows or filled.ended:
                self._tell(Reading(ended=filled.ended), 0)
        self._next_id += filled.rows
        if filled.ended:
            self._end(tell=False)
        return bool(filled.rows or filled.ended)

    def _of(self, slot: Slot) -> Reserved:
        key = slot.generation, slot.index
        if key not in self._reserved:
            form = self._source.form  # type: ignore[attr-defined]  # only of those that fill
            self._reserved[key] = reserve(form, self._pools.memory(slot))
        return self._reserved[key]

    def _wait_for_room(self) -> None:
        if self.line.is_quiet:
            self._waiter.wait(LONGEST_WAIT_S, without=[self._source.pollable])

    def _take_back(self) -> None:
        freed, self.line.freed = self.line.freed, []
        for each in freed:
            self._pools.take_back(each)

    def _end(self, *, tell: bool = True) -> None:
        """Read nothing more; what lies in slots is still needed, so the process stays."""
        self._is_open = self._is_reading = False
        self._waiter.drop(self._source.pollable)
        self._source.close()
        if tell:
            self.line.send(Read(ended=True))

    def _announce(self, what: PoolMade | PoolGone, fds: tuple[int, ...]) -> None:
        if isinstance(what, PoolGone):
            self._reserved = {key: kept for key, kept in self._reserved.items() if key[0] != what.generation}
        self.line.send(what, fds=fds)


def _with_room(layout: BlockLayout, pools: OwnPools) -> int:
    """Return how large slots should be for blocks that vary: a little larger than the first that did not fit."""
    return layout.nbytes if layout.nbytes <= pools.slot_bytes else layout.nbytes + layout.nbytes // 16


def run(order: SourceOrder, fds: Sequence[int]) -> None:
    """Be a source."""
    SourceProcess(order, fds).live()
