"""A reducer, or a sink, as the event builder sees it: what is safe is booked, and all else is given again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, Kind, Message
from penstock.core.result_range import ResultRange
from penstock.core.run import Outcome
from penstock.services import remote_fold
from penstock.services.far_results import FarResults
from penstock.services.orders import SinkOrder, StageOrder
from penstock.services.remote_fold import RemoteFold
from penstock.wire import envelopes as wire
from penstock.wire.results import pack_results
from penstock.wire.slots import Slot
from tests.unit.services.floor_cases import Actor, Hall, closing


class Memory:
    """What a reducer publishes: it outlives the process."""

    def __init__(self) -> None:
        self.position = 0
        self.version = 0
        self.state: list[int] = []


class Folder:
    """A reducer's process: it folds numbers into a list."""

    def __init__(self, actor: Actor, stage: "Stage") -> None:
        self.actor, self.stage = actor, stage
        self.state: list[int] = []
        self.folded = 0
        self.hooks: list[tuple[int, str]] = []

    @property
    def has_begun(self) -> bool:
        """Whether it has taken over what there is to take over; it publishes nothing before."""
        return not any(isinstance(envelope, wire.Begin) for envelope in self.actor.hear())

    def act(self, most: int = 1000) -> None:
        """Do what it was told to, at most so many words of it."""
        for _ in range(min(most, len(self.actor.hear()))):
            self._do(self.actor.said.pop(0))

    def save(self, *, is_told: bool = True) -> None:
        """Publish, and say so unless it dies in between."""
        memory = self.stage.memory
        memory.version += 1
        memory.position, memory.state = self.folded, list(self.state)
        if is_told:
            self.say(wire.Saved(memory.position, memory.version, self.stage.keeps_state))

    def say(self, envelope: Any) -> None:
        self.stage.stage.hear(self.actor.peer, envelope, self.stage.now)
        self.stage.stage.advance(self.stage.now)

    def _do(self, envelope: Any) -> None:
        match envelope:
            case wire.Flag(number, _):
                self._flag(number, self.actor.line.read(envelope.flow))
            case wire.Give(number) if number > self.folded:
                self.actor.peer.progress.begin(number)
                numbers = [each for each, _ in self.actor.read(envelope)]
                self.state += numbers
                self.folded = number
                self.actor.peer.progress.end()
                self.say(wire.Folded(number, 1000, ((int(Account.DONE), len(numbers)),)))
            case wire.Begin():
                memory = self.stage.memory
                if memory.version:
                    self.folded, self.state = memory.position, list(memory.state)
                    self.say(wire.Saved(memory.position, memory.version, True))

    def _flag(self, number: int, flow: Any) -> None:
        if 0 < number <= self.folded:
            return
        self.hooks.append((len(self.state), flow.kind.name))
        self.say(wire.Flagged(number))
        if number:
            self.folded = number
            self.save()


class Stage(Hall):
    """A reduce stage and its process."""

    stage: RemoteFold

    def __init__(self, *, keeps_state: bool = True, **changes: Any) -> None:
        super().__init__("reduce")
        given: dict[str, Any] = {
            "name": "image", "kind": "reduce", "inputs": (("", "scan"),), "producers": (("", "scan"),), "workers": 1,
            "order": "kept", "on_error": "fail", "tags": ("generic",), **changes,
        }  # fmt: skip
        self.use(RemoteFold(StageOrder(**given), self.floor))
        self.memory = Memory()
        self.keeps_state = keeps_state
        self.begun = 0
        self.folder = self.begin()

    def begin(self) -> Folder:
        """Start a process of the reducer, a successor if there was one."""
        self.begun += 1
        actor = self.enter(f"image-{self.begun}")
        self.folder = Folder(actor, self)
        return self.folder

    def enter(self, name: str, *, is_leaving: bool = False) -> Actor:
        """Let a process take part that says of its state what it is."""
        keeps_state = self.keeps_state
        stage = self.stage
        original = stage.enter

        def entering(peer: Any, now: int) -> None:
            peer.keeps_state = keeps_state
            original(peer, now)

        stage.enter = entering  # type: ignore[method-assign]
        try:
            return super().enter(name, is_leaving=is_leaving)
        finally:
            stage.enter = original  # type: ignore[method-assign]

    def succeed(self) -> Folder:
        """Let the process die, and another one follow."""
        self.lose(self.folder.actor)
        return self.begin()

    def results(self, n: int, nbytes: int = 0) -> ResultRange:
        """Return results of a stage for the next events, each with so many bytes."""
        first, self.next_number = self.next_number, self.next_number + n
        numbers = np.arange(first, first + n)
        (packed,) = pack_results(ResultRange(stage="fit", numbers=numbers, values=["x" * nbytes] * n), 1 << 30)
        found = packed.descriptor(Slot("fit-0 results", 1, 0) if packed.slot_bytes else None)
        return ResultRange(
            stage="fit", numbers=numbers, values=FarResults([self.custody.piece(found)], slice(0, n)), lane=""
        )


