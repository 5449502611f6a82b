"""What it costs that every step of a chain is counted and timed, in parts of the time that the chain takes."""

import gc
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from bench.effort import Effort
from bench.row import Row
from penstock.core.ledger import Ledger
from penstock.elements import RunFacts, Sink
from penstock.pipeline import Pipeline, Source, Steps
from penstock.pipeline import Sink as SinkEntry
from penstock.services.sharing import PLAIN, share
from penstock.services.strands import run as compiled
from penstock.services.strands.cut import cut
from penstock.services.strands.free_room import FreeRoom
from penstock.services.strands.generators import Generators
from penstock.services.strands.item_work import ItemWork
from penstock.services.strands.nursery import Nursery
from penstock.services.strands.parts import Part
from penstock.services.strands.pauses import Pauses
from penstock.services.strands.run import Run
from penstock.services.strands.strand import Strand
from penstock.services.strands.strand_books import StrandBooks
from penstock.services.strands.ticks import Ticks

__all__ = ["rows"]

TURNS = 40
"""Pieces each with and without, in turns: the machine is not equally fast at all times."""
BEAT_S = 0.05
"""When the books are kept once in each piece, and once more at its end: twice as often as the engine does it."""
COUNTING = re.compile(
    r"\s+(?:[nh]|d\d+) \+= 1|\s+cells\[\d+\] \+= \w+|\s+[dhn]\d*(?: = [dhn]\d*)* = 0|\s+left = .*|\s+n = .*"
)
"""Lines of a compiled loop that count."""


class Discard(Sink):
    """Write nothing."""

    def open(self, run: RunFacts) -> None:
        """Open nothing."""

    def write(self, item: Any) -> None:
        """Forget it."""

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Close nothing."""


def numbers(n: int) -> Iterator[int]:
    """Give numbers."""
    yield from range(n)


def one_more(item: int) -> int:
    """Return the next number."""
    return item + 1


def twice(item: int) -> int:
    """Return twice the number."""
    return item * 2


def few(item: int) -> int | None:
    """Leave one of sixteen out."""
    return item if item % 16 else None


def readings(n: int) -> Iterator[dict[str, Any]]:
    """Give dictionaries, as instruments that are asked for values do."""
    for number in range(n):
        yield {"number": number, "value": number % 100 / 7}


def scaled(item: dict[str, Any]) -> dict[str, Any]:
    """Turn the value into another unit."""
    return {**item, "value": item["value"] * 1.8 + 32.0}


def smoothed(item: dict[str, Any]) -> dict[str, Any]:
    """Leave two digits."""
    item["value"] = round(item["value"], 2)
    return item


def high(item: dict[str, Any]) -> dict[str, Any] | None:
    """Leave out what is low."""
    return item if item["value"] > 34 else None


NUMBERS: Final = (numbers, one_more, twice, few), 500_000
READINGS: Final = (readings, scaled, smoothed, high), 100_000
"""Code, and how many items make a piece: about 0.1 s, as long as the engine waits between two looks at the books."""


def rows(effort: Effort) -> Iterator[Row]:
    """Measure a source, three functions and a sink in the loop that the engine compiles."""
    for what, (code, count), target in (("dictionaries", READINGS, 1.03), ("numbers, nearly no work", NUMBERS, None)):
        with_ns, without_ns = compared(code, count, max(5, TURNS * effort.runs // 3))
        yield Row(
            name=f"counters of every step: source, 3 functions, sink; {what}", value=with_ns, unit="ns/item",
            reference=without_ns, of="the same loop that counts nothing", target_ratio=target, asks="at most",
        )  # fmt: skip


def compared(code: Sequence[Callable[..., Any]], count: int, turns: int) -> tuple[float, float]:
    """Return what an item costs with and without counters, in ns of CPU time.

    It is that of the quickest tenth of all pieces: whatever others do on the machine makes pieces slower only.
    """
    counted, bare = [], []
    for _ in range(turns):
        counted.append(_ns_an_item(Strand, code, count))
        bare.append(_ns_an_item(_Bare, code, count))
    return statistics.quantiles(counted, n=10)[0], statistics.quantiles(bare, n=10)[0]


class _BareRun(Run):
    """A compiled loop without the lines that count."""

    def __init__(self, parts: Sequence[Part], *, is_async: bool, yields: bool = False) -> None:
        super().__init__(parts, is_async=is_async, yields=yields)
        text = compiled._source_text(parts, {}, set(), is_async=False, yields=False)
        left = [line for line in text.splitlines() if not COUNTING.fullmatch(line)]
        # What had counters only has nothing left.
        text = "\n".join(left).replace(" try:\n  for item", " if True:\n  for item").replace("\n finally:", "")
        text = text.replace("\n except GivenUpError:\n  raise", "")
        names: dict[str, Any] = {"PLAIN": PLAIN, "share": share}
        exec(text, names)
        self._loop: Callable[..., Any] = names["loop"]

    def work(self, items: Iterable[Any], pausing: list[bool]) -> None:
        """Take items through all parts."""
        next(self._loop(items, None, None, pausing, self.handle, *self.calls()), None)


class _NoBooks(StrandBooks):
    """Books that nobody keeps."""

    def put(self) -> bool:
        """Put nothing in."""
        return False


class _BareWork(ItemWork):
    """Takes the same items in the same portions, and times none."""

    def work_some(self, most: int) -> bool:  # noqa: ARG002 - it is as much as there is
        """Work on as much as there is."""
        self.run.work(self._generators.given, self._pauses.asked)
        return not self._pauses.asked


class _Bare(Strand):
    """A strand that keeps no books."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.runs = [_BareRun(self.parts, is_async=False)]
        self.books = _NoBooks(self.feed, self.runs)
        self.pauses = Pauses(self.books, Ticks(self.parts), keeps_often=False)
        generators = Generators(self.runs, (), self.name, is_async=False, books=self.books)
        room = FreeRoom((), self.gate)
        self._work = _BareWork(self.feed, generators, self.runs[0], self.standstill, room, self.pauses)

    def beat(self) -> bool:
        """Come back from the loop, as with counters."""
        self.pauses.ask()
        return False


def _ns_an_item(kind: type[Strand], code: Sequence[Callable[..., Any]], count: int) -> float:
    """Return the CPU time of a strand of this kind, whose books are kept as often as the engine has them kept."""
    source, *steps = code
    pipeline = Pipeline(
        sources={"items": Source(source, n=count)},
        stages={"work": Steps(*steps, source="items")},
        sinks={"out": SinkEntry(Discard, source="work")},
    )
    (found,) = cut(pipeline.plan(), Ledger(), Nursery()).strands
    strand = kind(found.name, found.feed, found.parts)
    beating = threading.Timer(BEAT_S, strand.beat)
    gc.collect()
    gc.disable()
    try:
        beating.start()
        since_ns = time.process_time_ns()
        strand.live()
        took_ns = time.process_time_ns() - since_ns
    finally:
        beating.join()
        gc.enable()
    if strand.trouble is not None:
        raise strand.trouble
    return took_ns / count
