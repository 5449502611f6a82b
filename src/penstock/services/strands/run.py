"""A run of parts between two generators, compiled into one function: no frame, no list and no test an item more.

What is compiled takes items through all parts; where a step raises, or time is taken, the same is done part by part.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from itertools import compress, repeat
from operator import length_hint
from time import perf_counter_ns
from types import FrameType
from typing import Any, Final, NamedTuple

from penstock.elements.shape import StepShape
from penstock.errors import PenstockError
from penstock.services.sharing import PLAIN, share
from penstock.services.strands.gate import Gate, GivenUpError
from penstock.services.strands.parts import Counted, MarkPart, OutPart, Part, StepPart
from penstock.services.strands.stage import shortened

__all__ = ["Pause", "Run", "StageFailedError", "said_of"]

FILE: Final = "<a chain of steps>"
"""Of compiled code, in tracebacks."""
MANY: Final = 1 << 62
"""More items than will ever come."""

Pausing = list[bool]
"""Empty, or not: then a loop comes back after its item."""


class StageFailedError(PenstockError):
    """A step raised, and the run is to fail; or a sink could not be written."""


class Pause(NamedTuple):
    """What is done when the books are to be kept between two items that go to a generator."""

    keep: Callable[[], None]
    """Keep them."""
    give: Callable[[], None]
    """Called before the generator gets the next item."""
    back: Callable[[], None]
    """Called when it asks for another."""


class Run:
    """Parts that are gone through without a pause.

    Parameters
    ----------
    parts
        Steps that are called item by item, and ways out.
    is_async
        Whether it runs on an event loop.
    yields
        Whether what comes out goes on to a generator.
    """

    def __init__(self, parts: Sequence[Part], *, is_async: bool, yields: bool = False) -> None:
        self.parts = parts
        self.is_async = is_async
        n = len(parts)
        self.counted = Counted([0] * (n + 1), [0] * n, [0] * (2 * n + 1))
        self._at: dict[int, int] = {}
        self._busy: set[int] = set()
        """Lines of compiled code where an item is under way."""
        text = _source_text(parts, self._at, self._busy, is_async=is_async, yields=yields)
        names = {
            "__name__": f"{__name__}.compiled", "PLAIN": PLAIN, "share": share, "length_hint": length_hint,
            "MANY": MANY, "GivenUpError": GivenUpError,
        }  # fmt: skip
        exec(compile(text, FILE, "exec"), names)  # made here, of numbers and fixed words; no name or value of a user's
        self._loop: Callable[..., Any] = names["segment" if yields else "loop"]  # type: ignore[assignment]
        self._loop_async: Callable[..., Any] = names.get("loop_async")  # type: ignore[assignment]
        self._running: Any = None
        self._part: Part | None = None
        """That which the item is at that is gone through part by part."""
        self.is_first = False
        """Whether items come to it from a feed."""
        self.gate: Gate | None = None
        """Where an item waits that is gone through part by part, once there is one."""
        self.loop_gate: Gate | None = None
        """Where items of ``work`` wait before anything is done with them, once there is one."""

    def calls(self) -> list[Callable[..., Any]]:
        """Return what is called by now, in the order in which compiled code names it."""
        found: list[Callable[..., Any]] = []
        for part in self.parts:
            if isinstance(part, StepPart):
                found.append(part.target)
            elif isinstance(part, OutPart):
                for edge in part.edges:
                    found += [edge.put, edge]  # type: ignore[list-item]  # the edge is looked at, not called
                found += [writer.write for writer in part.writers]
        return found

    # The fast way

    def work(self, items: Iterable[Any], pausing: Pausing) -> None:
        """Take items through all parts, until they end or somebody asks for a pause.

        Raises
        ------
        StageFailedError
            If a step raised and the run is to fail; whatever else is raised is the iterator's.
        """
        # What has come is counted in C, by what `repeat` has left: 2 ns an item. To count it in the loop took 13.
        left: Any = repeat(True if self.loop_gate is None else self.loop_gate, MANY)
        self._running = self._loop(compress(items, left), left, self.counted.cells, pausing, self.handle, *self.calls())
        next(self._running, None)

    def work_awaiting(self, items: Iterable[Any], pausing: Pausing) -> Awaitable[None]:
        """Do as ``work`` on an event loop."""
        self._running = self._loop(items, self.counted.cells, pausing, self.handle_awaiting, *self.calls())
        return self._running  # type: ignore[no-any-return]  # a coroutine

    def work_async(self, items: AsyncIterator[Any], pausing: Pausing, most: int) -> Awaitable[None]:
        """Do as ``work_awaiting`` for at most so many items of an async iterator."""
        self._running = self._loop_async(items, self.counted.cells, pausing, self.handle_awaiting, most, *self.calls())
        return self._running  # type: ignore[no-any-return]  # a coroutine

    def segment(self, items: Iterable[Any], pausing: Pausing, pause: Pause) -> Iterator[Any]:
        """Yield what comes out of the parts.

        Parameters
        ----------
        pause
            Called between items when somebody asks for a pause, since whoever takes what is yielded may never come
            back; the next item is timed then.
        """
        found: Iterator[Any] = self._loop(
            items, self.counted.cells, pausing, *pause, self.one, self.handle, *self.calls()
        )
        return found

    def segment_async(self, items: AsyncIterator[Any], pausing: Pausing, pause: Pause) -> AsyncIterator[Any]:
        """Do as ``segment`` on an event loop."""
        found: AsyncIterator[Any] = self._loop(
            items, self.counted.cells, pausing, *pause, self.one_awaiting, self.handle_awaiting, *self.calls()
        )
        return found

    @property
    def came(self) -> int:
        """How many have come by now and are no longer under way, one that a loop works on included."""
        return self.counted.came + sum(self._counted_by_loop())

    def news(self) -> tuple[list[int], list[int]]:
        """Return what ``cells`` and ``failed`` have grown by since the last time.

        A loop may still be under way, waiting for its next item; what it has counted is looked up in its frame, which
        costs nothing while it runs.
        """
        counted = self.counted
        while True:
            cells = counted.cells.copy()
            totals = [count + running for count, running in zip(cells, self._counted_by_loop(), strict=True)]
            # A loop that came back meanwhile has put there what it had counted.
            if self._running is None or counted.cells == cells:
                break
        totals += counted.failed
        grown = [now - before for now, before in zip(totals, counted.kept, strict=True)]
        counted.kept = totals
        n = len(self.parts) + 1
        return grown[:n], grown[n:]

    def at(self) -> Part | None:
        """Return the part that an item is at by now, as far as that can be seen; ``None`` if none is."""
        if self._part is not None:
            return self._part
        frame = getattr(self._running, "gi_frame", None) or getattr(self._running, "cr_frame", None)
        at = None if frame is None else self._at.get(frame.f_lineno)
        return None if at is None else self.parts[at]

    def _counted_by_loop(self) -> list[int]:
        """Return what the loop under way has counted, as ``cells``."""
        frame = getattr(self._running, "gi_frame", None) or getattr(self._running, "cr_frame", None)
        if frame is None:
            return [0] * (len(self.parts) + 1)
        seen = self._seen_in(frame)
        # What is seen at once changes in one direction only while an item is under way: equal twice, it was so.
        while (again := self._seen_in(frame)) != seen:
            seen = again
        return seen

    def _seen_in(self, frame: FrameType) -> list[int]:
        local = frame.f_locals
        dropped = [local.get(f"d{k}", 0) for k in range(len(self.parts))]
        left = local.get("left")
        if left is None or "h" not in local:  # at its end, or not begun
            return [local.get("n", 0), *dropped]
        under_way = frame.f_lineno in self._busy or (self.loop_gate is not None and self.loop_gate.has_item())
        return [MANY - length_hint(left) - local["h"] - sum(dropped) - under_way, *dropped]

    # Part by part

    def one(self, item: Any) -> Any:
        """Take one item through all parts, and note how long each step takes; return what comes out."""
        if self.gate is not None and self.gate.is_shut:
            self.gate.wait(is_first=self.is_first)
        return _finish(self._go_on(item, item, 0, is_timed=True))

    async def one_awaiting(self, item: Any) -> Any:
        """Do as ``one`` on an event loop."""
        if self.gate is not None:
            await self.gate.wait_awaiting()
        return await _finish_awaiting(self._go_on(item, item, 0, is_timed=True))

    def handle(self, error: BaseException, item: Any) -> Any:
        """Do what is to be done after compiled code raised; return what comes out, if anything does."""
        value, at = self._where(error)
        return _finish(self._go_on(item, value, at, error))

    async def handle_awaiting(self, error: BaseException, item: Any) -> Any:
        """Do as ``handle`` on an event loop."""
        value, at = self._where(error)
        return await _finish_awaiting(self._go_on(item, value, at, error))

    def _where(self, error: BaseException) -> tuple[Any, int]:
        """Return what the part that raised had been given, and which one it is."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != FILE:
            trace = trace.tb_next
        assert trace is not None, "compiled code calls this for what it has caught itself"
        return trace.tb_frame.f_locals["x"], self._at[trace.tb_lineno]

    def _go_on(
        self, item: Any, value: Any, at: int, error: BaseException | None = None, *, is_timed: bool = False
    ) -> Generator[Any, Any, Any]:
        """Take an item through the parts from one on; yield what is to be awaited, and seconds to wait."""
        try:
            for k, part in enumerate(self.parts[at:], at):
                if isinstance(part, MarkPart):
                    continue
                self._part = part
                if isinstance(part, OutPart):
                    yield from self._put(part, k, value, error)
                    continue
                value = yield from self._step(part, k, item, value, error, is_timed)
                error = None
                if value is None:
                    return None
            self.counted.cells[0] += 1
            return value
        finally:
            self._part = None

    def _step(
        self, part: StepPart, k: int, item: Any, value: Any, error: BaseException | None, is_timed: bool
    ) -> Generator[Any, Any, Any]:
        tries = 1 if error is not None else 0
        while error is None or tries < part.stage.tries:
            if error is not None:
                yield part.stage.plan.retry_s * 2 ** (tries - 1)
            since = perf_counter_ns()
            try:
                result = part.target(value)
                if part.shape is StepShape.COROUTINE:
                    result = yield result
            except (Exception, SystemExit) as raised:  # noqa: BLE001 - user code may raise anything
                error, tries = error or raised, tries + 1
                continue
            if is_timed:
                part.sample(perf_counter_ns() - since)
            self.counted.cells[k + 1] += result is None
            return result
        self.counted.failed[k] += 1
        failure = part.stage.note(part.name, item, error)
        if part.stage.plan.on_error == "fail":
            text = f"stage {part.stage.name}: {failure.cause}; the item was {shortened(item)}"
            raise StageFailedError(text) from error
        return None

    def _put(self, part: OutPart, k: int, value: Any, error: BaseException | None) -> Generator[Any, Any, None]:
        """Give a value to everybody who reads; one that raised in compiled code has been given it already."""
        writer = part.writers[0] if part.writers else None
        try:
            if error is not None:
                raise error
            for edge in part.edges:
                edge.put(share(value) if part.is_shared else value)
                if edge.hungry:
                    edge.wake()
            for writer in part.writers:
                written = writer.write(share(value) if part.is_shared else value)
                if writer.is_async:
                    yield written
        except (Exception, SystemExit) as raised:  # a sink may be user code
            self.counted.failed[k] += 1
            named = "" if writer is None or str(raised).startswith(writer.name) else f"{writer.name}: "
            raise StageFailedError(f"{named}{said_of(raised)}") from raised


