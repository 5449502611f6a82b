"""How fast events are formed: the event builder alone, on columns, in blocks of 4096 messages, on one core."""

import gc
import heapq
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.row import Row, median_s
from penstock.core import Block, Ledger
from penstock.core.decoder import Traits
from penstock.core.event_builder import EventBuilder, JoinRule
from penstock.core.map_part import MapPart
from penstock.core.map_reader import read_map
from penstock.core.trigger_map import TriggerMap

__all__ = ["rows"]

ROWS = 4096
TRAITS = Traits(number="frame", first=0, has_start=False, has_end=False)
Keys = NDArray[np.uint64]


def rows() -> Iterator[Row]:
    """Measure the ways of joining, then what does not depend on how long a run is."""
    n = 1 << 21
    whole = np.arange(n, dtype=np.uint64)
    compared = n / median_s(lambda: _compare(whole, whole.copy())) / 1e6
    found = n / median_s(lambda: _search(whole, _thinned(whole, 1))) / 1e6
    by_key = JoinRule(by="key", wait_s=3600)
    for name, streams, reference, of, target in [
        ("two streams, equal keys", [whole, whole], compared, "array_equal", 50),
        ("two streams, 2 % missing in one", [whole, _thinned(whole, 1)], found, "searchsorted", 10),
        ("four streams, 2 % missing in each", [_thinned(whole, k) for k in range(4)], found, "searchsorted", 3),
    ]:
        rate = _rate(partial(_join, streams, by_key), n)
        yield _speed(f"builder: {name}", rate, reference, of, target)
    constraints = TriggerMap({"main": MapPart.uniform({"a": 1, "b": 1}, n)}, wrap=False)
    by_map = JoinRule(by="trigger-map", wait_s=3600)
    rate = _rate(lambda: _join([whole, whole], by_map, constraints), n)
    yield _speed("builder: trigger map, a sticky constraint an event", rate, compared, "array_equal", 10)
    yield from _long_map()
    yield from _long_run()


def _speed(name: str, value: float, reference: float, of: str, target: float) -> Row:
    return Row(name=name, value=value, unit="M events/s", reference=reference, of=of, target=target)


def _rate(work: Callable[[], object], n: int) -> float:
    return n / median_s(work) / 1e6


def _thinned(keys: Keys, seed: int) -> Keys:
    return keys[np.random.default_rng(seed).random(len(keys)) >= 0.02]


def _compare(left: Keys, right: Keys) -> None:
    for first in range(0, len(left), ROWS):
        np.array_equal(left[first : first + ROWS], right[first : first + ROWS])


def _search(left: Keys, right: Keys) -> None:
    for first in range(0, len(left), ROWS):
        np.searchsorted(left[first : first + ROWS], right[first : first + ROWS])


def _blocks(stream: str, keys: Keys) -> Iterator[Block]:
    ids = np.arange(1, len(keys) + 1, dtype=np.uint64)
    times = np.zeros(ROWS, np.int64)
    for first in range(0, len(keys), ROWS):
        rows = slice(first, first + ROWS)
        yield Block(stream=stream, ids=ids[rows], keys=keys[rows], timestamps=times[: len(keys[rows])])


def _in_time(streams: Mapping[str, Keys]) -> Iterator[Block]:
    """Yield the blocks of all streams as they would come: made as we go, in the order of their last key."""
    sources = [_blocks(name, keys) for name, keys in streams.items()]
    return heapq.merge(*sources, key=lambda block: int(block.keys[-1]))  # type: ignore[index]  # all have keys


def _join(streams: Sequence[Keys], rule: JoinRule, trigger_map: TriggerMap | None = None) -> int:
    """Form all events there are."""
    names = "abcd"[: len(streams)]
    builder = EventBuilder("events", dict.fromkeys(names, TRAITS), rule, Ledger(), trigger_map)
    formed = 0
    for block in _in_time(dict(zip(names, streams, strict=True))):
        for batch in builder.handle(block, 0):
            if trigger_map is not None and batch.numbers[0] >= 0:
                trigger_map.routes(batch.numbers, names)
            formed += len(batch)
    formed += sum(map(len, builder.stop()))
    assert formed >= min(map(len, streams)), f"{formed} events of {[len(keys) for keys in streams]} messages"
    return formed


def _long_map() -> Iterator[Row]:
    """Check and start a map of a million events, in a process of its own because of its memory."""
    for form in ("columns", "cells"):
        found = [_in_process(f"_start_map('{form}')") for _ in range(3)]
        seconds, reading, megabytes, size = (statistics.median(column) for column in zip(*found, strict=True))
        name = f"map of 10⁶ events as {form}"
        yield Row(name=name, value=seconds, unit="s", reference=reading, of="JSON alone", target=1, asks="at most")
        yield Row(name=name, value=megabytes, unit="MB", reference=size, of="its text", target=100, asks="at most")


def _start_map(form: str) -> None:
    """Read, check and route a map in which every event has its own constraint, said by a rule or cell by cell."""
    n = 1_000_000
    column = json.dumps({"events": n, "every": 1, "group": 1})
    if form == "cells":
        column = "[" + ",".join(f'[{{"constraint":{event}}}]' for event in range(n)) + "]"
    text = f'{{"parts":{{"main":{{"a":{column},"b":{column}}}}},"sequence":["main"]}}'.encode()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the text
    before = _peak_mb()
    begin = time.perf_counter()
    trigger_map = read_map(text)
    problems = trigger_map.problems("ab", [frozenset({"generic"})] * 2)
    EventBuilder("events", dict.fromkeys("ab", TRAITS), JoinRule(by="trigger-map"), Ledger(), trigger_map)
    trigger_map.routes(np.arange(ROWS), "ab")
    seconds = time.perf_counter() - begin
    assert not problems, problems
    grown = _peak_mb() - before
    begin = time.perf_counter()
    msgspec.json.decode(text)
    print(seconds, time.perf_counter() - begin, grown, len(text) / 2**20)


def _long_run() -> Iterator[Row]:
    """Show that the last million events of ten cost what the first did, in time and in memory."""
    found = [_in_process("_run_long()") for _ in range(3)]
    first, last, grown = (statistics.median(column) for column in zip(*found, strict=True))
    name, limit = "run of 10⁷ events, the last million", 1.3 * first
    yield Row(
        name=name, value=last, unit="ns/event", reference=first, of="the second million", target=limit, asks="at most"
    )
    name = "run of 10⁷ events, growth since the second million"
    yield Row(name=name, value=grown, unit="MB", reference=80, of="one column of keys", target=5, asks="at most")


def _run_long() -> None:
    """Feed two streams, one of which misses 2 %, a block at a time, so that all memory that stays is the builder's."""
    million = 1_000_000
    builder = EventBuilder("events", dict.fromkeys("ab", TRAITS), JoinRule(by="key", wait_s=3600), Ledger())
    took, peak = [], []
    for part in range(10):
        begin = time.perf_counter()
        for first in range(part * million, (part + 1) * million, ROWS):
            keys = np.arange(first, min(first + ROWS, (part + 1) * million), dtype=np.uint64)
            for stream, its in (("a", keys), ("b", keys[keys % 50 != 7])):
                for block in _blocks(stream, its):
                    builder.handle(block, 0)
        took.append((time.perf_counter() - begin) / million * 1e9)
        peak.append(_peak_mb())
    print(took[1], took[-1], peak[-1] - peak[1])


def _peak_mb() -> float:
    # Not ru_maxrss: that begins with the memory of whoever started this process.
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _in_process(call: str) -> list[float]:
    code = f"from bench import core_join; core_join.{call}"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return [float(word) for word in out.split()]