@pytest.fixture
def stage() -> Iterator[Stage]:
    with closing(Stage()) as found:
        yield found


def test_everything_is_given_in_order_and_booked_when_it_is_safe(stage: Stage) -> None:
    stage.give(stage.events(2), stage.events(3))
    stage.folder.act()
    assert stage.folder.state == [0, 1, 2, 3, 4]
    assert stage.books() == {"in_flight": 5}
    assert not stage.stage.is_idle
    stage.folder.save()
    assert stage.books() == {"done": 5}
    assert stage.changed == [("image", 1)]
    assert stage.stage.is_idle


def test_what_is_not_safe_stays_where_it_lies(stage: Stage) -> None:
    stage.give(stage.events(2), stage.events(3))
    stage.folder.act(1)
    stage.folder.save()
    stage.folder.act()
    assert stage.lent() == 1
    stage.folder.save()
    assert stage.lent() == 0


def test_pieces_of_results_are_let_go_of_when_they_are_safe(stage: Stage) -> None:
    stage.give(stage.results(2), producer="scan")
    stage.folder.act()
    assert not stage.custody.gone
    stage.folder.save()
    assert stage.custody.gone == [(1, {stage.folder.actor.peer})]


def test_a_successor_goes_on_from_what_was_published(stage: Stage) -> None:
    stage.give(stage.events(2), stage.events(2), stage.events(2))
    stage.folder.act(1)
    stage.folder.save()
    stage.folder.act(1)
    successor = stage.succeed()
    successor.act()
    assert successor.state == [0, 1, 2, 3, 4, 5]
    assert stage.books() == {"done": 2, "in_flight": 4}
    successor.save()
    assert stage.books() == {"done": 6}


def test_who_dies_between_publishing_and_saying_so_leaves_books_that_add_up(stage: Stage) -> None:
    stage.give(stage.events(2), stage.events(2))
    stage.folder.act()
    stage.folder.save(is_told=False)
    successor = stage.succeed()
    successor.act()
    assert successor.state == [0, 1, 2, 3]
    assert stage.books() == {"done": 4}


def test_who_dies_before_it_says_that_it_folded_leaves_books_that_add_up(stage: Stage) -> None:
    stage.give(stage.events(2), stage.events(3))
    # It folded and published, and both words were lost with it.
    stage.memory.position, stage.memory.version, stage.memory.state = 2, 1, [0, 1, 2, 3, 4]
    successor = stage.succeed()
    successor.act()
    assert successor.state == [0, 1, 2, 3, 4]
    assert stage.books() == {"done": 5}
    assert stage.stage.is_idle


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["give", "give", "fold", "fold", "save", "die", "die unsaid", "flag"]), st.integers(1, 5)
    ),
    max_size=40,
)


def play(stage: Stage, steps: list[tuple[str, int]]) -> int:
    """Do the steps; return how many results there were."""
    for step, k in steps:
        match step:
            case "give":
                stage.give(stage.results(k))
            case "flag":
                stage.give(stage.flag(Kind.END))
            case "fold":
                stage.folder.act(k)
            case "save" if stage.folder.has_begun:
                stage.folder.save()
            case "die unsaid" if stage.keeps_state and stage.folder.has_begun:
                stage.folder.save(is_told=False)
                stage.succeed()
            case "die":
                stage.succeed()
    stage.folder.act()
    stage.folder.save()
    return stage.next_number


@pytest.mark.parametrize("keeps_state", [True, False])
@given(steps=STEPS)
def test_whenever_it_dies_everything_is_folded_once(keeps_state: bool, steps: list[tuple[str, int]]) -> None:
    with closing(Stage(keeps_state=keeps_state)) as stage:
        n = play(stage, steps)
        assert stage.folder.state == list(range(n))
        assert stage.books() == ({"done": n} if n else {})
        assert stage.stage.is_idle
        assert not stage.stage.is_full
        assert not stage.stage.is_busy(stage.folder.actor.peer)
        assert stage.state.prospect is Outcome.FINISHED


