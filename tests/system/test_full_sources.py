"""A source that waits for room is not silent: joins wait for what it has, however long workers take."""

import os
import time
from typing import Any

from penstock.core import Event
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
from tests.system import deadly_code as code
from tests.system.local_runs import books, run

N = 400
WAIT_S = 0.5


class Streamed(code.Stored):
    """Frames as of an instrument that always has more, and that a join waits for only so long."""

    is_repeatable = False

    def open(self) -> None:
        super().open()
        self._ready = os.eventfd(1)

    @property
    def pollable(self) -> int:
        return self._ready

    def close(self) -> None:
        super().close()
        os.close(self._ready)


class Late:
    """Takes longer for the first event than a join waits, as what loads a library does."""

    def __init__(self) -> None:
        self.is_ready = False

    def process(self, event: Event) -> dict[str, Any]:
        if not self.is_ready:
            time.sleep(2.5 * WAIT_S)
            self.is_ready = True
        return {"is_whole": event.is_complete}


class Whole:
    def __init__(self) -> None:
        self.views: dict[str, Any] = {"whole": 0}

    def reduce(self, value: dict[str, Any]) -> None:
        self.views["whole"] += value["is_whole"]


def test_a_source_that_waits_for_workers_is_waited_for() -> None:
    pipeline = Pipeline(
        name="full",
        sources={
            "a": Source(Streamed, n=N, block=10, slots=4),
            "b": Source(Streamed, n=N, block=N),
        },
        events={"both": Join("a", "b", by="key", wait_s=WAIT_S)},
        stages={"late": Map(Late, source="both"), "whole": Reduce(Whole, source="late")},
    )
    ended = run(pipeline, stages=["whole"])
    assert books(ended.report)["both", "late"] == {"done": N}
    assert ended.views["whole"] == {"whole": N}
    assert ended.report.outcome == "finished"
