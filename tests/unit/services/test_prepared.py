"""Steps before a worker: what it is given, one by one and in batches, and whose fault what is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, Event, EventBatch, Kind, Ledger, Message, PartColumn
from penstock.core.event_rows import batch_of_events
from penstock.core.parameters import Parameters
from penstock.core.result import Result
from penstock.elements.steps.correct import Correct
from penstock.elements.user_code import validate
from penstock.errors import UserCodeError
from penstock.pipeline.plan import Element, StagePlan
from penstock.services.map_room import MapRoom
from penstock.services.prepared import PreparedWorker, prepared_worker
from tests.unit.services.test_rooms import Collected


def events(n: int, absent: tuple[int, ...] = ()) -> EventBatch:
    """Events of images full of their number, and of a second stream that is left as it is."""
    images = [Message(key=k, array=np.full((2, 2), k, np.uint16), metadata={"k": k}) for k in range(n)]
    others = [Message(key=k, array=np.array([k, k])) for k in range(n)]
    rows = [k for k in range(n) if k not in absent]
    present = np.array([k not in absent for k in range(n)])
    return EventBatch(
        join="scan",
        names=("image", "other"),
        numbers=np.arange(n) + 10,
        parts=(
            PartColumn(block=Block.of("image", images), rows=np.array(rows, np.intp), present=present),
            PartColumn(block=Block.of("other", others), rows=slice(0, n)),
        ),
    )


class Sums:
    """Takes ranges, and remembers what it was given."""

    def __init__(self, lose: int = 0) -> None:
        self.batches: list[EventBatch] = []
        self.lose = lose

    def process(self, event: Any) -> float:
        return float(event["image"].array.sum()) if isinstance(event, Event) else -1.0

    def process_batch(self, batch: EventBatch) -> list[float]:
        self.batches.append(batch)
        return batch.parts[0].array.sum(axis=(1, 2)).tolist()[self.lose :]  # type: ignore[no-any-return]


def only_even(event: Event) -> Event | None:
    return event if event.number % 2 == 0 else None


def as_number(event: Event) -> int:
    return event.number


def made(*steps: Any, lose: int = 0, **parameters: Any) -> PreparedWorker:
    named = [(f"test:{target.__name__}", target, arguments) for target, arguments in steps]
    return prepared_worker((Sums, {"lose": lose}), named, parameters=parameters, stage="fit", context={}, folder=".")


def room(
    *steps: tuple[Callable[..., Any], dict[str, Any]], lose: int = 0, workers: int = 1
) -> tuple[MapRoom, Collected]:
    plan = StagePlan(
        name="fit",
        kind="map",
        inputs=(("", "scan"),),
        elements=(Element(name="test:Sums", target=Sums, arguments={"lose": lose}),),
        prepare=tuple(Element(name=f"test:{t.__name__}", target=t, arguments=a) for t, a in steps),
        workers=workers,
    )
    ticks = iter(range(10**9))
    found = MapRoom(plan, Ledger(), lambda: next(ticks), [{} for _ in range(workers)], {})
    found.outlet.rooms.append(out := Collected())
    return found, out


DARK = (Correct, {"field": "image", "dark": np.ones((2, 2))})


def test_a_worker_gets_what_its_steps_have_made() -> None:
    worker = made(DARK)
    event = next(events(3).events())
    assert worker.call(event) == -4.0
    prepared = worker.instances[0].call(event)
    assert (prepared.number, prepared["image"].metadata, prepared["image"].array.dtype) == (10, {"k": 0}, np.float32)
    assert prepared["other"] is event["other"]
    assert worker.call_batch is not None
    assert worker.call_batch(events(3)) == [-4.0, 0.0, 4.0]


@given(st.integers(1, 8), st.sets(st.integers(0, 7), max_size=3), st.booleans())
def test_a_batch_has_the_parts_that_its_events_have(n: int, absent: set[int], is_filtered: bool) -> None:
    batch = events(n, tuple(absent))
    before = list(batch.events())
    rows = [k for k in range(n) if not is_filtered or k % 2 == 0]
    correct = Correct("image", dark=np.ones((2, 2)))
    after = [correct(before[k]) for k in rows]
    found = batch_of_events(batch, rows, [before[k] for k in rows], after)
    for one, other in zip(found.events(), after, strict=True):
        assert one.number == other.number
        assert (one["image"] is None) is (other["image"] is None)
        if one["image"] is not None:
            assert one["image"].array.tolist() == other["image"].array.tolist()
            assert (one["image"].key, one["image"].metadata) == (other["image"].key, other["image"].metadata)
        assert one["other"].array.tolist() == [one.number - 10] * 2
    assert found.parts[1].block is batch.parts[1].block, "what nobody changed was copied"


def test_ranges_stay_ranges() -> None:
    images = Block.of("image", [Message(array=np.full((2, 2), k)) for k in range(3)])
    column = PartColumn(block=images, rows=slice(0, 3), counts=np.array([2, 0, 1]))
    batch = EventBatch(join="scan", names=("image",), numbers=np.arange(3), parts=(column,))
    before = list(batch.events())
    after = [Correct("image", dark=np.ones((2, 2)))(event) for event in before]
    found = [event["image"] for event in batch_of_events(batch, [0, 1, 2], before, after).events()]
    assert [None if part is None else [m.array[0, 0] for m in part] for part in found] == [[-1, 0], None, [1]]


def test_what_a_step_filters_never_comes_to_the_worker_and_is_counted() -> None:
    stage, out = room((only_even, {}), DARK)
    stage.take(events(5), "scan", 0)
    assert out.values == [-4.0, None, 4.0, None, 12.0]
    accounts = stage.calls["scan"].entry
    assert (accounts[Account.DONE], accounts[Account.FILTERED]) == (3, 2)
    (worker,) = stage._workers.values()
    assert [batch.numbers.tolist() for batch in worker.worker.attributes["batches"]] == [[10, 12, 14]]


def test_a_worker_that_miscounts_what_is_left_is_told_so() -> None:
    stage, _ = room((only_even, {}), lose=1)
    with pytest.raises(UserCodeError, match=r"process_batch returned 2 values for 3 events; return one value each"):
        stage.take(events(5), "scan", 0)


def test_what_is_no_event_any_more_comes_one_by_one() -> None:
    stage, out = room((as_number, {}))
    stage.take(events(4).take(slice(0, 2)), "scan", 0)
    stage.take(events(4).take(slice(2, 4)), "scan", 0)
    assert out.values == [-1.0] * 4


def test_a_step_that_fails_is_the_event_s_failure() -> None:
    stage, _ = room((Correct, {"field": "image", "dark": np.ones((3, 3))}))
    with pytest.raises(UserCodeError, match=r"stage fit, event 10: ValueError: the dark is \(3, 3\)"):
        stage.take(events(5), "scan", 0)


def test_each_worker_has_its_own_steps_and_all_see_parameters_change() -> None:
    stage, out = room(DARK, workers=2)
    first, second = stage._workers.values()
    assert first.instances[0] is not second.instances[0]
    assert stage.crew._names == [("fit-0", 0), ("fit-0", 1), ("fit-1", 0), ("fit-1", 1)]
    declared = {p.address: p for i in stage.crew.instances for p in i.parameters}
    assert "fit.Correct.dark" in declared
    stage.crew.parameters = found = Parameters(declared.values(), {"dark": [[1, 1], [1, 1]]}, validate=validate)
    found.follow(1, 12, {"fit.Correct.dark": np.zeros((2, 2))})
    stage.take(events(4), "scan", 0)
    assert out.values == [-4.0, 0.0, 8.0, 12.0]


def test_hooks_of_steps_are_called() -> None:
    class Noted:
        def __init__(self) -> None:
            self.kinds: list[str] = []

        def start(self, event: Event) -> None:
            self.kinds.append("start")

        def end(self, event: Event) -> None:
            self.kinds.append("end")

        def __call__(self, event: Event) -> Event:
            return event

    stage, _ = room((Noted, {}))
    for kind in (Kind.START, Kind.DATA, Kind.END):
        flow = events(1)
        stage.take(
            EventBatch(join="scan", names=flow.names, numbers=flow.numbers, parts=flow.parts, kind=kind), "scan", 0
        )
    assert stage.crew.instances[0].attributes["kinds"] == ["start", "end"]


def test_a_worker_of_whole_results_cannot_be_prepared_for() -> None:
    def number(result: Result) -> int:
        return result.number

    with pytest.raises(UserCodeError, match="number is annotated Result, but what prepares gives it the value"):
        prepared_worker(
            (number, {}), [("as_number", as_number, {})], parameters={}, stage="fit", context={}, folder="."
        )


def test_a_generator_cannot_prepare() -> None:
    def pairs(upstream: Any) -> Any:
        yield from upstream

    with pytest.raises(UserCodeError, match=r"stage fit: pairs is a generator; what prepares takes one item"):
        made((pairs, {}))
