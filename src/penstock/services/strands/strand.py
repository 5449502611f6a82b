"""A strand: a feed, and all that is done with its items without a queue between.

It is either a thread of its own, or a task on the event loop that all async strands share; both do the same.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from operator import length_hint
from time import perf_counter_ns
from typing import Any, Final

from penstock.core import NS_PER_S, Account
from penstock.elements import clock
from penstock.elements.step import Step
from penstock.errors import PenstockError
from penstock.monitor.feedback import AT_WORK
from penstock.services.crew import Crew
from penstock.services.strands.edge import MOST_AT_ONCE, Edge, waker
from penstock.services.strands.feed import BufferFeed, EdgeFeed, Feed, SourceFeed
from penstock.services.strands.gate import Gate, GivenUpError
from penstock.services.strands.host import Host
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.on_loop import call_on
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import MarkPart, OutPart, Part, StepPart, Writer
from penstock.services.strands.run import FILE, Pause, Run, StageFailedError, said_of
from penstock.services.strands.stage import Stage

__all__ = ["SourceFailedError", "Strand"]

UNBOUNDED: Final = 1 << 62
"""Items of one turn of a loop that only a pause ends."""
_UNSEEN: Final = object()


class SourceFailedError(PenstockError):
    """A source of plain values raised."""


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
    """

    name: str
    feed: Feed | ParallelFeed
    parts: list[Part]
    is_async: bool = False
    ends: list[BufferFeed] = field(default_factory=list)
    lanes: list[OutPart] = field(default_factory=list)

    pausing: list[bool] = field(default_factory=list)
    """Filled by whoever wants the books to be kept now, or the feed to stop."""
    books: threading.Lock = field(default_factory=threading.Lock)
    """Held while the books are kept."""
    event: threading.Event = field(default_factory=threading.Event)
    """Wakes the thread."""
    is_halted: bool = False
    """Whether nothing more is to be worked on."""
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
    on_news: Callable[[], None] = field(default=lambda: None)
    """Told, in its own thread, when it has put something in the books."""

    def __post_init__(self) -> None:
        self._runs: list[Run] = []
        self._makers: list[StepPart] = []
        piece: list[Part] = []
        for part in self.parts:
            if isinstance(part, StepPart) and part.shape.takes_upstream:
                self._runs.append(Run(piece, is_async=self.is_async, yields=True))
                self._makers.append(part)
                piece = []
            else:
                piece.append(part)
        self._last = Run(piece, is_async=self.is_async)
        self._taken_when_made = [0] * len(self._makers)
        """How many items each generator's place had taken when it was last made."""
        self._edges: Sequence[Edge] = [edge for part in self.parts if isinstance(part, OutPart) for edge in part.edges]
        self._bounds = [edge for edge in self._edges if edge.when_full == "block"]
        self._lane_runs = [Run([part], is_async=self.is_async) for part in self.lanes]
        # Whether they have room is seen to by the feed, as a full lane stops no other.
        self._edges = [*self._edges, *(edge for part in self.lanes for edge in part.edges)]
        for edge in self._edges:
            edge.join()
        self._ups: list[Any] = []
        self._pausings: list[list[bool]] = [[] for _ in self._runs]
        """As ``pausing``, before each generator."""
        self._is_sample_due = True
        """Whether the next item is timed: the first, and the one after each pause."""
        self.is_parked = False
        """Whether it stands still because it is held, with nothing in its hands that may lie on an edge."""
        self.on_parked: Callable[[], None] = lambda: None
        """Told, in its own thread, when that has become so."""
        self._crews = _crews_of(self.parts)
        self._together = _together(self.parts)
        self._only_edge = _only_edge(self.parts)
        # Of an edge it is seen by its books how long items stay on it.
        self._keeps_often = bool(self._edges) or isinstance(self.feed, EdgeFeed)
        self._laned: LanedEdge | None = None
        if isinstance(self.feed, EdgeFeed) and isinstance(self.feed.edge, LanedEdge):
            self._laned = self.feed.edge
            self._laned.on_urgent = partial(self.pausing.append, True)
        if isinstance(self.feed, ParallelFeed):
            self.feed.pause = partial(self.pausing.append, True)
        self._write_ready = None if self._laned is not None else _ready_writer(self.parts)
        self.gate = self._gated()

    def _gated(self) -> Gate:
        """Put one gate wherever items may come while they are to wait, so that none is asked for one by one."""
        gate = Gate(self._wait_once, self._wake, is_of_feed=not self._makers)
        for run in self._runs:
            run.gate = gate
        self.runs[0].is_first = True
        self.feed.gate = gate
        # What lies on an edge stays there, and a parallel stage looks for itself; what a generator gives waits here.
        if self._makers or not isinstance(self.feed, EdgeFeed | ParallelFeed):
            self._last.loop_gate = gate
        return gate

    # What may be asked of it from outside

    @property
    def runs(self) -> list[Run]:
        """All its runs of parts, in the order of the flow."""
        return [*self._runs, self._last]

    def hold(self) -> None:
        """Take nothing more in until released; what comes meanwhile waits. From any thread."""
        if not self.gate.is_shut:
            self.gate.shut()
            for pausing in (self.pausing, *self._pausings):
                pausing.append(True)
            self._wake()

    def release(self) -> None:
        """Go on. From any thread."""
        if self.gate.is_shut:
            self.gate.open()

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

    def _wake(self) -> None:
        self.event.set()
        if isinstance(self.feed, ParallelFeed):
            self.feed.wake()

    def _wait_once(self) -> None:
        """Wait in this thread while it is held, perhaps less."""
        if isinstance(self.feed, ParallelFeed):
            self.feed.wait_held()  # workers are heard meanwhile
            return
        if isinstance(self.feed, EdgeFeed):
            self.feed.put_back()
        self._park(is_parked=True)
        self.event.clear()
        if self.gate.is_shut and not self.is_halted:
            self.event.wait()
        self._park(is_parked=False)

    def _park(self, *, is_parked: bool) -> None:
        self.is_parked = is_parked
        if is_parked:
            self.on_parked()

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

    def live_on(self, host: Host) -> None:
        """Be woken by what a host has; to be called before it begins."""
        self.event = host.event()
        if isinstance(self.feed, BufferFeed):
            self.feed.live_on(self.event, host)

    def stop_reading(self) -> None:
        """Read nothing more from its source, if it has one; the rest comes through."""
        if not isinstance(self.feed, SourceFeed):
            return
        self.feed.stop()
        self.pausing.append(True)
        self.event.set()
        self._on_loop(self._cancel_waiting)

    def halt(self) -> None:
        """Work on nothing more."""
        self.is_halted = True
        self.gate.halt()
        if isinstance(self.feed, BufferFeed):
            self.feed.is_halted = True
        self.stop_reading()
        if isinstance(self.feed, ParallelFeed):
            self.feed.halt()
        self.pausing.append(True)
        self.event.set()
        if self.task is not None:
            self._on_loop(self.task.cancel)

    def beat(self) -> bool:
        """Have the books kept; by the caller, if it waits for its next item since the last time.

        Returns
        -------
        bool
            Whether it waits: there was nothing to put in the books, and its next item will be put there at once.
        """
        if self._crews and not self.is_async:
            self.event.set()  # whoever waits for an item looks whether something is due
        asked = [pausing for pausing in (self.pausing, *reversed(self._pausings)) if not pausing]
        if not asked:
            return not self._put_in_books()
        for pausing in asked:
            pausing.append(True)
        return False

    def _on_loop(self, call: Callable[[], Any]) -> None:
        if self.loop is not None:
            call_on(self.loop, call)

    def _cancel_waiting(self) -> None:
        if isinstance(self.feed, SourceFeed) and self.feed.waiting is not None:
            self.feed.waiting.cancel()

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

    def _is_held(self) -> bool:
        return self.gate.is_shut

    # As a thread

    def live(self) -> None:
        """Work until the feed has ended; keep what went wrong."""
        self.gate.ident = threading.get_ident()
        AT_WORK.set(self._at_work)
        try:
            if isinstance(self.feed, EdgeFeed) and not self._makers:
                self._work_from_edge(self.feed.edge)
            elif isinstance(self.feed, ParallelFeed) and self.lanes:
                self._work_by_lanes(self.feed)
            else:
                self._work_from_items()
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
            if self.is_halted:
                return
            self.feed.edge.take_waiting(self.event)

    def _has_all(self) -> bool:
        assert isinstance(self.feed, EdgeFeed | ParallelFeed), "only an edge ends"
        return self.feed.edge.has_ended and not self.feed.edge.items

    def _work_by_lanes(self, feed: ParallelFeed) -> None:
        for lane, items in feed.pieces():
            self._lane_runs[lane].work(items, self.pausing)
            self._end_pause()

    def _work_from_edge(self, edge: Edge | LanedEdge) -> None:
        while not self.is_halted:
            if self._is_held():
                self._wait_once()
                self.tick()
                continue
            items = edge.take_waiting(self.event)
            if items:
                self._work_list(items)
            elif edge.has_ended and not edge.items:
                return
            self.tick()

    def _write_together(self, writer: Writer, items: list[Any]) -> None:
        """Give items to a sink that takes many at once, and has nothing before it."""
        counted = self._last.counted
        try:
            assert writer.write_all is not None, "it takes many at once"
            writer.write_all(items)
        except (Exception, SystemExit) as error:  # a sink may be user code
            counted.failed[0] += len(items)
            raise StageFailedError(f"{writer.name}: {said_of(error)}") from error
        finally:
            self._end_pause()
        counted.cells[0] += len(items)
        self.keep_books()

    def _work_list(self, items: list[Any]) -> None:
        if self._together is not None:
            self._write_together(self._together, items)
            return
        if self._write_ready is not None and not (self._is_sample_due or self._is_held()):
            items = self._without_written(self._write_ready, items)
        left = iter(items)
        while (count := length_hint(left)) and not self.is_halted and not self._is_overtaken(left):
            if self._is_held():
                self._put_back(left)
                return
            room = min(count, self._wait_for_room())
            if room <= 0:
                continue
            if self._is_sample_due:
                self._is_sample_due = False
                self._last.one(next(left))
                room -= 1
            if not self._is_urgent:
                self._last.work(islice(left, room), self.pausing)
            self._end_pause()

    def _without_written(self, write_ready: Callable[[Sequence[Any]], int], items: list[Any]) -> list[Any]:
        """Give items to a sink that takes many while it need not wait, and has nothing before it; return the rest."""
        try:
            done = write_ready(items)
        except (Exception, SystemExit) as error:  # a sink may be user code
            raise StageFailedError(f"{self.name}: {said_of(error)}") from error
        self._last.counted.cells[0] += done
        if done == len(items):
            self._end_pause()
        return items[done:]

    @property
    def _is_urgent(self) -> bool:
        """Whether something more urgent has come than what it works on."""
        return self._laned is not None and self._laned.is_overtaken

    def _is_overtaken(self, left: Iterator[Any]) -> bool:
        """Whether something more urgent has come, so that what is left was put back."""
        if self._laned is None or not self._is_urgent:
            return False
        self._laned.put_back(list(left))
        return True

    def _put_back(self, left: Iterator[Any]) -> None:
        assert isinstance(self.feed, EdgeFeed), "what came from elsewhere cannot go back"
        self.feed.edge.put_back(list(left))

    def _work_from_items(self) -> None:
        items = self.feed.items(self.event)
        if isinstance(self.feed, SourceFeed) and self._makers:
            # A generator that lets nothing pass never comes back here.
            items = _until_stopped(items, self.feed)
        self._make_ups(items)
        while not self._is_stopped():
            if self._is_held():
                self._wait_once()
                self.tick()
                continue
            room = self._wait_for_room()
            if room <= 0:
                continue
            try:
                if self._work_some(room):
                    return
            except (StageFailedError, GivenUpError):
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                self._begin_again(error)
            finally:
                self._end_pause()

    def _work_some(self, most: int) -> bool:
        """Work on some items; return whether there will be no more."""
        items, counted = self._ups[-1], self._last.counted
        if self._is_sample_due:
            self._begin_sample()
            item = next(items, _UNSEEN)
            self._end_sample(len(self._makers) - 1)
            if item is _UNSEEN:
                return True
            if self._is_held() and self._last.loop_gate is not None:
                self.gate.pass_item(is_first=not self._makers)
            self._last.one(item)
            if most < UNBOUNDED:
                most -= 1
            if self.pausing or not most:
                return False
        if most >= UNBOUNDED:
            self._last.work(items, self.pausing)
            return not self.pausing
        before = counted.came
        self._last.work(islice(items, most), self.pausing)
        return counted.came - before < most and not self.pausing

    def _wait_for_room(self) -> int:
        """Return how many items may be worked on now, waiting in this thread until there is room."""
        room = self._room()
        if room <= 0:
            self.event.clear()
            full = [edge for edge in self._bounds if edge.room <= 0]
            if full and full[0].when_room(self.event.set) and not self.is_halted:
                self.event.wait()
            room = self._room()
        return room

    def _room(self) -> int:
        return min((edge.room for edge in self._bounds), default=UNBOUNDED)

    def _make_ups(self, items: Any) -> None:
        """Put the generators one behind the other, and keep every iterator between them."""
        self._ups = [items]
        up = items
        for run, maker in zip(self._runs, self._makers, strict=True):
            up = self._put_behind(run, maker, up)

    def _put_behind(self, run: Run, maker: StepPart, up: Any) -> Any:
        made_of = run.segment_async if self.is_async else run.segment
        k = self._runs.index(run)
        pause = Pause(partial(self._pause, k), partial(self._give, k), partial(self._end_sample, k))
        segment = made_of(up, self._pausings[k], pause)
        self._ups.append(segment)
        made = self._made(maker, segment)
        self._ups.append(made)
        return made

    def _made(self, maker: StepPart, segment: Any) -> Any:
        """Return what a generator of the user's gives."""
        try:
            return iter(maker.target(segment)) if not self.is_async else aiter(maker.target(segment))
        except (Exception, SystemExit) as error:  # user code may raise anything
            maker.stage.note(maker.name, None, error)
            text = f"stage {maker.stage.name}: {maker.name} could not begin: {type(error).__name__}: {error}"
            raise StageFailedError(text) from error

    def _begin_again(self, error: BaseException) -> None:
        """Make the generator that raised anew, with all behind it, if its stage goes on after an error.

        Raises
        ------
        SourceFailedError
            If it was the source.
        StageFailedError
            If the stage does not go on.
        """
        at = self._culprit(error)
        if at < 0:
            raise SourceFailedError(f"source {self.feed.name}: {said_of(error)}") from error
        maker = self._makers[at]
        self.keep_books()
        maker.failed += 1
        maker.since_ns = 0
        failure = maker.stage.note(maker.name, None, error)
        if maker.counts_for_stage:
            maker.stage.give_up_held()
        if maker.stage.plan.on_error == "fail":
            raise StageFailedError(f"stage {maker.stage.name}: {failure.cause}") from error
        taken = self._runs[at].counted.cells[0]
        if taken == self._taken_when_made[at]:
            # Made anew it would raise again, for ever: as one that does so when nothing more comes.
            text = f"stage {maker.stage.name}: {failure.cause}; it had taken nothing since it was made"
            raise StageFailedError(text) from error
        self._taken_when_made[at] = taken
        # Its own loop over what comes before it still lives: nothing was raised there.
        before = self._ups[1 + 2 * at]
        del self._ups[2 + 2 * at :]
        up = self._made(maker, before)
        self._ups.append(up)
        for run, later in zip(self._runs[at + 1 :], self._makers[at + 1 :], strict=True):
            up = self._put_behind(run, later, up)

    def _culprit(self, error: BaseException) -> int:
        """Return which generator raised, −1 for the source: the one that gives to the innermost of our loops."""
        innermost, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == FILE:
                innermost = trace.tb_frame
            trace = trace.tb_next
        if innermost is None or innermost.f_code.co_name != "segment":
            return len(self._makers) - 1
        items = innermost.f_locals["items"]
        ups = self._ups[0::2]
        return next((k for k, up in enumerate(ups) if up is items), 0) - 1

    # As a task

    async def live_awaiting(self) -> None:
        """Do as ``live`` on an event loop."""
        AT_WORK.set(self._at_work)
        ticking = asyncio.ensure_future(self._tick_awaiting()) if self._crews else None
        try:
            await self._work_awaiting()
        except asyncio.CancelledError:
            if not self.is_halted:
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

    async def _work_awaiting(self) -> None:
        if isinstance(self.feed, EdgeFeed) and not self._makers:
            await self._await_edge(self.feed.edge)
        elif isinstance(self.feed, ParallelFeed) and self.lanes:
            async for lane, items in self.feed.pieces_awaiting():
                await self._lane_runs[lane].work_awaiting(items, self.pausing)
                self._end_pause()
        elif isinstance(self.feed, SourceFeed) and self.feed.gives_chunks and not self._makers:
            await self._await_chunks(self.feed)
        else:
            await self._await_items()

    async def _await_chunks(self, feed: SourceFeed) -> None:
        """Work on what a source gives many at once: no coroutine is gone through for each item."""
        chunks = feed.chunks_awaiting()
        while not self.is_halted:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except (Exception, SystemExit) as error:  # user code may raise anything
                raise SourceFailedError(f"source {feed.name}: {said_of(error)}") from error
            left = iter(chunk if type(chunk) is list else list(chunk))
            while (count := length_hint(left)) and not self.is_halted:
                if self._is_held():
                    await self.gate.pass_awaiting()  # with one of them in its hand, as any source that is held
                    continue
                room = min(count, await self._await_room())
                if room <= 0:
                    continue
                if self._is_sample_due:
                    self._is_sample_due = False
                    await self._last.one_awaiting(next(left))
                    room -= 1
                if self._only_edge is None:
                    await self._last.work_awaiting(islice(left, room), self.pausing)
                else:
                    self._only_edge.put_all(list(islice(left, room)))
                    self._last.counted.cells[0] += room
                self._end_pause()
            await asyncio.sleep(0)

    async def _await_edge(self, edge: Edge | LanedEdge) -> None:
        while not self.is_halted:
            if self._is_held():
                await self._await_once()
                continue
            items = await edge.take_awaiting()
            if not items and edge.has_ended and not edge.items:
                return
            left = iter(items)
            while (count := length_hint(left)) and not self.is_halted:
                if self._is_overtaken(left):
                    break
                if self._is_held():
                    self._put_back(left)
                    break
                room = min(count, await self._await_room())
                if room <= 0:
                    continue
                if self._is_sample_due:
                    self._is_sample_due = False
                    await self._last.one_awaiting(next(left))
                    room -= 1
                if not self._is_urgent:
                    await self._last.work_awaiting(islice(left, room), self.pausing)
                self._end_pause()
            await asyncio.sleep(0)

    async def _await_items(self) -> None:
        self._make_ups(self.feed.items_awaiting())
        while not self._is_stopped():
            if self._is_held():
                await self._await_once()
                continue
            room = await self._await_room()
            if room <= 0:
                continue
            try:
                if await self._await_some(self._ups[-1], min(room, MOST_AT_ONCE)):
                    return
            except (StageFailedError, GivenUpError):
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                self._begin_again(error)
            finally:
                self._end_pause()
            await asyncio.sleep(0)

    async def _await_once(self) -> None:
        """Do as ``_wait_once`` on an event loop."""
        if isinstance(self.feed, ParallelFeed):
            await self.feed.wait_held_awaiting()
            return
        if isinstance(self.feed, EdgeFeed):
            self.feed.put_back()
        self._park(is_parked=True)
        await self.gate.opened()
        self._park(is_parked=False)

    async def _await_some(self, items: AsyncIterator[Any], most: int) -> bool:
        counted = self._last.counted
        if self._is_sample_due:
            self._begin_sample()
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return True
            self._end_sample(len(self._makers) - 1)
            await self._last.one_awaiting(item)
            most -= 1
            if self.pausing or not most:
                return False
        before = counted.cells[0]
        await self._last.work_async(items, self.pausing, most)
        return counted.cells[0] - before < most and not self.pausing

    async def _await_room(self) -> int:
        room = self._room()
        if room <= 0:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            full = [edge for edge in self._bounds if edge.room <= 0]
            if full and full[0].when_room(waker(loop, future)):
                await future
            room = self._room()
        return room

    # Both

    def _is_stopped(self) -> bool:
        if self.is_halted:
            return True
        # With generators, and on a loop, a source that is stopped ends what it gives, so that they bring out the rest.
        is_plain = isinstance(self.feed, SourceFeed) and not self._makers and not self.is_async
        return is_plain and self.feed.stopping.is_set()  # type: ignore[union-attr]  # only a source is plain

    def _pause(self, k: int) -> None:
        """Keep the books between two items, the second of which goes to a generator."""
        self._end_sample(k - 1)
        self._pausings[k].clear()
        self.keep_books()
        self.on_news()  # of the item that comes now

    def _end_pause(self) -> None:
        """Keep the books if that was asked for, or is due anyway; the next item is timed."""
        self.tick()
        if self.pausing:
            self._is_sample_due = True
            self.pausing.clear()
        elif not self._keeps_often:
            return
        self.keep_books()

    def tick(self) -> None:
        """Call the ticks that are due.

        Raises
        ------
        UserCodeError
            If one raised.
        """
        if self._crews:
            now, utc = clock.monotonic_ns(), clock.utc_ns()
            for crew in self._crews:
                crew.tick(now, utc)

    async def _tick_awaiting(self) -> None:
        """Do as ``tick`` whenever something is due, beside the items of an event loop."""
        try:
            while True:
                now = clock.monotonic_ns()
                due = [crew.next_tick_ns(now) for crew in self._crews]
                await asyncio.sleep(max(0.0, (min(ns for ns in due if ns is not None) - now) / NS_PER_S))
                self.tick()
        except PenstockError as error:
            self.on_trouble(error)

    def _begin_sample(self) -> None:
        """Have generators timed, too: of one that gives to us it is seen when it does."""
        self._is_sample_due = False
        if self._makers:
            self._makers[-1].since_ns = 0
            for pausing in self._pausings:
                pausing.append(True)

    def _give(self, k: int) -> None:
        """Note that a generator is given an item now."""
        maker = self._makers[k]
        maker.given = self._behind(k).came
        maker.since_ns = perf_counter_ns()

    def _end_sample(self, k: int) -> None:
        """Note that a generator gives an item, or asks for another.

        If it has given one before, what was done with that took its part of the time; then nothing is noted.
        """
        maker = self._makers[k] if k >= 0 else None
        if maker is None or not maker.since_ns:
            return
        took_ns, maker.since_ns = perf_counter_ns() - maker.since_ns, 0
        if self._behind(k).came == maker.given:
            maker.sample(took_ns)

    def _behind(self, k: int) -> Run:
        """Return the parts that a generator gives to."""
        return self.runs[k + 1]

    def keep_books(self) -> None:
        """Account for what was worked on since the last time."""
        if self._put_in_books():
            self.on_news()

    def _put_in_books(self) -> bool:
        now = perf_counter_ns()
        is_news = False
        runs = [*self.runs, *self._lane_runs]
        makers = [*self._makers, None, *(None for _ in self._lane_runs)]
        with self.books:
            for run, maker in zip(runs, makers, strict=True):
                came, given = _keep_run(run, now)
                is_news = is_news or came > 0
                if run is runs[0]:
                    self._count_taken(came, now)
                if maker is not None:
                    maker.arrived += given
        return is_news

    def _count_taken(self, count: int, now: int) -> None:
        if isinstance(self.feed, SourceFeed):
            self.feed.count(count)
        elif isinstance(self.feed, EdgeFeed):
            self.feed.edge.worked_on(count, now)

    def _leave(self) -> None:
        """Let everybody behind it know that nothing more comes."""
        for run in self.runs:
            for part in run.parts:
                self._close_step(part)
        for maker in self._makers:
            self._close_step(maker)
        self.keep_books()
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


