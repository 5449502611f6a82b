"""Working on items one by one as they come: of a source, a buffer, a parallel stage, or the last of some generators."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, Final

from penstock.services.strands.edge import MOST_AT_ONCE
from penstock.services.strands.feed import BufferFeed, EdgeFeed, SourceFeed
from penstock.services.strands.free_room import UNBOUNDED, FreeRoom
from penstock.services.strands.gate import GivenUpError
from penstock.services.strands.generators import Generators
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.pauses import Pauses
from penstock.services.strands.run import Run, StageFailedError
from penstock.services.strands.standstill import Standstill

__all__ = ["ItemWork"]

_UNSEEN: Final = object()


class ItemWork:
    """Takes what a feed gives through the generators of a strand and what is behind them, until it has ended.

    Parameters
    ----------
    feed
        Gives items; what it raises is the source's fault, or that of a generator.
    run
        What is done with items behind the last generator.
    still
        Where it waits while it is held.
    room
        How much may be given.
    """

    def __init__(
        self,
        feed: SourceFeed | EdgeFeed | BufferFeed | ParallelFeed,
        generators: Generators,
        run: Run,
        still: Standstill,
        room: FreeRoom,
        pauses: Pauses,
    ) -> None:
        self._feed = feed
        self._generators = generators
        self.run = run
        self._still = still
        self._gate = still.gate
        self._room = room
        self._pauses = pauses

    # As a thread

    def work(self, event: threading.Event) -> None:
        """Work in this thread.

        Parameters
        ----------
        event
            The thread's own.

        Raises
        ------
        SourceFailedError
            If the source raised.
        StageFailedError
            If a step raised, and the run is to fail.
        GivenUpError
            If the run is halted while an item waits.
        """
        items = self._feed.items(event)
        if isinstance(self._feed, SourceFeed) and self._generators:
            # A generator that lets nothing pass never comes back here.
            items = _until_stopped(items, self._feed)
        # With generators a source that is stopped ends what it gives, so that they bring out the rest.
        stopped = self._feed.stopping if isinstance(self._feed, SourceFeed) and not self._generators else None
        self._generators.pull(items)
        while not (self._gate.is_halted or (stopped is not None and stopped.is_set())):
            if self._gate.is_shut:
                self._still.wait()
                self._pauses.look_up()
                continue
            room = self._room.wait(event)
            if room <= 0:
                continue
            try:
                if self.work_some(room):
                    return
            except (StageFailedError, GivenUpError):
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                self._generators.begin_again(error)
            finally:
                self._pauses.end()

    def work_some(self, most: int) -> bool:
        """Work on some items; return whether there will be no more."""
        items, pauses, counted = self._generators.given, self._pauses, self.run.counted
        if pauses.is_sample_due:
            pauses.is_sample_due = False
            self._generators.begin_sample()
            item = next(items, _UNSEEN)
            self._generators.end_sample()
            if item is _UNSEEN:
                return True
            if self._gate.is_shut and self.run.loop_gate is not None:
                self._gate.pass_item(is_first=not self._generators)
            self.run.one(item)
            if most < UNBOUNDED:
                most -= 1
            if pauses.asked or not most:
                return False
        if most >= UNBOUNDED:
            self.run.work(items, pauses.asked)
            return not pauses.asked
        before = counted.came
        self.run.work(islice(items, most), pauses.asked)
        return counted.came - before < most and not pauses.asked

    # As a task

    async def work_awaiting(self) -> None:
        """Do as ``work`` on an event loop; a source that is stopped ends what it gives."""
        self._generators.pull(self._feed.items_awaiting())
        while not self._gate.is_halted:
            if self._gate.is_shut:
                await self._still.wait_awaiting()
                continue
            room = await self._room.wait_awaiting()
            if room <= 0:
                continue
            try:
                if await self._await_some(self._generators.given, min(room, MOST_AT_ONCE)):
                    return
            except (StageFailedError, GivenUpError):
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                self._generators.begin_again(error)
            finally:
                self._pauses.end()
            await asyncio.sleep(0)

    async def _await_some(self, items: AsyncIterator[Any], most: int) -> bool:
        pauses, counted = self._pauses, self.run.counted
        if pauses.is_sample_due:
            pauses.is_sample_due = False
            self._generators.begin_sample()
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return True
            self._generators.end_sample()
            await self.run.one_awaiting(item)
            most -= 1
            if pauses.asked or not most:
                return False
        before = counted.cells[0]
        await self.run.work_async(items, pauses.asked, most)
        return counted.cells[0] - before < most and not pauses.asked


def _until_stopped(items: Iterator[Any], feed: SourceFeed) -> Iterator[Any]:
    for item in items:
        yield item
        if feed.stopping.is_set():
            return
