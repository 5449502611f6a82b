"""The rooms of one thread: hooks, ticks, errors, parameter boundaries, and when a sink writes."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
import pytest

from penstock.core import Account, EventBatch, Kind, Ledger, PartColumn, Timestamp
from penstock.core.ledger import Entry
from penstock.core.parameter import Unit
from penstock.core.parameters import Parameters
from penstock.core.result_range import ResultRange
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.user_code import Worker, validate
from penstock.errors import ResultTypeError, UserCodeError
from penstock.pipeline.plan import Element, OnError, SinkPlan, StagePlan
from penstock.services.crew import Crew
from penstock.services.map_room import MapRoom
from penstock.services.sink_room import SinkRoom
from penstock.services.steps_room import StepsRoom
from penstock.services.user_calls import UserCalls


def batch(first: int, stop: int, kind: Kind = Kind.DATA) -> EventBatch:
    return EventBatch(
        join="scan", names=("a",), numbers=np.arange(first, stop), parts=(PartColumn(block=None),), kind=kind
    )


def calls(on_error: OnError, n: int) -> tuple[UserCalls, Entry]:
    entry = Entry("scan", "fit")
    entry.arrive(n)
    return UserCalls("fit", entry, on_error), entry


class Collected:
    """A room that keeps what it is given."""

    name = "collected"

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.closed = 0

    def take(self, flow: Any, producer: str, now: int) -> None:
        if isinstance(flow, ResultRange):
            self.values += [] if flow.values is None else list(flow.values)

    def close(self, producer: str, now: int) -> None:
        self.closed += 1


class Ticking:
    tick_s = 0.5

    def __init__(self) -> None:
        self.ticks: list[Timestamp] = []

    def process(self, event: Any) -> None:
        del event

    def tick(self, now: Timestamp) -> None:
        self.ticks.append(now)


class Failing:
    def process(self, event: Any) -> None:
        del event

    def start(self, event: Any) -> None:
        raise OSError("no file")

    def close(self) -> None:
        raise OSError("cannot close")


class Passed(Collected):
    """A room that keeps kinds and numbers too."""

    def take(self, flow: Any, producer: str, now: int) -> None:
        if isinstance(flow, ResultRange):
            self.values += zip(flow.numbers.tolist(), flow.values or (), strict=True)
        else:
            self.values.append(flow.kind.name)


def numbers_in_pairs(upstream: Iterator[Any]) -> Iterator[list[int]]:
    for event in upstream:
        yield [each.number for each in (event, next(upstream, None)) if each is not None]


def test_what_a_generator_holds_comes_before_the_end_and_is_numbered_anew() -> None:
    element = Element(name="mine:numbers_in_pairs", target=numbers_in_pairs)
    plan = StagePlan(name="pairs", kind="steps", inputs=(("", "scan"),), elements=(element,))
    ledger, passed = Ledger(), Passed()
    room = StepsRoom(plan, ledger, 0)
    room.outlet.rooms.append(passed)
    assert (room.holds, room.renumbers, room.next_number) == (True, True, 0)
    room.take(batch(0, 1, Kind.START), "scan", 0)
    room.take(batch(0, 2), "scan", 0)
    room.take(batch(2, 5), "scan", 0)
    room.take(batch(5, 6, Kind.END), "scan", 0)
    assert passed.values == ["START", (0, [0, 1]), (1, [2, 3])]
    for _ in range(2):
        room.close("scan", 0)
    assert passed.values == ["START", (0, [0, 1]), (1, [2, 3]), (2, [4]), "END"]
    assert (passed.closed, room.holds, room.next_number) == (1, False, 3)
    assert ledger.entry("scan", "pairs")[Account.DONE] == 5
    room.finish()


def test_ticks_come_at_their_interval_and_never_in_a_burst() -> None:
    worker = Worker(Ticking)
    crew = Crew("fit", [worker])
    assert crew.next_tick_ns(0) == 500_000_000
    for now in (499_999_999, 500_000_000, 500_000_001, 5_000_000_000, 5_000_000_001):
        crew.tick(now, now + 7)
    ticking = worker.call.__self__  # type: ignore[attr-defined]  # the user's object, behind its bound method
    assert [tick.ns for tick in ticking.ticks] == [500_000_007, 5_000_000_007, 5_000_000_008]


def test_a_hook_that_raises_is_named() -> None:
    crew = Crew("fit", [Worker(Failing)])
    with pytest.raises(UserCodeError, match="stage fit, hook start: OSError: no file"):
        crew.flag(batch(-1, 0, Kind.START))
    with pytest.raises(UserCodeError, match="stage fit, hook close: OSError: cannot close"):
        crew.close()


def test_fail_accounts_for_what_was_called_before() -> None:
    user, entry = calls("fail", 4)
    with pytest.raises(UserCodeError, match="stage fit, event 12: ZeroDivisionError") as caught:
        user.run(lambda item: 1 / item, [1, 1, 0, 1], np.array([10, 11, 12, 13]))
    assert (caught.value.event, caught.value.stage) == (12, "fit")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert (entry[Account.DONE], entry[Account.FAILED], entry.in_flight) == (2, 1, 1)


def test_retry_gives_an_item_three_trips() -> None:
    seen: list[int] = []

    def twice_unlucky(item: int) -> int:
        seen.append(item)
        if seen.count(item) < 3:
            raise OSError("try again")
        return item

    user, entry = calls("retry", 2)
    assert user.run(twice_unlucky, [5, 6], np.array([0, 1])) == [5, 6]
    assert entry[Account.DONE] == 2
    assert seen.count(5) == 3


def test_skip_and_dead_letter_differ_in_the_account() -> None:
    for on_error, account in (("skip", Account.FAILED), ("dead_letter", Account.DEAD_LETTERED)):
        user, entry = calls(on_error, 3)  # type: ignore[arg-type]  # a loop over two of the literals
        assert user.run(lambda item: 1 / item, [1, 0, 2], np.array([0, 1, 2])) == [1.0, None, 0.5]
        assert (entry[Account.DONE], entry[account], entry.in_flight) == (2, 1, 0)
        assert user.accounts([1.0, None, 0.5]).tolist() == [Account.DONE, account, Account.DONE]
        assert "ZeroDivisionError" in user.failures[0].traceback


def test_only_the_first_result_is_looked_at_and_arrays_may_be_among_them() -> None:
    user, entry = calls("fail", 3)
    returned = [None, np.arange(3), object()]
    assert len(user.run(lambda item: returned[item], [0, 1, 2], np.array([0, 1, 2]))) == 3
    assert (entry[Account.DONE], entry[Account.FILTERED]) == (2, 1)
    other, _ = calls("fail", 1)
    with pytest.raises(ResultTypeError, match="stage fit"):
        other.run(lambda item: object(), [0], np.array([0]))


def test_a_batch_that_raises_is_done_event_by_event() -> None:
    user, entry = calls("skip", 4)

    def whole(events: EventBatch) -> list[int]:
        raise MemoryError(f"{len(events)} at once")

    def single(event: Any) -> int:
        if event.number == 2:
            raise ValueError("not this one")
        return int(event.number)

    assert user.run_batch(whole, single, batch(0, 4)) == [0, 1, None, 3]
    assert (entry[Account.DONE], entry[Account.FAILED]) == (3, 1)


def test_a_batch_of_another_length_is_an_error() -> None:
    user, _ = calls("fail", 4)
    with pytest.raises(UserCodeError, match="returned 1 values for 4 events"):
        user.run_batch(lambda events: [1], lambda event: 1, batch(0, 4))


@pytest.mark.parametrize("returned", [7, np.array(7.0)])
def test_a_batch_that_returns_no_values_is_an_error(returned: Any) -> None:
    user, _ = calls("fail", 4)
    with pytest.raises(UserCodeError, match=r"returned a [a-z]+ for 4 events"):
        user.run_batch(lambda events: returned, lambda event: 1, batch(0, 4))


def test_a_batch_may_return_an_array_and_use_it_again() -> None:
    user, entry = calls("fail", 8)
    memory = np.zeros(4)

    def numbers(events: EventBatch) -> np.ndarray[Any, Any]:
        memory[:] = events.numbers
        return memory

    found = [user.run_batch(numbers, lambda event: 1, batch(n, n + 4)) for n in (0, 4)]
    assert [values.tolist() for values in found if isinstance(values, np.ndarray)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert user.accounts(found[1]).tolist() == [Account.DONE] * 4
    assert entry[Account.DONE] == 8


@pytest.mark.parametrize("on_error", ["fail", "skip", "dead_letter"])
def test_a_range_that_cannot_be_folded_is_given_up_as_a_whole(on_error: OnError) -> None:
    entry = Entry("fit", "sum")
    entry.arrive(3)
    user = UserCalls("sum", entry, on_error, returns=False)

    def refuse(results: Any) -> None:
        raise ValueError("not these")

    if on_error == "fail":
        with pytest.raises(UserCodeError, match="stage sum, reduce_batch of events 4 to 6: ValueError: not these"):
            user.run_fold(refuse, None, np.arange(4, 7))
    else:
        user.run_fold(refuse, None, np.arange(4, 7))
    assert entry[Account.DEAD_LETTERED if on_error == "dead_letter" else Account.FAILED] == 3
    assert (entry.in_flight, len(user.failures)) == (0, 1)


def gained(event: Any, *, gain: Annotated[int, Unit("1")] = 1) -> int:
    return int(event.number) * gain


def stage(kind: Any, target: Callable[..., Any], **options: Any) -> StagePlan:
    element = Element(name="user:code", target=target)
    return StagePlan(name="fit", kind=kind, inputs=(("", "scan"),), elements=(element,), **options)


@pytest.mark.parametrize("kind", ["map", "steps"])
def test_parameters_change_between_two_events_of_a_range(kind: str) -> None:
    ledger = Ledger()
    plan = stage(kind, gained)
    room = MapRoom(plan, ledger, lambda: 0, [{}], {}) if kind == "map" else StepsRoom(plan, ledger)
    declared = [p for instance in room.crew.instances for p in instance.parameters]
    room.crew.parameters = Parameters(declared, validate=validate)
    room.crew.parameters.set({"gain": 10}, from_event=3, who="test", when=Timestamp(0))
    collected = Collected()
    room.outlet.rooms.append(collected)
    room.take(batch(0, 6), "scan", 0)
    room.close("scan", 0)
    assert collected.values == [0, 1, 2, 30, 40, 50]
    assert collected.closed == 1


class Kept(Sink):
    def __init__(self) -> None:
        self.written: list[Any] = []
        self.outcome = ""

    def open(self, run: RunFacts) -> None:
        del run

    def write(self, item: Any) -> None:
        self.written.append(item)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        self.outcome = outcome


def sink_room(when: Any, versions: list[int], every_s: float = 0.0) -> tuple[SinkRoom, Kept]:
    kept = Kept()
    element = Element(name="kept", target=Kept)
    plan = SinkPlan(name="file", element=element, input="image", when=when, every_s=every_s)
    room = SinkRoom(plan, kept, Ledger(), lambda: (f"views {versions[-1]}", versions[-1]))
    room.open(RunFacts(pipeline="p", run="r"))
    return room, kept


def test_views_are_written_at_the_end_once() -> None:
    room, kept = sink_room("end", [3])
    room.take(batch(0, 1), "image", 0)
    room.finish(True, "finished")
    room.finish(True, "finished")
    assert (kept.written, kept.outcome) == (["views 3"], "finished")


def test_views_are_written_at_every_change() -> None:
    versions = [1]
    room, kept = sink_room("change", versions)
    room.take(batch(0, 1), "image", 0)
    room.take(batch(0, 1), "image", 1)
    versions.append(2)
    room.take(batch(1, 2), "image", 2)
    room.finish(True, "finished")
    assert kept.written == ["views 1", "views 2"]


def test_views_are_written_every_so_often() -> None:
    versions = [1]
    room, kept = sink_room("every", versions, every_s=1.0)
    assert room.next_due_ns() is None
    for now, version in ((0, 1), (400_000_000, 2), (1_000_000_000, 3)):
        versions.append(version)
        room.take(batch(0, 1), "image", now)
    assert kept.written == ["views 1", "views 3"]
    assert room.next_due_ns() == 2_000_000_000