def _crews_of(parts: Sequence[Part]) -> list[Crew]:
    """Return by stage who wants to be called now and then."""
    steps: dict[str, list[Step]] = {}
    for part in parts:
        if isinstance(part, StepPart) and part.closes and part.step.tick_s:
            steps.setdefault(part.stage.name, []).append(part.step)
    return [Crew(stage, found) for stage, found in steps.items()]


def _together(parts: Sequence[Part]) -> Writer | None:
    """Return the sink that all there is to be done is to write to, if it takes many items at once."""
    if len(parts) == 1 and isinstance(parts[0], OutPart) and len(parts[0].writers) == 1 and not parts[0].edges:
        writer = parts[0].writers[0]
        return writer if writer.write_all is not None else None
    return None


def _ready_writer(parts: Sequence[Part]) -> Callable[[Sequence[Any]], int] | None:
    """Return how many items at once are written, if that is all there is to be done."""
    if len(parts) == 1 and isinstance(parts[0], OutPart) and len(parts[0].writers) == 1 and not parts[0].is_shared:
        return parts[0].writers[0].write_ready
    return None


def _only_edge(parts: Sequence[Part]) -> Edge | None:
    """Return the edge that all there is to be done is to put items on, if there is none else and it blocks."""
    if len(parts) == 1 and isinstance(parts[0], OutPart) and not parts[0].is_shared and parts[0].edges:
        (edge,) = parts[0].edges
        return edge if edge.when_full == "block" else None
    return None


