"""Large frames of two streams, every byte read by two workers: copied into the pools, and filled in place."""

from collections.abc import Iterator
from functools import partial

from bench.effort import Effort
from bench.local_code import AddNumbers, number, read_frames
from bench.local_filling import Touched
from bench.local_limits import copy_and_read_per_s, read_per_s
from bench.local_run import run
from bench.local_sources import Frames, frame_sum
from bench.row import Row, in_turns
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source

__all__ = ["copied", "copied_rows", "in_place", "in_place_rows"]

COPIED_MB, IN_PLACE_MB = 4, 8
COPIED_PER_S, IN_PLACE_PER_S = 12.7e9, 22.2e9
"""What the prototype reached; from it follows how many frames a run has."""


def copied(notes: str, n: int, order: str = "kept") -> Pipeline:
    """Return a pipeline that copies ``n`` events of two frames."""
    return Pipeline(
        name="frames-copy",
        sources={name: Source(Frames, size=COPIED_MB, n=n) for name in ("left", "right")},
        events={"pair": Join("left", "right", by="key", incomplete="drop")},
        stages={
            "read": Map(read_frames, source="pair", workers=2, order=order),
            "sum": Reduce(AddNumbers, source="read", notes=notes),
        },
    )


def in_place(notes: str, n: int, order: str = "kept", *, is_read: bool = True) -> Pipeline:
    """Return a pipeline whose sources fill ``n`` events of two frames in place; nobody reads them if so wished."""
    return Pipeline(
        name="frames-in-place",
        sources={name: Source(Touched, size=IN_PLACE_MB, n=n) for name in ("left", "right")},
        events={"pair": Join("left", "right", by="key", incomplete="drop")},
        stages={
            "read": Map(read_frames if is_read else number, source="pair", workers=2, order=order),
            "sum": Reduce(AddNumbers, source="read", notes=notes),
        },
    )


def copied_rows(effort: Effort) -> Iterator[Row]:
    """Measure frames that are copied once."""
    event_bytes = 2 * COPIED_MB << 20
    n = effort.count(COPIED_PER_S / event_bytes)
    total = 2 * frame_sum(COPIED_MB, n) % 2**64

    def rate_per_s(order: str) -> float:
        outcome = run("bench.local_frames:copied", effort.engine, expected=n, expected_sum=total, n=n, order=order)
        return outcome.rate_per_s() * event_bytes

    limit, kept, free = in_turns(
        effort.runs, partial(copy_and_read_per_s, 8), partial(rate_per_s, "kept"), partial(rate_per_s, "free")
    )
    name, of = "frames_copy: 2 × 4 MB copied in, every byte read", "copy and read, no transport"
    yield _row(name, kept, limit, of, 0.74)
    yield _row(f"{name}, order free", free, limit, of)


def in_place_rows(effort: Effort) -> Iterator[Row]:
    """Measure frames that are never copied."""
    event_bytes = 2 * IN_PLACE_MB << 20
    n = effort.count(IN_PLACE_PER_S / event_bytes)

    # A frame is its number in the first word and otherwise what was there: nothing, in slots.
    total = n * (n - 1) if effort.engine == "local" else None

    def rate_per_s(order: str) -> float:
        outcome = run("bench.local_frames:in_place", effort.engine, expected=n, expected_sum=total, n=n, order=order)
        return outcome.rate_per_s() * event_bytes

    limit, kept, free = in_turns(
        effort.runs, partial(read_per_s, IN_PLACE_MB), partial(rate_per_s, "kept"), partial(rate_per_s, "free")
    )
    name, of = "frames_inplace: 2 × 8 MB filled in place, every byte read", "two cores reading"
    yield _row(name, kept, limit, of, 0.6)
    yield _row(f"{name}, order free", free, limit, of)


def _row(name: str, rate: float, limit: float, of: str, target_ratio: float | None = None) -> Row:
    return Row(name=name, value=rate / 1e9, unit="GB/s", reference=limit / 1e9, of=of, target_ratio=target_ratio)
