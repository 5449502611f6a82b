"""One lane of a stage, read for a room that has no lanes."""

from typing import Any

import numpy as np
import pytest

from penstock.core import Block, EventBatch, Kind, Ledger, Message, PartColumn
from penstock.core.result_range import ResultRange
from penstock.pipeline.plan import Element, MergePlan, SinkPlan, StagePlan
from penstock.services.flow import Flow
from penstock.services.map_room import MapRoom
from penstock.services.merge_room import MergeRoom
from penstock.services.one_lane import OneLane
from penstock.services.sink_room import SinkRoom
from penstock.services.steps_room import StepsRoom
from penstock.testing.engine_cases import Lines


class Collected:
    """A room that keeps what it is given."""

    name = "collected"
    is_full = False

    def __init__(self) -> None:
        self.flows: list[tuple[Flow, str]] = []
        self.closed: list[str] = []

    def take(self, flow: Flow, producer: str, now: int) -> None:
        self.flows.append((flow, producer))

    def close(self, producer: str, now: int) -> None:
        self.closed.append(producer)

    @property
    def results(self) -> list[ResultRange]:
        return [flow for flow, _ in self.flows if isinstance(flow, ResultRange)]


def results(lane: str, *values: Any) -> ResultRange:
    return ResultRange(stage="map", numbers=np.arange(len(values)), values=list(values), lane=lane)


def start(join: str) -> EventBatch:
    return EventBatch(join=join, names=("a",), numbers=np.arange(1), parts=(PartColumn(block=None),), kind=Kind.START)


def header(stream: str) -> Block:
    return Block.of(stream, [Message(kind=Kind.START)], 1)


def test_a_room_gets_one_lane_and_does_not_see_that_there_are_others() -> None:
    room = Collected()
    one = OneLane(room, "map.high", frozenset({"scan", "a"}))
    for flow in (start("scan"), header("a"), results("high", 1, 2), results("low", 3), start("other"), header("b")):
        one.take(flow, "map", 0)
    one.close("map", 0)
    assert one.name == "collected"
    assert {producer for _, producer in room.flows} == {"map.high"}
    assert [(found.lane, found.values) for found in room.results] == [("", [1, 2])]
    assert [type(flow) for flow, _ in room.flows] == [EventBatch, Block, ResultRange]
    assert room.closed == ["map.high"]


def test_a_full_room_is_known_through_it() -> None:
    room = Collected()
    one = OneLane(room, "map.high", frozenset())
    assert not one.is_full
    room.is_full = True
    assert one.is_full


def stage(kind: Any, inputs: tuple[tuple[str, str], ...], **options: Any) -> StagePlan:
    element = Element(name="code:same", target=lambda value: value)
    return StagePlan(name="again", kind=kind, inputs=inputs, elements=(element,), **options)


def room_of(kind: str, inputs: tuple[tuple[str, str], ...], **options: Any) -> tuple[Any, Collected, Ledger]:
    ledger, collected = Ledger(), Collected()
    plan = stage(kind, inputs, **options)
    room = MapRoom(plan, ledger, lambda: 0, [{}], {}) if kind == "map" else StepsRoom(plan, ledger)
    room.outlet.rooms.append(collected)
    return room, collected, ledger


@pytest.mark.parametrize("kind", ["map", "steps"])
def test_a_stage_carries_the_lanes_of_its_input(kind: str) -> None:
    room, collected, ledger = room_of(kind, (("", "map"),), carried_lanes=("high", "low"))
    for flow in (results("low", 1, 2), results("high", 3), results("low")):
        room.take(flow, "map", 0)
    assert [(found.lane, list(found.values or ())) for found in collected.results] == [("low", [1, 2]), ("high", [3])]
    assert ledger.entry("map", "again").arrived == 3


@pytest.mark.parametrize("kind", ["map", "steps"])
def test_a_stage_with_lanes_says_by_which_results_came(kind: str) -> None:
    room, collected, ledger = room_of(kind, (("x", "map.low"), ("y", "map.high")))
    room.take(results("", 1, 2), "map.low", 0)
    room.take(results("", 3, 4), "map.high", 0)
    assert [(found.lane, list(found.values or ())) for found in collected.results] == [("x", [1, 2]), ("y", [3, 4])]
    assert (ledger.entry("map.low", "again").arrived, ledger.entry("map.high", "again").arrived) == (2, 2)


def test_a_merge_is_one_stream_without_lanes() -> None:
    room, collected = MergeRoom(MergePlan(name="both", streams=("map", "other")), Ledger()), Collected()
    room.outlet.rooms.append(collected)
    room.take(results("high", 1), "map", 0)
    room.take(results("low", 2), "map", 0)
    assert [(found.lane, found.numbers.tolist()) for found in collected.results] == [("", [0]), ("", [1])]


def test_a_sink_counts_the_headers_of_what_it_reads_and_no_others(tmp_path: Any) -> None:
    ledger = Ledger()
    element = Element(name="lines", target=Lines)
    plan = SinkPlan(name="file", element=element, input="a", when="item")
    room = SinkRoom(plan, Lines(str(tmp_path / "lines")), ledger, None)
    room.take(header("a"), "a", 0)
    room.take(header("b"), "map.high", 0)  # came through a stage, which has it in its own books
    assert ledger.entry("a", "file").arrived == 1


def test_a_stage_tries_as_often_as_its_plan_says() -> None:
    seen: list[int] = []

    def unlucky(value: int) -> int:
        seen.append(value)
        raise OSError("never")

    element = Element(name="code:unlucky", target=unlucky)
    plan = StagePlan(name="again", kind="steps", inputs=(("", "map"),), elements=(element,), on_error="retry", trips=5)
    StepsRoom(plan, Ledger()).take(results("", 7), "map", 0)
    assert seen == [7] * 5