def _until_stopped(items: Iterator[Any], feed: SourceFeed) -> Iterator[Any]:
    for item in items:
        yield item
        if feed.stopping.is_set():
            return


def _keep_run(run: Run, now: int) -> tuple[int, int]:
    """Account for what a run of parts has worked on; return how many came, and how many came out."""
    (through, *filtered_by), failed_by = run.news()
    came = count = through + sum(filtered_by) + sum(failed_by)
    if not came:
        return 0, 0
    for part, filtered, gone in zip(run.parts, filtered_by, failed_by, strict=True):
        match part:
            case MarkPart():
                _count_mark(part, count)
            case OutPart():
                _count_out(part, count, gone, now)
            case StepPart():
                part.arrived += count
                part.filtered += filtered
                part.failed += gone
                if part.counts_for_stage:
                    part.stage.post(Account.FILTERED, filtered)
                    part.stage.post(part.stage.account, gone)
                count -= filtered + gone
    return came, count


def _count_mark(part: MarkPart, count: int) -> None:
    if part.kind == "in":
        part.stage.arrive(count)
    elif part.kind == "done":
        part.stage.post(Account.DONE, count)
    else:
        part.stage.hold(count)


def _count_out(part: OutPart, count: int, gone: int, now: int) -> None:
    for edge in part.edges:
        edge.mark(count, now)
    for writer in part.writers:
        writer.entry.arrive(count)
        writer.entry.post(Account.FAILED, gone)
        others, writer.not_done = writer.not_done, {}
        for account, number in others.items():
            writer.entry.post(account, number)
        writer.entry.post(Account.DONE, count - gone - sum(others.values()))
    for entry in part.merged:
        entry.arrive(count)
        entry.post(Account.DONE, count)
