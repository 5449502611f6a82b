"""What recorded runs are made of: instruments with faults that are decoded as live, code per event, and its views."""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from penstock.core import NS_PER_S, Event, EventBatch, Message, Timestamp
from penstock.core.decoder import Decoder, Traits
from penstock.core.parameter import Unit
from penstock.core.result import Result
from penstock.elements.decoding import Decoding
from penstock.elements.source import Reading, Source
from penstock.errors import PenstockError
from penstock.protocols import decoder_named
from penstock.simulators import simulator_named
from penstock.simulators.faults import Faults, Injector, Send
from penstock.simulators.xrf_scan import XrfScan
from penstock.views import ArrayView

COLUMNS = 10
FAULTS = "lost=0.05,doubled=0.05,late=0.05,corrupt=0.05,reordered=0.1"


class Faulty(Source):
    """A simulated instrument without a socket; how much comes at once is chance, and differs each time.

    Parameters
    ----------
    instrument
        Such as ``stins``.
    rows
        Of ten points each.
    gate
        A file without which the second half does not come.
    """

    def __init__(self, instrument: str, rows: int = 6, faults: str = "", gate: str = "", pace_s: float = 0.0) -> None:
        self._instrument, self._scan, self._faults = instrument, XrfScan(rows, COLUMNS, 7), faults
        self._gate, self._pace_s = gate, pace_s
        self._decoder: Decoder = decoder_named(instrument)()
        self._packets: Iterator[Sequence[bytes]] = iter(())
        self._left = self._due_ns = 0
        self._always_readable = -1
        self._dice = np.random.default_rng()

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # those of the instrument
        return self._decoder.traits

    @property
    def pollable(self) -> int | None:
        return self._always_readable if self._always_readable >= 0 else None

    def open(self) -> None:
        self._always_readable = os.eventfd(1)  # it is no file: deadlines count
        packets = list(self._all())
        self._packets, self._left = iter(packets), len(packets)
        self._half, self._is_odd = divmod(len(packets), 2)

    def close(self) -> None:
        if self._always_readable >= 0:
            os.close(self._always_readable)
            self._always_readable = -1

    def wait_s(self, now_ns: int) -> float:
        if self._gate and self._left <= self._half and not Path(self._gate).exists():
            return 0.01
        return max(0.0, (self._due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        decoding = Decoding(self._decoder, self.builder)
        self._due_ns = now_ns + round(self._pace_s * NS_PER_S * float(self._dice.random()))
        for _ in range(int(self._dice.integers(1, 6))):
            if self._gate and self._left <= self._half and not Path(self._gate).exists():
                break
            parts = next(self._packets, None)
            if parts is None:
                decoding.finish(now_ns)
                return decoding.reading(ended=True)
            self._left -= 1
            decoding.feed(parts, now_ns)
        return decoding.reading()

    def _all(self) -> Iterator[Sequence[bytes]]:
        simulator = simulator_named(self._instrument)(self._scan)
        injector = Injector(Faults.parse(self._faults), 7, self._instrument)
        yield from simulator.connected(under_way=False)
        yield from simulator.start()
        for point in range(self._scan.points):
            for each in injector.feed(point, simulator.point(point)):
                assert isinstance(each, Send)
                yield from each.packets
        for each in injector.finish():
            assert isinstance(each, Send)
            yield from each.packets
        yield from simulator.end(self._scan.points)


class Again(Faulty):
    """The same, and it gives the same from the beginning, as a file does; but deadlines count."""

    is_repeatable = True


class Waiting(Faulty):
    """The same, and it goes on where it was read last, whoever reads it: an instrument that waits for its reader."""

    def open(self) -> None:
        super().open()
        self._mark = Path(self.folder, f"{self._instrument}.mark")
        for _ in range(int(self._mark.read_text()) if self._mark.exists() else 0):
            with suppress(PenstockError):  # it says again what it is when somebody connects
                list(self._decoder.feed(next(self._packets), 0))
            self._left -= 1

    def read(self, now_ns: int) -> Reading:
        reading = super().read(now_ns)
        written = self._mark.with_suffix(".new")
        written.write_text(str(2 * self._half + self._is_odd - self._left))
        written.replace(self._mark)
        return reading


def facts(part: Any) -> Any:
    """Return all there is to know of a part, in values that compare."""
    if part is None:
        return None
    assert isinstance(part, Message)
    arrays = [(str(a.dtype), a.shape, zlib.crc32(np.ascontiguousarray(a).tobytes())) for a in part.buffers]
    return [part.id, part.key, part.timestamp_ns, repr(dict(part.metadata)), repr(arrays)]


def flag_facts(flag: Event | Message) -> Any:
    """Return all there is to know of a start or an end."""
    return facts(flag) if isinstance(flag, Message) else [facts(part) for part in flag.parts]


def everything(event: Event, *, gain: Annotated[float, Unit("1")] = 1.0) -> dict[str, Any]:
    """Return all there is to know of an event, and what depends on a parameter."""
    return {"parts": repr([facts(part) for part in event.parts]), "scaled": gain * (event.number + 0.1)}


def weight(message: Message, *, gain: Annotated[float, Unit("1")] = 1.0) -> float:
    """Return something of a message of an instrument."""
    return gain * (message.id + 0.1)


def of_message(message: Message) -> dict[str, Any]:
    """Return all there is to know of a message."""
    return {"parts": repr(facts(message)), "scaled": message.id + 0.1}


class Log:
    """All results as text, and a sum that depends on the order in which they are added."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.sum = ArrayView((), "f8")
        self.views: dict[str, Any] = {"rows": self.rows, "sum": self.sum}

    def start(self, event: Event | Message) -> None:
        self.rows.append(f"start {flag_facts(event)}")

    def reduce(self, result: Result) -> None:
        value = result.value
        self.rows.append(f"{result.number} {result.revision} {value!r}")
        self.sum.add((), value["scaled"] if isinstance(value, dict) else value)

    def end(self, event: Event | Message) -> None:
        self.rows.append(f"end {flag_facts(event)}")

    def checkpoint(self) -> Any:
        return self.rows

    def restore(self, rows: Any) -> None:
        self.rows[:] = rows


class Differences:
    """The difference to the event before: a worker that remembers, so that it matters who works on what."""

    def __init__(self) -> None:
        self._before = -1

    def process(self, event: Event) -> float:
        difference, self._before = event.number - self._before, event.number
        return float(difference)


class Ranges:
    """What depends on how ranges are cut."""

    def process(self, event: Event) -> float:
        return float(event.number)

    def process_batch(self, events: EventBatch) -> Any:
        return np.full(len(events), float(events.numbers[0]) + 0.001 * len(events))


class TickedLog(Log):
    """A log that says when it ticked, and between which results."""

    tick_s = 0.02

    def tick(self, now: Timestamp) -> None:
        self.rows.append(f"tick {now.ns}")


class Ticks:
    """How often it ticked so far, and the sum of the times it was told: a worker whose results depend on the clock."""

    tick_s = 0.02

    def __init__(self) -> None:
        self._n = self._told = 0

    def tick(self, now: Timestamp) -> None:
        self._n += 1
        self._told += now.ns

    def process(self, event: Event) -> dict[str, Any]:
        return {"n": self._n, "scaled": float(self._told)}