def said_of(error: BaseException) -> str:
    """Return what an error says, with its type if it is none of ours."""
    return str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"


def _finish(steps: Generator[Any, Any, Any]) -> Any:
    from penstock.elements import clock

    try:
        while True:
            clock.sleep(next(steps))
    except StopIteration as ended:
        return ended.value


async def _finish_awaiting(steps: Generator[Any, Any, Any]) -> Any:
    import asyncio

    answer: Any = None
    raised: BaseException | None = None
    while True:
        try:
            waited = steps.send(answer) if raised is None else steps.throw(raised)
        except StopIteration as ended:
            return ended.value
        answer = raised = None
        try:
            answer = await (asyncio.sleep(waited) if isinstance(waited, float) else waited)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it belongs to the step that was awaited
            raised = error


# Compiling


def _source_text(parts: Sequence[Part], at: dict[int, int], busy: set[int], *, is_async: bool, yields: bool) -> str:
    """Return Python for a loop over items.

    Parameters
    ----------
    at
        Gets the part that each of its lines belongs to.
    busy
        Gets the lines where an item is under way.
    """
    names = _names(parts)
    body = _Text(at, busy)
    if yields:
        head = (
            f"{'async ' if is_async else ''}def segment(items, cells, pausing, keep, give, back, one, failed{names}):"
        )
        body.segment(parts, head, is_async=is_async)
        return body.text
    if is_async:
        body.loop_awaiting(parts, f"async def loop(items, cells, pausing, failed{names}):")
        body.loop_awaiting(parts, f"async def loop_async(items, cells, pausing, failed, most{names}):", over_async=True)
    else:
        body.loop(parts, f"def loop(items, left, cells, pausing, failed{names}):")
    return body.text


