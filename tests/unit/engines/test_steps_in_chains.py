"""The steps that come with penstock, in pipelines: an hour in milliseconds, branches, merges, what is left over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from penstock.elements import RunFacts, Sink, clock
from penstock.engines.chains import run
from penstock.monitor.report import RunReport
from penstock.pipeline import Merge, Pipeline, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from penstock.testing import VirtualTime

KEPT: dict[str, list[Any]] = {}


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


class Keep(Sink):
    """Keep what comes, by the sink's name."""

    def open(self, run: RunFacts) -> None:
        self.kept = KEPT.setdefault(run.sink, [])

    def write(self, item: Any) -> None:
        self.kept.append(item)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        pass


def readings(n: int = 100) -> Iterator[dict[str, Any]]:
    for number in range(n):
        yield {"id": number, "I0": number % 7, "It": 3}


async def once_a_second(n: int = 3600) -> AsyncIterator[dict[str, Any]]:
    for number in range(n):
        await asyncio.sleep(1)
        yield {"id": number, "timestamp_ns": clock.utc_ns()}


def kept(*steps: Any, source: Any = readings, time: VirtualTime | None = None) -> list[Any]:
    pipeline = Pipeline(
        sources={"readings": Source(source)},
        stages={"s": Steps(*steps, source="readings")},
        sinks={"out": SinkEntry(Keep, source="s")},
    )
    ran(pipeline, time)
    return KEPT["out"]


def ran(pipeline: Pipeline, time: VirtualTime | None = None) -> RunReport:
    report = run(pipeline.plan(), clock=time)
    assert report.outcome == "finished", report.reasons
    assert report.adds_up
    return report


def test_a_chain_of_items() -> None:
    found = kept(
        Use("filter", expression="I0 > 1"),
        Use("every", n=2),
        Use("fields", choose=["id"], compute={"ratio": "It / I0"}),
        Use("deduplicate", by="ratio"),
    )
    assert [(item["id"], item["ratio"]) for item in found] == [(2, 1.5), (4, 0.75), (6, 0.5), (10, 1.0), (12, 0.6)]


def test_lists_are_made_and_taken_apart() -> None:
    found = kept(Use("batch", n=8), "flatten", Use("window", n=10, step=5), Use("statistics", field="id"))
    assert [each["n"] for each in found] == [10] * 19
    assert [each["mean"] for each in found[:3]] == [4.5, 9.5, 14.5]


def test_windows_of_the_data_do_not_depend_on_the_run() -> None:
    windows = [Use("window", length_s=10, every_s=5, time="timestamp_ns"), "count"]
    assert kept(*windows, source=once_a_second, time=VirtualTime(begin_ns=10**18)) == [4, 9] + [10] * 718 + [6]


def test_an_hour_of_a_pipeline_passes_in_no_time() -> None:
    assert kept(Use("window", every_s=60), "count", source=once_a_second, time=VirtualTime()) == [59] + [60] * 59 + [1]
    KEPT.clear()
    batches = kept(Use("batch", n=100, wait_s=7.5), "count", source=once_a_second, time=VirtualTime())
    assert batches == [8] * 450
    KEPT.clear()
    assert kept(Use("rate", every_s=600), source=once_a_second, time=VirtualTime()) == [599 / 600] + [1.0] * 5
    KEPT.clear()
    assert len(kept(Use("throttle", n=1, every_s=60), source=once_a_second, time=VirtualTime())) == 60


def test_a_window_in_two_branches() -> None:
    branches = {
        name: Steps(Use("threshold", field="I0", above=above), Use("window", every_s=3600), "count", source="same")
        for name, above in (("some", 0), ("few", 5))
    }
    pipeline = Pipeline(
        sources={"readings": Source(readings)},
        stages={"same": Steps(lambda item: item, source="readings"), **branches},
        sinks={f"out_{name}": SinkEntry(Keep, source=name) for name in branches},
    )
    ran(pipeline)
    assert KEPT == {"out_some": [85], "out_few": [14]}


def test_a_slow_stream_beside_a_fast_one() -> None:
    has_come = threading.Event()

    def temperatures() -> Iterator[dict[str, Any]]:
        yield {"value": 291.5}

    def frames() -> Iterator[dict[str, Any]]:
        assert has_come.wait(60)
        yield {"frame": 1}

    def tell(item: Any) -> Any:
        if "temperature" in item:
            has_come.set()
        return item

    pipeline = Pipeline(
        sources={"frames": Source(frames), "thermometer": Source(temperatures)},
        stages={
            "slow": Steps(Use("fields", choose=["value"], rename={"value": "temperature"}), source="thermometer"),
            "warm": Steps(tell, Use("latest", field="temperature"), source="both"),
        },
        events={"both": Merge("frames", "slow")},
        sinks={"out": SinkEntry(Keep, source="warm")},
    )
    ran(pipeline)
    assert KEPT["out"] == [{"frame": 1, "temperature": 291.5}]
