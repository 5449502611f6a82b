"""Working on what lies on an edge, list by list: what is not worked on after all goes back there."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import length_hint
from typing import Any

from penstock.services.strands.edge import Edge
from penstock.services.strands.free_room import FreeRoom
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.parts import OutPart, Part, Writer
from penstock.services.strands.pauses import Pauses
from penstock.services.strands.run import Run, StageFailedError, said_of
from penstock.services.strands.standstill import Standstill
from penstock.services.strands.strand_books import StrandBooks

__all__ = ["EdgeWork"]


class EdgeWork:
    """Takes items from an edge through the parts of a strand without generators, until the edge has ended.

    Parameters
    ----------
    name
        Of the strand, for texts.
    edge
        If it has lanes, what is less urgent is put back when something more urgent comes.
    run
        What is done with items.
    still
        Where it waits while it is held.
    room
        How much may be given.
    """

    def __init__(
        self,
        name: str,
        edge: Edge | LanedEdge,
        run: Run,
        still: Standstill,
        room: FreeRoom,
        pauses: Pauses,
        books: StrandBooks,
    ) -> None:
        self._name = name
        self._edge = edge
        self._run = run
        self._still = still
        self._gate = still.gate
        self._room = room
        self._pauses = pauses
        self._books = books
        self._laned = edge if isinstance(edge, LanedEdge) else None
        self._whole_writer = _whole_writer(run.parts)
        self._write_ready = None if self._laned is not None else _ready_writer(run.parts)
        if self._laned is not None:
            self._laned.on_urgent = pauses.ask

    # As a thread

    def work(self, event: threading.Event) -> None:
        """Work in this thread.

        Parameters
        ----------
        event
            The thread's own.
        """
        while not self._gate.is_halted:
            if self._gate.is_shut:
                self._still.wait()
                self._pauses.look_up()
                continue
            items = self._edge.take_waiting(event)
            if items:
                self._work_list(items, event)
            elif self._edge.has_ended and not self._edge.items:
                return
            self._pauses.look_up()

    def _work_list(self, items: list[Any], event: threading.Event) -> None:
        if self._whole_writer is not None:
            self._write_together(self._whole_writer, items)
            return
        pauses, gate = self._pauses, self._gate
        if self._write_ready is not None and not (pauses.is_sample_due or gate.is_shut):
            items = self._without_written(self._write_ready, items)
        left = iter(items)
        while (count := length_hint(left)) and not gate.is_halted and not self._is_overtaken(left):
            if gate.is_shut:
                self._edge.put_back(list(left))
                return
            room = min(count, self._room.wait(event))
            if room <= 0:
                continue
            if pauses.is_sample_due:
                pauses.is_sample_due = False
                self._run.one(next(left))
                room -= 1
            if not self._is_urgent:
                self._run.work(islice(left, room), pauses.asked)
            pauses.end()

    def _write_together(self, writer: Writer, items: list[Any]) -> None:
        """Give items to a sink that takes many at once, and has nothing before it."""
        counted = self._run.counted
        try:
            assert writer.write_all is not None, "it takes many at once"
            writer.write_all(items)
        except (Exception, SystemExit) as error:  # a sink may be user code
            counted.failed[0] += len(items)
            raise StageFailedError(f"{writer.name}: {said_of(error)}") from error
        finally:
            self._pauses.end()
        counted.cells[0] += len(items)
        self._books.keep()

    def _without_written(self, write_ready: Callable[[Sequence[Any]], int], items: list[Any]) -> list[Any]:
        """Give items to a sink that takes many while it need not wait, and has nothing before it; return the rest."""
        try:
            done = write_ready(items)
        except (Exception, SystemExit) as error:  # a sink may be user code
            raise StageFailedError(f"{self._name}: {said_of(error)}") from error
        self._run.counted.cells[0] += done
        if done == len(items):
            self._pauses.end()
        return items[done:]

    # As a task

    async def work_awaiting(self) -> None:
        """Do as ``work`` on an event loop."""
        while not self._gate.is_halted:
            if self._gate.is_shut:
                await self._still.wait_awaiting()
                continue
            items = await self._edge.take_awaiting()
            if not items and self._edge.has_ended and not self._edge.items:
                return
            await self._await_list(items)
            await asyncio.sleep(0)

    async def _await_list(self, items: list[Any]) -> None:
        pauses, gate = self._pauses, self._gate
        left = iter(items)
        while (count := length_hint(left)) and not gate.is_halted and not self._is_overtaken(left):
            if gate.is_shut:
                self._edge.put_back(list(left))
                return
            room = min(count, await self._room.wait_awaiting())
            if room <= 0:
                continue
            if pauses.is_sample_due:
                pauses.is_sample_due = False
                await self._run.one_awaiting(next(left))
                room -= 1
            if not self._is_urgent:
                await self._run.work_awaiting(islice(left, room), pauses.asked)
            pauses.end()

    # Lanes

    @property
    def _is_urgent(self) -> bool:
        """Whether something more urgent has come than what it works on."""
        return self._laned is not None and self._laned.is_overtaken

    def _is_overtaken(self, left: Iterator[Any]) -> bool:
        """Whether something more urgent has come, so that what is left was put back."""
        if self._laned is None or not self._laned.is_overtaken:
            return False
        self._laned.put_back(list(left))
        return True


def _whole_writer(parts: Sequence[Part]) -> Writer | None:
    """Return the sink that all there is to be done is to write to, if it takes many items at once."""
    if len(parts) == 1 and isinstance(parts[0], OutPart) and len(parts[0].writers) == 1 and not parts[0].edges:
        writer = parts[0].writers[0]
        return writer if writer.write_all is not None else None
    return None


def _ready_writer(parts: Sequence[Part]) -> Callable[[Sequence[Any]], int] | None:
    """Return what writes as many items as go without waiting, if that is all there is to be done."""
    if len(parts) == 1 and isinstance(parts[0], OutPart) and len(parts[0].writers) == 1 and not parts[0].is_shared:
        return parts[0].writers[0].write_ready
    return None
