"""A map stage as the event builder sees it, with workers that the test plays: leases, results, deaths, barriers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, EventBatch, Kind, Message, PartColumn
from penstock.core.map_reader import read_map
from penstock.core.run import Outcome
from penstock.services.orders import StageOrder
from penstock.services.remote_map import RemoteMap
from penstock.services.remote_stage import EVERYTHING
from penstock.wire import envelopes as wire
from tests.unit.services.floor_cases import Actor, Hall, closing, part_of, value_of


class Stage(Hall):
    """A map stage and its workers."""

    stage: RemoteMap

    def __init__(self, workers: str = "ab", maps: Any = None, **changes: Any) -> None:
        super().__init__()
        given: dict[str, Any] = {
            "name": "fit", "kind": "map", "inputs": (("", "scan"),), "producers": (("", "scan"),), "workers": 2,
            "order": "kept", "on_error": "fail", "tags": ("generic",), "prefetch": 1, **changes,
        }  # fmt: skip
        self.use(RemoteMap(StageOrder(**given), maps or {}, self.floor))
        for name in workers:
            self.enter(name)

    def __getitem__(self, name: str) -> Actor:
        return self.actors[name]

    def work(self, actor: Actor, lease: wire.Lease, **more: Any) -> None:
        """Let a worker do a whole lease."""
        numbers = [number for number, _ in actor.read(lease)]
        self.say(actor, part_of(lease, numbers, **more), wire.Done(lease.id, 1000))

    def say(self, actor: Actor, *envelopes: Any) -> None:
        for envelope in envelopes:
            self.stage.hear(actor.peer, envelope, self.now)
        self.stage.advance(self.now)

    def leases(self, name: str) -> list[wire.Lease]:
        return self[name].take(wire.Lease)

    def numbers(self, name: str) -> list[list[int]]:
        """Return the events of each lease that a worker was given, and leave them to it."""
        actor = self.actors[name]
        return [[n for n, _ in actor.read(each)] for each in actor.hear() if isinstance(each, wire.Lease)]

    def finish(self) -> None:
        """Let everybody work, and call hooks, until there is nothing to do."""
        is_busy = True
        while is_busy:
            is_busy = False
            for actor in list(self.actors.values()):
                for lease in actor.take(wire.Lease):
                    self.work(actor, lease)
                    is_busy = True
                for flag in actor.take(wire.Flag):
                    self.say(actor, wire.Flagged(flag.id))
                    is_busy = True


@pytest.fixture
def stage() -> Iterator[Stage]:
    with closing(Stage()) as found:
        yield found


def expected(*numbers: int) -> list[tuple[int, Any]]:
    return [(number, value_of(number)) for number in numbers if value_of(number) is not None]


def test_a_worker_gets_its_events_as_they_are_and_they_leave_in_order(stage: Stage) -> None:
    stage.give(stage.events(3), stage.events(3))
    assert (stage.numbers("a"), stage.numbers("b")) == ([[0, 1, 2]], [[3, 4, 5]])
    (lease,) = stage.leases("b")
    assert [event["a"].array[0] for _, event in stage["b"].read(lease)] == [4, 5, 6]
    assert not lease.is_watched
    stage.work(stage["b"], lease)
    assert stage.out.data == []
    assert stage.books() == {"done": 2, "filtered": 1, "in_flight": 3}
    stage.finish()
    assert stage.out.data == expected(*range(6))
    assert stage.books() == {"done": 5, "filtered": 1}
    assert stage.stage.is_idle


def test_slots_come_back_when_all_their_events_are_done(stage: Stage) -> None:
    stage.give(stage.events(3), stage.events(3))
    assert stage.lent() == 2
    stage.work(stage["a"], stage.leases("a")[0])
    assert stage.lent() == 1
    stage.finish()
    assert stage.lent() == 0


def test_nobody_is_lent_more_than_it_may_have() -> None:
    with closing(Stage(prefetch=2)) as stage:
        stage.give(*(stage.events(1) for _ in range(7)))
        assert [len(stage.numbers(name)) for name in "ab"] == [2, 2]
        assert stage.stage.backlog == 3
        assert stage.stage.is_busy(stage["a"].peer)
        stage.finish()
        assert stage.out.data == expected(*range(7))
        assert not stage.stage.is_busy(stage["a"].peer)


def test_the_parts_of_a_lease_leave_one_by_one() -> None:
    with closing(Stage("a")) as stage:
        stage.give(stage.events(10))
        (lease,) = stage.leases("a")
        stage.say(stage["a"], part_of(lease, [0, 1]))
        assert stage.out.data == expected(0, 1)
        stage.say(stage["a"], part_of(lease, [2]), part_of(lease, range(3, 9)))
        assert stage.out.data == expected(*range(9))
        stage.say(stage["a"], part_of(lease, [9]), wire.Done(lease.id, 1))
        assert stage.out.data == expected(*range(10))


def test_values_of_user_code_pass_through_unread(stage: Stage) -> None:
    stage.give(stage.events(2))
    stage.work(stage["a"], stage.leases("a")[0], make=lambda number: {"n": number, "x": [1.5, None]})
    assert stage.out.data == [(0, {"n": 0, "x": [1.5, None]}), (1, {"n": 1, "x": [1.5, None]})]


STEPS = st.lists(st.tuples(st.sampled_from(["give", "part", "part", "done"]), st.integers(0, 9)), max_size=40)


class Played(Stage):
    """A stage whose workers do a little of what they have, die and are followed, as the steps say."""

    def __init__(self, workers: str, **changes: Any) -> None:
        super().__init__(workers, **changes)
        self.told: dict[int, int] = {}
        self.followers = 0

    def give_some(self, k: int) -> None:
        if self.next_number < 120:
            self.give(self.events(1 + k))

    def part(self, k: int) -> None:
        self._with_lease(k, self._tell)

    def done(self, k: int) -> None:
        def finish(actor: Actor, lease: wire.Lease) -> None:
            while self._tell(actor, lease):
                pass
            actor.said.remove(lease)
            self.say(actor, wire.Done(lease.id, 100))

        self._with_lease(k, finish)

    def die(self, k: int) -> None:
        if self.actors:
            self.lose(list(self.actors.values())[k % len(self.actors)])
            self.enter(f"w{self.followers}")
            self.followers += 1
            self.stage.advance(self.now)

    def settle(self) -> None:
        while not self.stage.is_idle:
            for k in range(len(self.actors)):
                self.done(k)

    def _with_lease(self, k: int, act: Any) -> None:
        actors = list(self.actors.values())
        for actor in actors[k % len(actors) :] + actors[: k % len(actors)]:
            for lease in [each for each in actor.hear() if isinstance(each, wire.Lease)][:1]:
                act(actor, lease)
                return

    def _tell(self, actor: Actor, lease: wire.Lease) -> bool:
        """Tell of the next two rows of a lease; return whether there were any."""
        at = self.told.get(lease.id, 0)
        numbers = [number for number, _ in actor.read(lease)][at : at + 2]
        if numbers:
            self.told[lease.id] = at + len(numbers)
            self.say(actor, part_of(lease, numbers))
        return bool(numbers)


@given(STEPS, st.integers(1, 3))
def test_any_order_of_parts_leaves_in_the_order_of_the_events(steps: list[tuple[str, int]], workers: int) -> None:
    with closing(Played("abc"[:workers])) as stage:
        for step, k in steps:
            {"give": stage.give_some, "part": stage.part, "done": stage.done}[step](k)
            numbers = [number for number, _ in stage.out.data]
            assert numbers == sorted(set(numbers))
        stage.settle()
        assert stage.out.data == expected(*range(stage.next_number))
        assert "in_flight" not in stage.books()
        assert sum(stage.books().values()) == stage.next_number
        stage.out.flows.clear()
        assert stage.lent() == 0


DEADLY = st.lists(st.tuples(st.sampled_from(["give", "part", "part", "done", "die"]), st.integers(0, 9)), max_size=40)


@given(DEADLY, st.integers(1, 3), st.booleans())
def test_whoever_dies_every_event_leaves_once(steps: list[tuple[str, int]], workers: int, is_routed: bool) -> None:
    cells = [[{"constraint": k % 3}] for k in range(150)]
    maps = {"scan": read_map({"parts": {"main": {"a": cells}}, "sequence": ["main"]})} if is_routed else None
    with closing(Played("abc"[:workers], maps=maps)) as stage:
        for step, k in steps:
            {"give": stage.give_some, "part": stage.part, "done": stage.done, "die": stage.die}[step](k)
        stage.settle()
        assert stage.out.data == expected(*range(stage.next_number))
        assert "in_flight" not in stage.books()
        assert sum(stage.books().values()) == stage.next_number


def test_what_a_dead_worker_had_not_told_is_given_again_and_watched() -> None:
    with closing(Stage("a")) as stage:
        stage.give(stage.events(6))
        (lease,) = stage.leases("a")
        stage.say(stage["a"], part_of(lease, [0, 1]))
        stage["a"].peer.progress.begin(lease.id)
        stage.lose(stage["a"])
        stage.enter("b")
        assert stage.numbers("b") == [[2, 3, 4, 5]]
        (again,) = stage.leases("b")
        assert again.is_watched
        stage.work(stage["b"], again)
        assert stage.out.data == expected(*range(6))
        assert stage.books() == {"done": 5, "filtered": 1}


def test_what_a_dead_worker_says_late_is_not_heard(stage: Stage) -> None:
    stage.give(stage.events(2))
    (lease,) = stage.leases("a")
    dead = stage["a"]
    stage.lose(dead)
    stage.say(dead, part_of(lease, [0, 1]), wire.Done(lease.id, 1))
    assert stage.out.data == []
    stage.finish()
    assert stage.out.data == expected(0, 1)


def killed_at(stage: Stage, name: str, event: int) -> None:
    """Let a worker die of one event of what it has."""
    actor = stage[name]
    for lease in actor.take(wire.Lease):
        if event in [number for number, _ in actor.read(lease)]:
            actor.peer.progress.begin(lease.id)
            list(actor.peer.progress.marks([event]))
    stage.lose(actor, "killed by SIGSEGV")
    stage.enter(f"{name}'")


def test_a_suspect_goes_alone_and_is_set_aside_at_its_third_death() -> None:
    with closing(Stage("a", prefetch=1)) as stage:
        stage.give(stage.events(7))
        killed_at(stage, "a", 3)
        assert stage.numbers("a'") == [[0, 1, 2]]
        (lease,) = stage.leases("a'")
        stage.work(stage["a'"], lease)
        assert stage.numbers("a'") == [[3]]
        killed_at(stage, "a'", 3)
        assert stage.numbers("a''") == [[3]]
        assert stage.books() == {"done": 3, "in_flight": 4}
        killed_at(stage, "a''", 3)
        assert stage.books() == {"done": 3, "dead_lettered": 1, "in_flight": 3}
        assert stage.numbers("a'''") == [[4, 5, 6]]
        stage.finish()
        assert [number for number, _ in stage.out.data] == [0, 1, 2, 5, 6]
        assert stage.books() == {"done": 5, "filtered": 1, "dead_lettered": 1}
        (letter,) = stage.floor.dead_letters
        assert (letter.stage, letter.event) == ("fit", 3)
        assert letter.cause == "3 workers died of it, the last one: killed by SIGSEGV"
        assert stage.state.prospect is Outcome.FINISHED


def test_neighbours_of_a_suspect_are_under_no_suspicion() -> None:
    with closing(Stage("a", prefetch=1, trips=2)) as stage:
        stage.give(stage.events(3))
        killed_at(stage, "a", 1)
        (lease,) = stage.leases("a'")
        assert (lease.size, lease.is_watched) == (1, False)
        stage.work(stage["a'"], lease)
        (suspect,) = stage.leases("a'")
        assert (suspect.size, suspect.is_watched) == (1, True)


def start(stage: Stage) -> Any:
    return stage.flag(Kind.START)


def test_a_start_waits_for_all_before_it_and_all_behind_it_wait_for_the_hooks(stage: Stage) -> None:
    stage.give(stage.events(2), start(stage), stage.events(2))
    assert [stage[name].take(wire.Flag) for name in "ab"] == [[], []]
    assert stage.numbers("a") + stage.numbers("b") == [[0, 1]]
    stage.work(stage["a"], stage.leases("a")[0])
    flags = {name: stage[name].take(wire.Flag) for name in "ab"}
    assert [len(each) for each in flags.values()] == [1, 1]
    (flag,) = flags["a"]
    assert stage["a"].line.read(flag.flow).kind is Kind.START  # type: ignore[union-attr]
    stage.say(stage["a"], wire.Flagged(flag.id))
    assert stage.numbers("a") + stage.numbers("b") == []
    assert stage.out.told == [("DATA", 0, "v0"), ("DATA", 1, "v1")]
    stage.say(stage["b"], wire.Flagged(flag.id))
    stage.finish()
    assert stage.out.told[2:] == [("START", 0, None), ("DATA", 2, "v2"), ("DATA", 3, "v3")]
    assert stage.books() == {"done": 4}
    assert stage.stage.is_idle


def test_without_a_worker_a_start_waits(stage: Stage) -> None:
    for name in "ab":
        stage.lose(stage[name])
    stage.give(start(stage), stage.events(1))
    assert not stage.out.told
    stage.enter("c")
    stage.finish()
    assert stage.out.told == [("START", 0, None), ("DATA", 0, "v0")]


def test_who_dies_in_a_hook_is_not_waited_for(stage: Stage) -> None:
    stage.give(start(stage), stage.events(1))
    (flag,) = stage["a"].take(wire.Flag)
    stage.say(stage["a"], wire.Flagged(flag.id))
    assert not stage.out.told
    stage.lose(stage["b"])
    assert stage.out.told == [("START", 0, None)]
    stage.finish()
    assert stage.out.data == expected(0)


def test_who_comes_late_is_told_of_the_start_before_it_works(stage: Stage) -> None:
    stage.give(start(stage))
    stage.finish()
    late = stage.enter("c")
    stage.give(*(stage.events(1) for _ in range(3)))
    kinds = [type(envelope) for envelope in late.hear()]
    assert kinds[:2] == [wire.Flag, wire.Lease]
    (flag,) = late.take(wire.Flag)
    assert late.line.read(flag.flow).kind is Kind.START  # type: ignore[union-attr]
    stage.say(late, wire.Flagged(flag.id))
    stage.finish()
    assert stage.out.data == expected(0, 1, 2)


def test_who_comes_while_an_end_waits_is_told_of_it_too(stage: Stage) -> None:
    stage.give(start(stage))
    stage.finish()
    stage.give(stage.flag(Kind.END))
    assert [len(stage[name].take(wire.Flag)) for name in "ab"] == [1, 1]
    late = stage.enter("c")
    first, second = late.take(wire.Flag)
    flows: list[Any] = [late.line.read(flag.flow) for flag in (first, second)]
    assert [flow.kind for flow in flows] == [Kind.START, Kind.END]
    for name in "ab":
        stage.say(stage[name], wire.Flagged(second.id))
    assert stage.out.told == [("START", 0, None)]
    stage.say(late, wire.Flagged(second.id))
    assert stage.out.told == [("START", 0, None), ("END", 0, None)]


def test_an_instruments_own_header_is_in_the_books_and_a_start_event_is_not() -> None:
    inputs = (("", "detector"),)
    with closing(Stage(inputs=inputs, producers=inputs)) as stage:
        header = stage.instrument.give(Block.of("detector", [Message(id=1, kind=Kind.START)]))
        stage.give(header, producer="detector")
        assert stage.books("detector") == {"in_flight": 1}
        stage.finish()
        assert stage.books("detector") == {"done": 1}
        assert stage.out.told == [("START", 1, None)]
        del header
        stage.out.flows.clear()
        assert stage.lent() == 0  # it lies where it hinders no source


def test_messages_are_lent_as_events_are() -> None:
    inputs = (("", "detector"),)
    with closing(Stage(inputs=inputs, producers=inputs)) as stage:
        batch = stage.events(4)
        block = batch.parts[0].block
        assert block is not None
        stage.give(block, producer="detector")
        ((one, two, *_),) = stage.numbers("a")
        assert (one, two) == (1, 2)
        stage.finish()
        assert stage.out.data == expected(1, 2, 3, 4)


def failed(event: int | None, *, stage: str = "fit") -> wire.Failed:
    note = wire.Note(stage, event, "ValueError: no", "Traceback …")
    return wire.Failed(f"stage fit, event {event}: ValueError: no", event, 0, (note,))


def test_from_a_failure_on_nothing_is_let_past_and_nothing_is_lent(stage: Stage) -> None:
    stage.give(stage.events(3), stage.events(3), stage.events(3))
    first, second = stage.leases("a")[0], stage.leases("b")[0]
    stage.say(stage["b"], failed(4), part_of(second, [3, 4]), wire.Done(second.id, 1))
    assert stage.failed == ["stage fit, event 4: ValueError: no"]
    assert stage.state.prospect is Outcome.FAILED
    assert stage.floor.failures[-1].cause == "ValueError: no"
    assert [stage.stage.is_settled, *stage.out.data] == [False]
    stage.work(stage["a"], first)
    assert stage.out.data == expected(0, 1, 2, 3)
    assert [stage.stage.is_settled] == [True]
    stage.give(stage.events(3))
    assert not stage.leases("a") + stage.leases("b")


def test_of_two_failures_the_earlier_event_counts(stage: Stage) -> None:
    stage.give(stage.events(3), stage.events(3))
    stage.say(stage["b"], failed(5))
    stage.say(stage["a"], failed(1))
    assert stage.stage.limit == 1
    stage.say(stage["b"], failed(4))
    assert stage.stage.limit == 1


def test_a_failure_of_no_event_lets_nothing_past(stage: Stage) -> None:
    assert stage.stage.limit == EVERYTHING
    stage.give(stage.events(3))
    (lease,) = stage.leases("a")
    stage.say(stage["a"], failed(None))
    assert stage.stage.is_settled
    stage.work(stage["a"], lease)
    assert stage.out.data == []


def test_what_user_code_raised_is_kept_for_people_without_ending_the_run() -> None:
    with closing(Stage("a", on_error="dead_letter")) as stage:
        stage.give(stage.events(3))
        (lease,) = stage.leases("a")
        note = wire.Note("fit", 1, "ValueError: no", "Traceback …", "an event")
        accounts = ((int(Account.DONE), 2), (int(Account.DEAD_LETTERED), 1))
        told = part_of(lease, [0, 1, 2], lambda number: None if number == 1 else "v", notes=(note,))
        told = wire.Part(told.lease, told.size, told.results, accounts, told.present, told.notes)
        stage.say(stage["a"], told, wire.Done(lease.id, 1))
        assert stage.books() == {"done": 2, "dead_lettered": 1}
        assert [letter.event for letter in stage.floor.dead_letters] == [1]
        assert stage.ledger.entry("scan", "fit").remarks[-1].detail == "event 1: ValueError: no"
        assert stage.out.data == [(0, "v"), (2, "v")]
        assert stage.state.prospect is Outcome.FINISHED


def test_who_leaves_finishes_what_it_has() -> None:
    with closing(Stage(prefetch=2)) as stage:
        stage.give(*(stage.events(1) for _ in range(6)))
        stage.stage.leave("a")
        assert stage.stage.workers == 1
        assert stage.stage.left(0) == []
        first, second = stage.leases("a")
        stage.work(stage["a"], first)
        assert (stage.leases("a"), stage.stage.left(0)) == ([], [])
        stage.work(stage["a"], second)
        assert stage.stage.left(0) == [stage["a"].peer]
        assert stage.stage.left(0) == []
        stage.finish()
        assert stage.out.data == expected(*range(6))


def test_who_was_to_leave_before_it_was_there_gets_nothing() -> None:
    with closing(Stage("")) as stage:
        actor = stage.enter("a", is_leaving=True)
        stage.give(stage.events(1))
        assert not actor.take(wire.Lease)
        assert stage.stage.left(0) == [actor.peer]
        stage.enter("b")
        stage.finish()
        assert stage.out.data == expected(0)


def for_all(events: int) -> Any:
    """Return a map in which every event goes to every worker."""
    cell = [{"constraint": None, "tags": ["generic"]}]
    return {"scan": read_map({"parts": {"main": {"a": [cell] * events}}, "sequence": ["main"]})}


def test_an_event_for_all_counts_once_for_each() -> None:
    with closing(Stage(maps=for_all(2))) as stage:
        stage.give(stage.events(2))
        assert (stage.numbers("a"), stage.numbers("b")) == ([[0, 1]], [[0, 1]])
        copies = [stage[name].hear()[0].copies for name in "ab"]
        assert [None if each is None else each.array().tolist() for each in copies] in ([None, [1, 1]], [[1, 1], None])
        stage.finish()
        assert sorted(stage.out.data) == sorted(expected(0, 1) * 2)
        assert stage.books() == {"done": 4}


@pytest.mark.parametrize("end", ["dies", "leaves"])
def test_copies_end_with_their_worker_and_hold_up_nobody(end: str) -> None:
    with closing(Stage(maps=for_all(3))) as stage:
        stage.give(stage.events(1))
        (lease,) = stage.leases("a")
        stage.work(stage["b"], stage.leases("b")[0])
        stage.give(stage.events(1))  # its copy for the first worker is held until that has done the other
        if end == "dies":
            stage.lose(stage["a"])
        else:
            stage.stage.leave("a")
            stage.work(stage["a"], lease)
            assert stage.stage.left(0) == [stage["a"].peer]
        stage.give(stage.events(1))
        stage.finish()
        assert [number for number, _ in stage.out.data] == ([0, 1, 2] if end == "dies" else [0, 0, 1, 2])
        assert stage.books() == ({"done": 3, "failed": 2} if end == "dies" else {"done": 4, "discarded": 1})
        assert stage.stage.is_idle


def test_an_event_for_nobody_here_is_discarded() -> None:
    cells: list[Any] = [[{"constraint": 0}], [], [{"constraint": 1}]]
    maps = {"scan": read_map({"parts": {"main": {"a": cells}}, "sequence": ["main"]})}
    with closing(Stage(maps=maps)) as stage:
        stage.give(stage.events(3))
        stage.finish()
        assert stage.out.data == expected(0, 2)
        assert stage.books() == {"done": 2, "discarded": 1}


def test_its_outlet_ends_once_when_all_is_done(stage: Stage) -> None:
    stage.give(stage.events(2))
    stage.stage.close("scan", 0)
    assert stage.out.closed == 0
    stage.finish()
    assert (stage.out.closed, stage.out.data) == (1, expected(0, 1))
    stage.stage.advance(0)
    assert stage.out.closed == 1


def test_nothing_is_lent_while_what_reads_from_it_has_enough(stage: Stage) -> None:
    stage.out.is_full = True
    stage.give(stage.events(2))
    assert [stage.leases(name) for name in "ab"] == [[], []]
    stage.out.is_full = False
    stage.stage.advance(0)
    stage.finish()
    assert stage.out.data == expected(0, 1)


def test_lanes_leave_each_in_its_own_order() -> None:
    inputs = (("high", "x"), ("low", "y"))
    with closing(Stage("a", inputs=inputs, producers=inputs, prefetch=1)) as stage:
        low, high = stage.events(2), stage.events(2)
        stage.stage.take(low, "y", 0)
        stage.stage.take(high, "x", 0)
        stage.stage.advance(0)
        assert stage["a"].hear()[-1].lane == "high"
        stage.finish()
        assert stage.out.data == expected(2, 3, 0, 1)
        assert [flow.lane for flow in stage.out.flows] == ["high", "low"]
        assert (stage.books("x"), stage.books("y")) == ({"done": 2}, {"done": 2})


def test_what_is_urgent_is_lent_to_a_busy_worker_which_is_told() -> None:
    inputs = (("high", "x"), ("low", "y"))
    with closing(Stage("a", inputs=inputs, producers=inputs, prefetch=1)) as stage:
        low, high = stage.events(4), stage.events(2)
        stage.stage.take(low, "y", 0)
        stage.stage.advance(0)
        (first,) = stage.leases("a")
        assert (first.is_urgent, stage["a"].peer.progress.urged) == (False, 0)
        stage.stage.take(high, "x", 0)
        stage.stage.advance(0)
        (urgent,) = stage.leases("a")
        assert (urgent.is_urgent, stage["a"].peer.progress.urged) == (True, 1)
        done = [number for number, _ in stage["a"].read(first)]
        stage.say(stage["a"], part_of(first, done[:1]))
        stage.work(stage["a"], urgent)
        assert stage.out.data == expected(0, 4, 5)
        stage.say(stage["a"], part_of(first, done[1:]), wire.Done(first.id, 1000))
        assert stage.out.data == expected(0, 4, 5, 1, 2, 3)
        assert stage.stage.is_idle


def test_results_of_another_stage_are_lent_as_pieces() -> None:
    inputs = (("", "fit"),)
    with closing(Stage("a")) as before, closing(Stage("b", name="more", inputs=inputs, producers=inputs)) as stage:
        stage.custody = before.custody
        stage.floor.custody = before.custody
        before.give(before.events(7))
        before.finish()
        for flow in before.out.flows:
            stage.give(flow, producer="fit")
        leases = stage.leases("b")
        found = [pair for lease in leases for pair in stage["b"].read(lease)]
        assert found == expected(*range(7))
        assert stage.books("fit") == {"in_flight": 6}


@pytest.mark.parametrize("progress", ["none", "an event", "idle"])
def test_who_gets_on_with_nothing_is_killed(progress: str) -> None:
    with closing(Stage("a", deadline_s=1.0)) as stage:
        stage.give(stage.events(2))
        if progress == "idle":
            stage.finish()
        for second in range(5):
            stage.stage.watch(second * 600_000_000)
            if progress == "an event":
                list(stage["a"].peer.progress.marks([second]))
        killed = [("a", "a got on with nothing for 1 s")] * 2  # again where the first time was of no avail
        assert stage.killed == (killed if progress == "none" else [])


def test_what_user_code_keeps_stays_lent_until_it_is_let_go(stage: Stage) -> None:
    stage.give(stage.events(2))
    (lease,) = stage.leases("a")
    kept: Sequence[Any] = (("detector", 1, 0),)
    stage.say(stage["a"], part_of(lease, [0, 1]), wire.Done(lease.id, 1, kept=tuple(kept)))
    stage.out.flows.clear()
    assert stage.lent() == 1
    stage.give(stage.events(1))
    (lease,) = stage.leases("b") or stage.leases("a")
    stage.say(stage["a"], part_of(lease, [2]), wire.Done(lease.id, 1, let_go=tuple(kept)))
    assert stage.lent() == 0


def test_large_ranges_are_cut_so_that_each_fits_a_message(stage: Stage) -> None:
    n = 40_000
    ids = np.arange(1, n + 1).astype(np.uint64)
    block = stage.custody.shelve(Block(stream="detector", ids=ids, timestamps=np.zeros(n, np.int64)))
    rows = np.random.default_rng(1).permutation(n)
    part = PartColumn(block=block, rows=rows)
    stage.give(EventBatch(join="scan", names=("a",), numbers=np.arange(n) ** 2, parts=(part,)))
    stage.finish()
    assert stage.out.data == expected(*(number**2 for number in range(n)))


# Holding and giving up


def test_who_is_held_is_lent_nothing_until_it_is_released(stage: Stage) -> None:
    stage.give(stage.events(2))
    stage.stage.is_held = True
    stage.give(stage.events(4), stage.flag(Kind.END))
    stage.finish()
    assert stage.out.data == expected(0, 1)
    assert stage.books() == {"done": 2, "in_flight": 4}
    stage.stage.is_held = False
    stage.give()
    stage.finish()
    assert stage.out.data == expected(0, 1, 2, 3, 5)
    assert stage.out.told[-1][0] == "END"


def test_what_a_dead_worker_had_waits_while_the_stage_is_held(stage: Stage) -> None:
    stage.give(stage.events(2))
    stage.stage.is_held = True
    for name in "ab":
        stage.lose(stage[name])
    stage.enter("c")
    stage.finish()
    assert stage.out.data == []
    assert stage.stage.discard(0) == 2
    assert stage.books() == {"aborted": 2}


def test_behind_its_last_input_a_held_stage_does_not_end(stage: Stage) -> None:
    stage.stage.is_held = True
    stage.stage.close("scan", 0)
    stage.give()
    assert stage.out.closed == 0
    stage.stage.is_held = False
    stage.give()
    assert stage.out.closed == 1


def test_what_nobody_was_lent_is_given_up_and_nothing_else(stage: Stage) -> None:
    stage.give(stage.flag(Kind.START))
    stage.finish()
    stage.give(*(stage.events(1) for _ in range(10)))
    lent = sum(len(each) for name in "ab" for each in stage.numbers(name))
    stage.give(stage.flag(Kind.END), stage.events(3))  # behind an end, which is none of them
    assert stage.stage.discard(0) == 13 - lent
    assert stage.books() == {"aborted": 13 - lent, "in_flight": lent}
    (entry,) = stage.stage.entries.values()
    assert [f"{remark.what}: {remark.detail}" for remark in entry.remarks] == ["aborted: discarded on request"]
    stage.give(stage.events(2))
    stage.finish()
    assert [kind for kind, _, _ in stage.out.told if kind != "DATA"] == ["START", "END"]
    assert [number for number, _ in stage.out.data] == [n for n in [*range(lent), 13, 14] if value_of(n) is not None]
    assert stage.stage.is_idle
    assert stage.lent() == 0, "what was given up still lies in slots"


@given(
    st.lists(st.tuples(st.sampled_from(["give", "work", "lose", "discard", "hold"]), st.integers(1, 7)), max_size=25),
    st.booleans(),
)
def test_whatever_is_given_up_and_whoever_dies_the_books_are_right(steps: list[tuple[str, int]], routed: bool) -> None:
    cells: list[Any] = [[{"constraint": k % 3 if k % 4 else None}] for k in range(200)]
    maps = {"scan": read_map({"detector": cells})} if routed else None
    with closing(Stage(maps=maps)) as stage:
        names = iter("cdefghijklmnopqrstuvwxyzABCDEF")
        discarded = 0
        for step, n in steps:
            if step == "give":
                stage.give(stage.events(n))
            elif step == "work":
                for actor in list(stage.actors.values()):
                    for lease in actor.take(wire.Lease):
                        stage.work(actor, lease)
            elif step == "lose":
                stage.lose(stage[min(stage.actors)])
                stage.enter(next(names))
            elif step == "discard":
                discarded += stage.stage.discard(stage.now)
            else:
                stage.stage.is_held = not stage.stage.is_held
                stage.give()
        stage.stage.is_held = False
        stage.give()
        stage.finish()
        books = stage.books()
        assert books.get("aborted", 0) == discarded
        assert "in_flight" not in books
        assert stage.stage.is_idle
        numbers = [number for number, _ in stage.out.data]
        assert numbers == sorted(numbers), "out of order"
        assert routed or len(numbers) == len(set(numbers)), "doubled"
        assert stage.lent() == 0
