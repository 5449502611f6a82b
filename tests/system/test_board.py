"""What the board for Grafana asks for comes from real runs that have all parts, under these names and labels."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import penstock
from penstock.core.event import Event
from penstock.core.map_reader import read_map
from penstock.core.message import Message
from penstock.elements import Reading
from penstock.pipeline import Alarm, Join, Map, Pipeline, Reduce, Sink, Source, Steps
from penstock.services.web_service import WebService
from tests.house.board import board_queries
from tests.system import controlled

pytestmark = pytest.mark.usefixtures("nothing_left_open")
MAP = read_map({"a": {"events": 100_000}})
Sample = tuple[str, frozenset[tuple[str, str]]]


class Leaping(controlled.Paced):
    """Frames of which every other number does not come."""

    def _blocks(self, messages: list[Message], *, ended: bool = False) -> Reading:
        leaping = [each if each.key is None else msgspec.structs.replace(each, key=2 * each.key) for each in messages]
        return super()._blocks(leaping, ended=ended)


def counted(event: Event) -> int:
    penstock.notice("counted")
    return event.number


def same(item: Any) -> Any:
    return item


def through(upstream: Iterator[Any]) -> Iterator[Any]:
    yield from upstream


async def awaited(upstream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Do as ``through`` does, on a loop: a queue lies between the two."""
    async for item in upstream:
        yield item


def lines(path: Path) -> Iterator[str]:
    """Open a file into items."""
    yield from Path(path).read_text().split()


def in_processes(folder: Path) -> Pipeline:
    """Sources, a planned join, workers by load, a reducer, a sink, an alarm."""
    return Pipeline(
        name="whole",
        store=str(folder / "store"),
        sources={
            "a": Source(controlled.Paced, rate=400, gate=str(folder / "end")),
            "b": Source(Leaping, rate=100, gate=str(folder / "end")),
        },
        events={"scan": Join("a", by={"trigger-map": {"map": MAP}})},
        stages={
            "count": Map(counted, source="scan", workers={"from": 1, "to": 2}),
            "sum": Reduce(controlled.Weights, source="count"),
            "loose": Map(controlled.weighed, source="b"),
        },
        sinks={"out": Sink("json-lines", source="count", path=str(folder / "out.jsonl"))},
        alarms={"any": Alarm("count.arrived > 5")},
    )


def in_one_process(folder: Path) -> Pipeline:
    """Files that are opened, steps with queues between, a sink."""
    return Pipeline(
        name="chain",
        sources={"texts": Source("files", paths=str(folder / "*.txt"), open="tests.system.test_board:lines")},
        stages={
            "first": Steps(through, awaited, source="texts"),
            "second": Steps(same, source="first", workers=2, run_in="thread"),
        },
        sinks={"out": Sink("json-lines", source="second", path=str(folder / "out.jsonl"))},
    )


def _samples(address: str) -> set[Sample]:
    text = httpx.get(f"{address}/metrics", timeout=30).text
    families = text_string_to_metric_families(text)
    return {(each.name, frozenset(each.labels.items())) for family in families for each in family.samples}


def _lacking(samples: set[Sample]) -> set[str]:
    """Return the metrics on the board of which some panel would show nothing."""
    asked = {(each.name, each.matchers) for query in board_queries() for each in query.selectors()}

    def shows(name: str, matchers: tuple[tuple[str, str], ...]) -> bool:
        wanted = {each for each in matchers if not each[1].startswith("$")}
        return any(found == name and wanted <= labels for found, labels in samples)

    return {name for name, matchers in asked if not shows(name, matchers)}


class _Looker:
    """Collects samples until enough of the board has something to show."""

    def __init__(self) -> None:
        self._samples: set[Sample] = set()

    def until_only(self, address: str, *lacking: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            self._samples |= _samples(address)
            found = {name for name in _lacking(self._samples) if not name.startswith(lacking or ("-",))}
            if not found:
                return
            assert time.monotonic() < deadline, f"no numbers came for {sorted(found)}"
            time.sleep(0.05)


def test_every_panel_has_something_to_show(tmp_path: Path) -> None:
    with penstock.open_store(str(tmp_path / "store"), make=True) as store:
        with store.producer("b1/camera/old") as out:
            for number in range(3):
                out.send(bytes(number))
        with store.group("b1/camera/old", "fit") as member:
            member.ack(member.next(1))
    looker = _Looker()
    with WebService(port=0) as web, in_processes(tmp_path).start("local", web=web) as run:
        looker.until_only(web.address, "penstock_step_", "penstock_files", "penstock_edge_queue_", "penstock_output_")
        run.stop()
    (tmp_path / "a.txt").write_text("one two three")
    with WebService(port=0) as web, in_one_process(tmp_path).start("chains", web=web) as run:
        run.wait(30)
        looker.until_only(web.address)