def _names(parts: Sequence[Part]) -> str:
    found = ""
    for k, part in enumerate(parts):
        if isinstance(part, StepPart):
            found += f", step{k}"
        elif isinstance(part, OutPart):
            found += "".join(f", put{k}_{j}, edge{k}_{j}" for j in range(len(part.edges)))
            found += "".join(f", write{k}_{j}" for j in range(len(part.writers)))
    return found


class _Text:
    """Lines of Python, and which part each belongs to."""

    def __init__(self, at: dict[int, int], busy: set[int]) -> None:
        self._lines: list[str] = []
        self._at, self._busy = at, busy

    @property
    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def add(self, indent: int, line: str, part: int | None = None, *, busy: bool = False) -> None:
        self._lines.append(" " * indent + line)
        if part is not None:
            self._at[len(self._lines)] = part
        if busy or part is not None:
            self._busy.add(len(self._lines))

    def loop(self, parts: Sequence[Part], head: str) -> None:
        """Write a loop that counts what does not get through, and comes back when it is asked to."""
        counters = [f"d{k}" for k, part in enumerate(parts) if isinstance(part, StepPart)]
        self.add(0, head)
        self.add(1, " = ".join([*counters, "h", "0"]))
        self.add(1, "try:")
        self.add(2, "for item in items:")
        self.add(3, "x = item", busy=True)
        self.add(3, "try:")
        for k, part in enumerate(parts):
            self._part(4, k, part, is_async=False, dropped=(f"d{k} += 1", "if pausing: break", "continue"))
        self.add(3, "except (Exception, SystemExit) as error:")
        self.add(4, "h += 1")
        self.add(4, "failed(error, item)")
        self.add(3, "if pausing: break")
        self.add(1, "except GivenUpError:")
        self.add(2, "h += 1", busy=True)  # it has been counted as one that came, and goes nowhere
        self.add(2, "raise", busy=True)
        self.add(1, "finally:")
        self.add(2, f"n = MANY - length_hint(left) - {' - '.join(['h', *counters])}")
        # Python gives way to another thread, which may look at these, only where something is called or repeated.
        self.add(2, "left = None")
        self.add(2, "cells[0] += n")
        self._add_up(counters)
        self.add(2, " = ".join([*counters, "n", "0"]))
        self.add(1, "yield")

    def loop_awaiting(self, parts: Sequence[Part], head: str, *, over_async: bool = False) -> None:
        """Do as ``loop`` on an event loop, where what comes through is counted one by one."""
        counters = [f"d{k}" for k, part in enumerate(parts) if isinstance(part, StepPart)]
        back = "if pausing or n >= most: break" if over_async else "if pausing: break"
        self.add(0, head)
        self.add(1, " = ".join(["n", *counters, "0"]))
        self.add(1, "try:")
        self.add(2, f"{'async ' if over_async else ''}for item in items:")
        self.add(3, "x = item")
        self.add(3, "try:")
        for k, part in enumerate(parts):
            self._part(4, k, part, is_async=True, dropped=(f"d{k} += 1", back, "continue"))
        # An item counts when it is through, so that one under way is never taken for one.
        self.add(4, "n += 1")
        self.add(3, "except (Exception, SystemExit) as error:")
        self.add(4, "await failed(error, item)")
        self.add(3, back)
        self.add(1, "finally:")
        self.add(2, "cells[0] += n")
        self._add_up(counters)
        self.add(2, " = ".join(["n", *counters, "0"]))

    def _add_up(self, counters: Sequence[str]) -> None:
        for name in counters:
            self.add(2, f"cells[{int(name[1:]) + 1}] += {name}")

    def segment(self, parts: Sequence[Part], head: str, *, is_async: bool) -> None:
        """Write a generator, which counts where it can be seen at any time."""
        self.add(0, head)
        self.add(1, f"{'async ' if is_async else ''}for item in items:")
        awaits = "await " if is_async else ""
        self.add(2, "if pausing:")
        self.add(3, "keep()")
        self.add(3, f"x = {awaits}one(item)")
        self.add(3, "if x is not None:")
        self.add(4, "give()")
        self.add(4, "yield x")
        self.add(4, "back()")
        self.add(3, "continue")
        self.add(2, "x = item")
        self.add(2, "try:")
        for k, part in enumerate(parts):
            self._part(3, k, part, is_async=is_async, dropped=(f"cells[{k + 1}] += 1", "continue"))
        self.add(3, "cells[0] += 1")
        self.add(2, "except (Exception, SystemExit) as error:")
        self.add(3, f"x = {awaits}failed(error, item)")
        self.add(3, "if x is None: continue")
        self.add(2, "yield x")

    def _part(self, indent: int, k: int, part: Part, *, is_async: bool, dropped: tuple[str, ...]) -> None:
        if isinstance(part, StepPart):
            awaits = "await " if is_async and part.shape is StepShape.COROUTINE else ""
            self.add(indent, f"x = {awaits}step{k}(x)", k)
            self.add(indent, "if x is None:", busy=True)
            for line in dropped:
                self.add(indent + 1, line)
        elif isinstance(part, MarkPart):
            self.add(indent, "pass", busy=True)
        elif part.is_shared:
            self.add(indent, "if type(x) in PLAIN:", busy=True)
            self._outs(indent + 1, k, part, "x")
            self.add(indent, "else:", busy=True)
            self._outs(indent + 1, k, part, "share(x)")
        else:
            self._outs(indent, k, part, "x")

    def _outs(self, indent: int, k: int, part: OutPart, value: str) -> None:
        for j in range(len(part.edges)):
            self.add(indent, f"put{k}_{j}({value})", k)
            self.add(indent, f"if edge{k}_{j}.hungry: edge{k}_{j}.wake()", busy=True)
        for j, writer in enumerate(part.writers):
            self.add(indent, f"{'await ' if writer.is_async else ''}write{k}_{j}({value})", k)
        if not part.edges and not part.writers:
            self.add(indent, "pass", busy=True)
