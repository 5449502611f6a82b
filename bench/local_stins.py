"""Images from another process over ZeroMQ, as MAX IV's detectors send them, beside those who do the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from bench.effort import Effort
from bench.local_code import AddDicts, pixel
from bench.local_run import run
from bench.row import Row, in_turns
from bench.stins_peers import Sender, bare_per_s, dranspose
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source

__all__ = ["images", "large_rows", "small_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size of images, and what is asked there."""

    name: str
    shape: tuple[int, int]
    note_every: int
    hoped_per_s: float
    unit: str
    scale: float
    """Images/s in ``unit``."""
    worker: str
    """dranspose's user code that the recorded figure was taken with."""
    images: int
    """For dranspose."""
    recorded_per_s: float
    of_bare: float
    of_dranspose: float


SMALL = Size(
    name="stins_small: 1 kB images, a small dict each, reduced",
    shape=(16, 32),
    note_every=256,
    hoped_per_s=120e3,
    unit="images/s",
    scale=1,
    worker="ResultWorker",
    images=2000,
    recorded_per_s=358,
    of_bare=0.5,
    of_dranspose=200,
)
LARGE = Size(
    name="stins_large: 4 MB images, a small dict each, reduced",
    shape=(1024, 2048),
    note_every=1,
    hoped_per_s=900,
    unit="MB/s",
    scale=1024 * 2048 * 2 / 1e6,
    worker="NullWorker",
    images=500,
    recorded_per_s=1319e6 / (1024 * 2048 * 2),
    of_bare=0.7,
    of_dranspose=2,
)


def images(notes: str, address: str, every: int) -> Pipeline:
    """Return a pipeline that takes one series."""
    return Pipeline(
        name="stins",
        sources={"detector": Source("stins", connect=address)},
        events={"shot": Join("detector", by="key")},
        stages={
            "look": Map(pixel, source="shot", workers=2),
            "sum": Reduce(AddDicts, source="look", notes=notes, every=every, entry="pixel"),
        },
    )


def small_rows(effort: Effort) -> Iterator[Row]:
    """Measure images that are hardly larger than their headers."""
    return _rows(effort, SMALL)


def large_rows(effort: Effort) -> Iterator[Row]:
    """Measure images that are all pixels."""
    return _rows(effort, LARGE)


def _rows(effort: Effort, size: Size) -> Iterator[Row]:
    n = effort.count(size.hoped_per_s)
    bare, ours = in_turns(effort.runs, partial(bare_per_s, n, size.shape), partial(_ours_per_s, effort.engine, n, size))
    value = ours * size.scale
    yield Row(
        name=size.name, value=value, unit=size.unit, reference=bare * size.scale, of="bare receiver, copy=False",
        target_ratio=size.of_bare,
    )  # fmt: skip
    theirs, whose = dranspose(effort, size.worker, size.images, size.shape, size.recorded_per_s)
    yield Row(
        name=size.name, value=value, unit=size.unit, reference=theirs * size.scale, of=whose,
        target_ratio=size.of_dranspose,
    )  # fmt: skip


def _ours_per_s(engine: str, n: int, size: Size) -> float:
    with Sender() as sender:
        sender.send(n, size.shape)
        outcome = run("bench.local_stins:images", engine, expected=n, address=sender.address, every=size.note_every)
        return outcome.rate_per_s()
