"""A strand: a feed, and all that is done with its items without a queue between.

It is either a thread of its own, or a task on the event loop that all async strands share; both do the same.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import PenstockError
from penstock.monitor.feedback import AT_WORK
from penstock.services.strands.chunk_work import ChunkWork
from penstock.services.strands.edge import Edge
from penstock.services.strands.edge_work import EdgeWork
from penstock.services.strands.feed import BufferFeed, EdgeFeed, Feed, SourceFeed
from penstock.services.strands.free_room import FreeRoom
from penstock.services.strands.gate import Gate, GivenUpError
from penstock.services.strands.generators import Generators
from penstock.services.strands.host import Host
from penstock.services.strands.item_work import ItemWork
from penstock.services.strands.lane_work import LaneWork
from penstock.services.strands.on_loop import call_on
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import MarkPart, OutPart, Part, StepPart
from penstock.services.strands.pauses import Pauses
from penstock.services.strands.run import Run, StageFailedError
from penstock.services.strands.stage import Stage
from penstock.services.strands.standstill import Standstill
from penstock.services.strands.strand_books import StrandBooks
from penstock.services.strands.ticks import Ticks

__all__ = ["Strand"]


@dataclass(eq=False)
class Strand:
    """One strand of a run.

    Parameters
    ----------
    name
        For people: of its first stage or source, and of the step where it begins if that is not the first.
    feed
        Where items come from.
    parts
        What is done with them, in order.
    is_async
        Whether it runs on an event loop.
    ends
        Buffers that are put to here.
    lanes
        Of a feed with lanes: the way out of each.

    Attributes
    ----------
    runs
        All its runs of parts, in the order of the flow.
    books
        What it has worked on goes there.
    pauses
        Between two of its items.
    standstill
        Where it waits while it is held.
    """

    name: str
    feed: Feed | ParallelFeed
    parts: list[Part]
    is_async: bool = False
    ends: list[BufferFeed] = field(default_factory=list)
    lanes: list[OutPart] = field(default_factory=list)

    is_over: bool = False
    """Whether nothing more comes from it."""
    has_returned: bool = False
    """Whether its thread has nothing more to do."""
    trouble: PenstockError | None = None
    thread: threading.Thread | None = None
    task: "asyncio.Task[None] | None" = None
    loop: asyncio.AbstractEventLoop | None = None
    on_trouble: Callable[[PenstockError], None] = field(default=lambda _: None)
    """Told, in whatever thread, when something went wrong."""

    def __post_init__(self) -> None:
        self.runs, self._makers = _runs_of(self.parts, is_async=self.is_async)
        self._lane_runs = [Run([part], is_async=self.is_async) for part in self.lanes]
        own_edges = [edge for part in self.parts if isinstance(part, OutPart) for edge in part.edges]
        self._edges = [*own_edges, *(edge for part in self.lanes for edge in part.edges)]
        for edge in self._edges:
            edge.join()
        self.books = StrandBooks(self.feed, self.runs, self._makers, self._lane_runs)
        self._ticks = Ticks(self.parts)
        # Of an edge it is seen by its books how long items stay on it.
        keeps_often = bool(self._edges) or isinstance(self.feed, EdgeFeed)
        self.pauses = Pauses(self.books, self._ticks, keeps_often=keeps_often)
        self._generators = Generators(
            self.runs, self._makers, self.feed.name, is_async=self.is_async, books=self.books
        )  # fmt: skip
        self.standstill = Standstill(self.feed, is_of_feed=not self._makers)
        self._gate_runs()
        # Whether lanes have room is seen to by the feed, as a full one stops no other.
        self._work, self._chunk_work = self._works(FreeRoom(own_edges, self.gate))

    def _gate_runs(self) -> None:
        """Put the gate wherever items may come while they are to wait, so that none is asked for one by one."""
        *before, last = self.runs
        for run in before:
            run.gate = self.gate
        self.runs[0].is_first = True
        # What lies on an edge stays there, and a parallel stage looks for itself; what a generator gives waits here.
        if self._makers or not isinstance(self.feed, EdgeFeed | ParallelFeed):
            last.loop_gate = self.gate

    def _works(self, room: FreeRoom) -> tuple[EdgeWork | LaneWork | ItemWork, ChunkWork | None]:
        """Return how its items are worked on, and how those are that come in chunks."""
        feed, last = self.feed, self.runs[-1]
        if isinstance(feed, ParallelFeed):
            feed.pause = self.pauses.ask
            if self.lanes:
                return LaneWork(feed, self._lane_runs, self.pauses), None
        if isinstance(feed, EdgeFeed) and not self._makers:
            return EdgeWork(self.name, feed.edge, last, self.standstill, room, self.pauses, self.books), None
        work = ItemWork(feed, self._generators, last, self.standstill, room, self.pauses)
        if isinstance(feed, SourceFeed) and feed.gives_chunks and not self._makers:
            return work, ChunkWork(feed, last, self.gate, room, self.pauses)
        return work, None

    # What may be asked of it from outside

    @property
    def gate(self) -> Gate:
        """Shut while it is held."""
        return self.standstill.gate

    @property
    def makers(self) -> Sequence[StepPart]:
        """Its generators, in order."""
        return self._makers

    @property
    def stages(self) -> Iterator[Stage]:
        """All in whose books something is counted here; one may come several times."""
        if isinstance(self.feed, ParallelFeed):
            yield from (self.feed.stage, *self.feed.books)
        yield from (part.stage for part in self.parts if isinstance(part, MarkPart | StepPart))

    @property
    def out_edges(self) -> Sequence[Edge]:
        """Where its items leave it, but for sinks."""
        return self._edges

    @property
    def in_hand(self) -> int:
        """How many items it has taken in that no books know of yet."""
        if isinstance(self.feed, SourceFeed):
            return int(self.gate.has_first)
        return self.feed.edge.taken - sum(self.runs[0].counted.kept) if isinstance(self.feed, EdgeFeed) else 0

    @property
    def works_on(self) -> set[str]:
        """The names of stages, sources and sinks that are at an item by now, as far as that can be seen."""
        found = set()
        for run in (*self.runs, *self._lane_runs):
            match run.at():
                case StepPart(stage=stage):
                    found.add(stage.name)
                case OutPart(writers=writers):
                    found |= {writer.name for writer in writers}
        return found

    def _at_work(self) -> tuple[str, int | None]:
        """Return the stage that an item is at, for what its code says back; items have no numbers here."""
        for run in (*self.runs, *self._lane_runs):
            if isinstance(part := run.at(), StepPart):
                return part.stage.name, None
        return "", None

    @property
    def came(self) -> int:
        """How many items it has done."""
        return self.runs[0].came + sum(run.came for run in self._lane_runs)

    def left(self) -> dict[str, int]:
        """Return by edge how many items lie before it, or were taken and not worked on."""
        if isinstance(self.feed, ParallelFeed):
            return self.feed.left()
        if not isinstance(self.feed, EdgeFeed):
            return {}
        edge = self.feed.edge
        return {self.feed.name: len(edge) + edge.taken - self.runs[0].counted.came}

    # What may be wanted of it from outside

    def live_on(self, host: Host) -> None:
        """Be woken by what a host has; to be called before it begins."""
        self.standstill.event = host.event()
        if isinstance(self.feed, BufferFeed):
            self.feed.live_on(self.standstill.event, host)

    def hold(self) -> None:
        """Take nothing more in until released; what comes meanwhile waits. From any thread."""
        if not self.gate.is_shut:
            self.gate.shut()
            for pausing in (self.pauses.asked, *self._generators.pausings):
                pausing.append(True)
            self.standstill.wake()

    def release(self) -> None:
        """Go on. From any thread."""
        if self.gate.is_shut:
            self.gate.open()

    def stop_reading(self) -> None:
        """Read nothing more from its source, if it has one; the rest comes through."""
        if not isinstance(self.feed, SourceFeed):
            return
        self.feed.stop()
        self.pauses.ask()
        self.standstill.event.set()
        self._on_loop(self._cancel_waiting)

    def halt(self) -> None:
        """Work on nothing more."""
        self.gate.halt()
        if isinstance(self.feed, BufferFeed):
            self.feed.is_halted = True
        self.stop_reading()
        if isinstance(self.feed, ParallelFeed):
            self.feed.halt()
        self.pauses.ask()
        self.standstill.event.set()
        if self.task is not None:
            self._on_loop(self.task.cancel)

    def beat(self) -> bool:
        """Have the books kept; by the caller, if it waits for its next item since the last time.

        Returns
        -------
        bool
            Whether it waits: there was nothing to put in the books, and its next item will be put there at once.
        """
        if self._ticks and not self.is_async:
            self.standstill.event.set()  # whoever waits for an item looks whether something is due
        asked = [pausing for pausing in (self.pauses.asked, *reversed(self._generators.pausings)) if not pausing]
        if not asked:
            return not self.books.put()
        for pausing in asked:
            pausing.append(True)
        return False

    def _on_loop(self, call: Callable[[], Any]) -> None:
        if self.loop is not None:
            call_on(self.loop, call)

    def _cancel_waiting(self) -> None:
        if isinstance(self.feed, SourceFeed) and self.feed.waiting is not None:
            self.feed.waiting.cancel()

    # As a thread

    def live(self) -> None:
        """Work until the feed has ended; keep what went wrong."""
        self.gate.ident = threading.get_ident()
        AT_WORK.set(self._at_work)
        try:
            self._work.work(self.standstill.event)
        except GivenUpError:
            pass  # somebody halts
        except PenstockError as error:
            self.trouble = error
        except Exception as error:  # noqa: BLE001 - whatever is wrong here must end the run and not this thread alone
            self.trouble = StageFailedError(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            self._guarded(self.feed.close)
            for end in self.ends:
                self._guarded(end.end)
            self._leave()
        if self.trouble is not None:
            self.on_trouble(self.trouble)
        self._discard()

    def _discard(self) -> None:
        """Take what still comes, so that nobody waits for room; it is counted as left."""
        while isinstance(self.feed, EdgeFeed | ParallelFeed) and not self._has_all():
            if self.gate.is_halted:
                return
            self.feed.edge.take_waiting(self.standstill.event)

    # As a task

    async def live_awaiting(self) -> None:
        """Do as ``live`` on an event loop."""
        AT_WORK.set(self._at_work)
        ticking = asyncio.ensure_future(self._tick()) if self._ticks else None
        try:
            await (self._chunk_work or self._work).work_awaiting()
        except asyncio.CancelledError:
            if not self.gate.is_halted:
                raise
        except GivenUpError:
            pass  # somebody halts
        except PenstockError as error:
            self.trouble = error
        except Exception as error:  # noqa: BLE001 - as above
            self.trouble = StageFailedError(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            if ticking is not None:
                ticking.cancel()
            for closing in (self.feed.close_awaiting, *(end.end_awaiting for end in self.ends)):
                try:
                    await closing()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told, and the rest is closed
                    self._note_closing(error)
            self._leave()
        if self.trouble is not None:
            self.on_trouble(self.trouble)
        while isinstance(self.feed, EdgeFeed | ParallelFeed) and not self._has_all():
            await self.feed.edge.take_awaiting()

    async def _tick(self) -> None:
        """Tick beside the items of the event loop."""
        try:
            await self._ticks.tick_for_ever()
        except PenstockError as error:
            self.on_trouble(error)

    # Both

    def _has_all(self) -> bool:
        assert isinstance(self.feed, EdgeFeed | ParallelFeed), "only an edge ends"
        return self.feed.edge.has_ended and not self.feed.edge.items

    def _leave(self) -> None:
        """Let everybody behind it know that nothing more comes."""
        for run in self.runs:
            for part in run.parts:
                self._close_step(part)
        for maker in self._makers:
            self._close_step(maker)
        self.books.keep()
        for maker in self._makers:
            maker.stage.release()
        for edge in self._edges:
            edge.leave()
        self.is_over = True

    def _close_step(self, part: Part) -> None:
        if isinstance(part, StepPart) and part.step.hooks.close is not None and part.closes:
            self._guarded(part.step.hooks.close)

    def _guarded(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told, and the rest is closed
            self._note_closing(error)

    def _note_closing(self, error: BaseException) -> None:
        if self.trouble is None:
            self.trouble = StageFailedError(f"{self.name} could not be closed: {type(error).__name__}: {error}")


def _runs_of(parts: Sequence[Part], *, is_async: bool) -> tuple[list[Run], list[StepPart]]:
    """Return the runs of parts between generators, one more than there are generators, and the generators."""
    runs: list[Run] = []
    makers: list[StepPart] = []
    piece: list[Part] = []
    for part in parts:
        if isinstance(part, StepPart) and part.shape.takes_upstream:
            runs.append(Run(piece, is_async=is_async, yields=True))
            makers.append(part)
            piece = []
        else:
            piece.append(part)
    return [*runs, Run(piece, is_async=is_async)], makers