def test_a_start_is_told_in_its_turn(stage: Stage) -> None:
    stage.give(stage.events(2), stage.flag(Kind.START), stage.events(1))
    stage.folder.act()
    assert stage.folder.hooks == [(2, "START")]
    stage.folder.save()
    assert stage.books() == {"done": 3}
    assert stage.stage.is_idle


def test_a_successor_is_told_of_the_start_before_it_takes_over(stage: Stage) -> None:
    stage.give(stage.flag(Kind.START), stage.events(2))
    stage.folder.act()
    stage.folder.save()
    successor = stage.succeed()
    assert [type(envelope) for envelope in successor.actor.hear()] == [wire.Flag, wire.Begin]
    successor.act()
    assert (successor.hooks, successor.state) == ([(0, "START")], [0, 1])


def test_a_start_that_was_not_safe_is_not_told_twice(stage: Stage) -> None:
    stage.give(stage.events(1), stage.flag(Kind.START), stage.events(1))
    stage.folder.act(1)
    successor = stage.succeed()
    successor.act()
    assert (successor.hooks, successor.state) == ([(1, "START")], [0, 1])


def test_an_instruments_own_header_is_booked_when_it_is_safe() -> None:
    inputs = (("", "detector"),)
    with closing(Stage(inputs=inputs, producers=inputs)) as stage:
        header = stage.instrument.give(Block.of("detector", [Message(id=1, kind=Kind.START)]))
        stage.give(header, producer="detector")
        stage.folder.act()
        assert stage.books("detector") == {"done": 1}
        del header
        assert stage.lent() == 0


def test_a_state_that_cannot_be_published_is_folded_again_from_the_results() -> None:
    with closing(Stage(keeps_state=False)) as stage:
        stage.give(stage.results(2), stage.results(2))
        stage.folder.act()
        stage.folder.save()
        stage.give(stage.results(1))
        assert stage.books() == {"done": 4, "in_flight": 1}
        successor = stage.succeed()
        assert wire.Begin not in map(type, successor.actor.hear())
        successor.act()
        assert successor.state == [0, 1, 2, 3, 4]
        successor.save()
        assert stage.books() == {"done": 5}
        again = stage.succeed()
        again.act()
        assert again.state == [0, 1, 2, 3, 4]
        assert stage.books() == {"done": 5}


