"""How fast the inline engine is: two sources, their join, a Python call for each event, and a reducer."""

import operator
from collections.abc import Iterator
from functools import partial

import numpy as np

from bench.row import Row, median_s
from penstock.core import Block, Event
from penstock.core.decoder import Traits
from penstock.elements import Reading, Source
from penstock.pipeline import Join, Map, Pipeline, Reduce
from penstock.pipeline import Source as SourceEntry

__all__ = ["rows"]

EVENTS = 1 << 19
ROWS = 4096


class Camera(Source):
    """Blocks of small frames that were made before."""

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)

    def __init__(self) -> None:
        self.next = 0

    def read(self, now_ns: int) -> Reading:
        """Return the next block."""
        first, self.next = self.next, min(self.next + ROWS, EVENTS)
        keys = np.arange(first, self.next, dtype=np.uint64)
        frames = np.broadcast_to(np.arange(8, dtype=np.uint16), (len(keys), 8))
        times = np.full(len(keys), now_ns)
        block = Block(stream=self.stream, ids=keys + 1, keys=keys, timestamps=times, columns=(frames,))
        return Reading(blocks=[block], ended=self.next == EVENTS)


def number(event: Event) -> int:
    """Return something of the event."""
    return event.number


class Total:
    """The sum of all results."""

    def __init__(self) -> None:
        self.sum = 0

    @property
    def views(self) -> dict[str, int]:
        """The sum."""
        return {"sum": self.sum}

    def reduce(self, value: int) -> None:
        """Add one."""
        self.sum += value


def rows() -> Iterator[Row]:
    """Measure whole runs, opening and closing included, and the calls alone."""
    seconds = median_s(partial(_run, Total))
    alone = median_s(_calls_alone)
    yield Row(
        name="inline engine: join, a call an event, a reducer",
        value=EVENTS / seconds / 1e6,
        unit="M events/s",
        reference=EVENTS / alone / 1e6,
        of="the two calls alone",
        target=1,
    )


def _run(total: type[Total]) -> None:
    pipeline = Pipeline(
        name="bench",
        sources={"left": SourceEntry(Camera), "right": SourceEntry(Camera)},
        events={"pair": Join("left", "right", by="key")},
        stages={"map": Map(number, source="pair"), "sum": Reduce(total, source="map")},
    )
    report = pipeline.run()
    assert report.exit_code == 0, report.reasons
    assert report.joins["pair"].formed == EVENTS


def _calls_alone() -> None:
    total, event = Total(), operator.attrgetter("number")
    for each in map(Event, range(EVENTS), [()] * EVENTS):
        total.reduce(event(each))
