"""What it costs the workers that the last events are kept beside them: frames of 4 MB, every byte read by two."""

from collections.abc import Iterator
from functools import partial

from bench.effort import Effort
from bench.local_code import AddNumbers, read_frames
from bench.local_run import run
from bench.local_sources import Frames, frame_sum
from bench.row import Row, in_turns
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Use

__all__ = ["kept", "kept_rows"]

FRAME_MB = 4
HOPED_PER_S = 500
"""Events; from it follows how many a run has."""


def kept(notes: str, n: int, *, is_kept: bool) -> Pipeline:
    """Return a pipeline of ``n`` events of two frames, of which the last twenty are kept if so wished."""
    keeps = {"last": Map(Use("keep-events", n=20, most_mb=500), source="pair")}
    return Pipeline(
        name="frames-kept",
        sources={name: Source(Frames, size=FRAME_MB, n=n) for name in ("left", "right")},
        events={"pair": Join("left", "right", by="key", incomplete="drop")},
        stages={
            "read": Map(read_frames, source="pair", workers=2),
            **(keeps if is_kept else {}),
            "sum": Reduce(AddNumbers, source="read", notes=notes),
        },
    )


def kept_rows(effort: Effort) -> Iterator[Row]:
    """Measure the workers with a stage that keeps events beside them, and without."""
    n = effort.count(HOPED_PER_S)
    total = 2 * frame_sum(FRAME_MB, n) % 2**64

    def rate_per_s(is_kept: bool) -> float:
        outcome = run("bench.local_kept:kept", effort.engine, expected=n, expected_sum=total, n=n, is_kept=is_kept)
        return outcome.rate_per_s()

    without, beside = in_turns(effort.runs, partial(rate_per_s, False), partial(rate_per_s, True))
    yield Row(
        name="kept: 2 × 4 MB, every byte read, beside a stage that keeps events", value=beside, unit="events/s",
        reference=without, of="the same without that stage", target_ratio=0.8,
    )  # fmt: skip