@pytest.mark.parametrize("why", ["in slots", "too much"])
def test_without_state_and_without_the_results_the_run_ends(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "too much":
        monkeypatch.setattr(remote_fold, "REBUILD_BYTES", 1000)
    with closing(Stage(keeps_state=False)) as stage:
        stage.give(stage.results(2, 300_000 if why == "in slots" else 600))
        given = stage.folder.actor.take(wire.Give)
        stage.folder.say(wire.Folded(given[0].id, 1, ((int(Account.DONE), 2),)))
        stage.folder.folded = given[0].id
        stage.folder.save()
        assert not stage.failed
        stage.lose(stage.folder.actor, "image-1 was killed by SIGKILL")
        assert stage.state.prospect is Outcome.FAILED
        (text,) = stage.failed
        assert text.startswith("image-1 was killed by SIGKILL; the state of its reducer could not be published")
        assert "give it checkpoint() and restore()" in text
        assert stage.stage.is_settled


def test_it_is_full_with_more_ranges_than_it_folds_in_a_while(stage: Stage) -> None:
    for _ in range(remote_fold.MOST_UNFOLDED):
        stage.give(stage.results(1))
    assert [stage.stage.is_full] == [False]
    stage.give(stage.results(1))
    assert [stage.stage.is_full] == [True]
    stage.folder.act(1)
    assert [stage.stage.is_full] == [False]


def test_it_is_full_with_more_bytes_than_it_folds_in_a_while(stage: Stage) -> None:
    large = remote_fold.MOST_UNFOLDED_BYTES // 3
    ranges = [stage.results(1, large) for _ in range(3)]
    for each in ranges[:2]:
        stage.give(each)
    assert [stage.stage.is_full] == [False]
    stage.give(ranges[2])
    assert [stage.stage.is_full] == [True]
    given = stage.folder.actor.take(wire.Give)
    stage.folder.say(wire.Folded(given[0].id, 1, ((int(Account.DONE), 1),)))
    assert [stage.stage.is_full] == [False]
    stage.succeed()
    assert [stage.stage.is_full] == [True]  # it must fold it again


def test_who_has_something_to_fold_is_busy(stage: Stage) -> None:
    peer = stage.folder.actor.peer
    assert [stage.stage.is_busy(peer)] == [False]
    stage.give(stage.results(1))
    assert [stage.stage.is_busy(peer)] == [True]
    stage.folder.act()
    assert [stage.stage.is_busy(peer)] == [False]


def test_without_a_process_what_comes_waits_for_one(stage: Stage) -> None:
    stage.lose(stage.folder.actor)
    stage.give(stage.results(2), stage.results(1))
    successor = stage.begin()
    successor.act()
    assert successor.state == [0, 1, 2]


def test_results_without_a_value_are_no_items_of_it(stage: Stage) -> None:
    whole = stage.results(4)
    far = whole.values
    assert isinstance(far, FarResults)
    some = FarResults(far.pieces, far.rows, None, np.array([True, False, False, True]))
    stage.give(ResultRange(stage="fit", numbers=whole.numbers, values=some))
    stage.give(ResultRange(stage="fit", numbers=np.arange(4, 9), values=None))
    stage.folder.act()
    stage.folder.save()
    assert (stage.folder.state, stage.books()) == ([0, 3], {"done": 2})


def test_what_raised_is_in_the_books_and_for_people(stage: Stage) -> None:
    stage.give(stage.results(3))
    (folded,) = stage.folder.actor.take(wire.Give)
    accounts = ((int(Account.DONE), 2), (int(Account.FAILED), 1))
    note = wire.Note("image", 1, "ValueError: no", "Traceback …")
    stage.folder.say(wire.Folded(folded.id, 1, accounts, (note,)))
    stage.folder.say(wire.Saved(folded.id, 1))
    assert stage.books() == {"done": 2, "failed": 1}
    assert stage.floor.failures[-1].event == 1
    assert stage.ledger.entry("scan", "image").remarks[-1].detail == "event 1: ValueError: no"


def test_a_failure_ends_the_run_and_what_comes_behind_only_arrives(stage: Stage) -> None:
    stage.give(stage.results(3))
    stage.folder.say(wire.Failed("stage image: no", 1, 0))
    assert (stage.failed, stage.state.prospect) == (["stage image: no"], Outcome.FAILED)
    assert stage.stage.is_settled
    stage.folder.act()
    stage.give(stage.results(2))
    stage.folder.act()
    assert stage.folder.state == [0, 1, 2]
    stage.folder.save()
    assert stage.books() == {"done": 3, "in_flight": 2}


def test_its_outlet_ends_once_when_all_is_safe(stage: Stage) -> None:
    stage.give(stage.results(1))
    stage.stage.close("scan", 0)
    stage.stage.advance(0)
    stage.folder.act()
    assert stage.out.closed == 0
    stage.folder.save()
    stage.stage.advance(0)
    assert stage.out.closed == 1


def test_what_user_code_keeps_stays_lent(stage: Stage) -> None:
    stage.give(stage.events(2))
    (given_,) = stage.folder.actor.take(wire.Give)
    kept = (("detector", 1, 0),)
    stage.folder.say(wire.Folded(given_.id, 1, ((int(Account.DONE), 2),), kept=kept))
    stage.folder.say(wire.Saved(given_.id, 1))
    assert stage.lent() == 1
    stage.give(stage.events(1))
    (given_,) = stage.folder.actor.take(wire.Give)
    stage.folder.say(wire.Folded(given_.id, 1, ((int(Account.DONE), 1),), let_go=kept))
    stage.folder.say(wire.Saved(given_.id, 2))
    assert stage.lent() == 0


def test_a_place_at_which_reducers_die_again_and_again_ends_the_run(stage: Stage) -> None:
    stage.give(stage.results(2))
    for _ in range(remote_fold.MOST_DEATHS):
        assert stage.state.prospect is Outcome.FINISHED
        (first, *_) = stage.folder.actor.take(wire.Give)
        stage.folder.actor.peer.progress.begin(first.id)
        stage.lose(stage.folder.actor, "killed by SIGSEGV")
        stage.begin()
    assert stage.state.prospect is Outcome.FAILED
    assert stage.failed == [
        "stage image: 3 reducers in a row died of a result of scan among events 0 to 1, the last one: killed by SIGSEGV"
    ]


class Sink(Hall):
    """A sink of items and its process."""

    stage: RemoteFold

    def __init__(self, input: str = "fit") -> None:  # noqa: A002 - as in the order
        super().__init__("sink")
        self.use(RemoteFold(SinkOrder(name="lines", input=input), self.floor))


def test_a_sink_is_given_items_and_no_starts() -> None:
    with closing(Sink("detector")) as sink:
        actor = sink.enter("lines")
        sink.give(
            sink.instrument.give(Block.of("detector", [Message(id=1, kind=Kind.START)])),
            sink.instrument.give(Block.of("detector", [Message(id=2), Message(id=3)])),
            producer="detector",
        )
        (given_,) = actor.take(wire.Give)
        assert not actor.take(wire.Flag)
        assert [number for number, _ in actor.read(given_)] == [2, 3]
        sink.stage.hear(actor.peer, wire.Folded(given_.id, 1, ((int(Account.DONE), 2),)), 0)
        assert sink.books("detector") == {"filtered": 1, "in_flight": 2}
        sink.stage.hear(actor.peer, wire.Saved(given_.id, 0), 0)
        assert sink.books("detector") == {"filtered": 1, "done": 2}
        assert sink.changed == []


def test_a_sink_that_dies_ends_the_run() -> None:
    with closing(Sink()) as sink:
        sink.lose(sink.enter("lines"), "lines was killed by SIGKILL")
        assert sink.state.reasons == ("sink lines was lost: lines was killed by SIGKILL",)
        assert sink.failed == ["sink lines was lost: lines was killed by SIGKILL"]
        assert sink.stage.is_settled


def test_a_sink_of_one_lane_has_the_books_of_the_stage() -> None:
    with closing(Sink("fit.high")) as sink, closing(Stage()) as before:
        actor = sink.enter("lines")
        sink.give(before.results(2), producer="fit.high")
        assert sink.books("fit") == {"in_flight": 2}
        (given_,) = actor.take(wire.Give)
        assert given_.producer == "fit"


# Holding and giving up


def test_who_is_held_is_given_nothing_until_it_is_released(stage: Stage) -> None:
    stage.give(stage.events(2))
    stage.stage.is_held = True
    stage.give(stage.events(3), stage.flag(Kind.END))
    stage.folder.act()
    assert stage.folder.state == [0, 1]
    successor = stage.succeed()
    successor.act()
    assert successor.state == []
    stage.stage.is_held = False
    stage.give()
    successor.act()
    assert successor.state == [0, 1, 2, 3, 4]
    assert stage.books() == {"done": 5}


@pytest.mark.parametrize("dies", [False, True])
def test_what_was_not_given_is_given_up_and_nothing_else(stage: Stage, dies: bool) -> None:
    stage.give(stage.events(2))
    stage.stage.is_held = True
    stage.give(stage.flag(Kind.START), stage.events(3), stage.flag(Kind.END), stage.events(1))
    assert stage.stage.discard(0) == 4
    assert stage.books() == {"aborted": 4, "in_flight": 2}
    stage.stage.is_held = False
    stage.give(stage.events(2))
    folder = stage.succeed() if dies else stage.folder
    folder.act()
    folder.save()
    assert folder.state == [0, 1, 6, 7]
    assert [kind for _, kind in folder.hooks] == ["START", "END"], "starts and ends are no items, and stay"
    assert stage.books() == {"done": 4, "aborted": 4}
    assert stage.stage.is_idle
    assert stage.stage.discard(0) == 0


def test_what_is_to_be_folded_again_is_not_given_up(stage: Stage) -> None:
    with closing(Stage(keeps_state=False)) as other:
        other.give(other.results(2))
        other.folder.act()
        other.folder.save()
        other.stage.is_held = True
        other.lose(other.folder.actor)
        successor = other.begin()
        assert other.stage.discard(0) == 0
        other.stage.is_held = False
        other.give(other.results(1))
        successor.act()
        assert successor.state == [0, 1, 2]


def test_whoever_is_restarted_on_request_did_not_die_of_what_it_had(stage: Stage) -> None:
    stage.give(stage.events(2))
    for _ in range(remote_fold.MOST_DEATHS + 1):
        peer = stage.folder.actor.peer
        peer.progress.begin(1)
        peer.is_renewed = stage.stage.can_renew(peer)
        stage.succeed()
    assert stage.failed == []
    stage.folder.act()
    assert stage.folder.state == [0, 1]
