"""A reducer that died and was made anew goes on as if nothing had happened, or says beforehand that it cannot."""

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from penstock.elements.code_problems import problems_of
from penstock.elements.reducer import Reducer
from penstock.errors import UserCodeError
from penstock.testing.engine_cases import Sum, Table
from penstock.views import ArrayView, snapshot
from penstock.views.shared_tree import TreeReader, TreeWriter, make_files
from tests.unit.elements import state_cases as cases

ITEMS = list(range(25))


@pytest.fixture
def files() -> Iterator[tuple[int, ...]]:
    fds = make_files("state")
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.fixture(autouse=True)
def a_module_as_just_loaded() -> Iterator[None]:
    yield
    _load_anew()


def _load_anew() -> None:
    cases.SEEN.clear()
    cases.Plain.made.clear()


def _alike(one: Any, other: Any, pairs: dict[int, int] | None = None, kept: list[Any] | None = None) -> None:
    """Assert that two things hold the same, and the same object wherever they hold one object twice."""
    pairs, kept = {} if pairs is None else pairs, [] if kept is None else kept
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
        assert one.flags.f_contiguous == other.flags.f_contiguous
        assert one.flags.writeable == other.flags.writeable
    elif isinstance(one, int | float | str | bytes | type(None)):
        assert one == other
        return
    if id(one) in pairs:
        assert pairs[id(one)] == id(other)
        return
    pairs[id(one)] = id(other)
    kept += [one, other]  # or another object could take their identity
    for part, other_part in zip(_parts(one), _parts(other), strict=True):
        _alike(part, other_part, pairs, kept)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        factory = getattr(value, "default_factory", None)
        return [*value.keys(), *value.values(), getattr(factory, "__name__", None)]
    if isinstance(value, ArrayView):
        return [value.array.copy(), value.attributes.get("title"), value.grows, *(axis.values for axis in value.axes)]
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, list | tuple):
        return list(value)
    if type(value).__name__ == "deque":
        return [*value, value.maxlen]
    if isinstance(value, cases.Peak | cases.Plain | cases.Holder | Sum | Table):
        return list(vars(value).items())
    return [bytes(value)] if isinstance(value, bytearray) else []


def _died(reducer: Reducer, files: tuple[int, ...], make: Callable[[], Reducer]) -> Reducer:
    """Publish, forget all, and make the reducer anew."""
    state = reducer.capture()
    assert state is not None, reducer.obstacle
    TreeWriter(files).publish(reducer.views, position=0, version=0, state=state)
    published = TreeReader(files).read()
    assert published is not None
    _load_anew()
    again = make()
    again.restore(published.tree, published.state)
    return again


@pytest.mark.parametrize("at", [0, 1, 3, 4, 11, 12, 24])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Reducer(cases.Plain, stage="fold"),
        lambda: Reducer(Table, stage="fold"),
        lambda: Reducer(cases.fold, stage="fold"),
        lambda: Reducer(cases.fold, {"state": {"sum": 5, "view": ArrayView((None,), "i8")}}, stage="fold"),
        lambda: Reducer(cases.decorated, stage="fold"),
        lambda: Reducer(cases.Slots, stage="fold"),
        lambda: Reducer(cases.OwnCheckpoint, stage="fold"),
    ],
)
def test_who_died_goes_on(files: tuple[int, ...], make: Callable[[], Reducer], at: int) -> None:
    straight = make()
    assert straight.is_capturable
    for item in ITEMS:
        straight.call(item)
    expected, seen, made = copy.copy(straight.views), list(cases.SEEN), dict(cases.Plain.made)
    _load_anew()
    reducer = make()
    for item in ITEMS[:at]:
        reducer.call(item)
    again = _died(reducer, files, make)
    _alike(again.views, reducer.views)
    if isinstance(straight._thing, cases.Plain):
        _alike(again._thing, reducer._thing)
    for item in ITEMS[at:]:
        again.call(item)
    _alike(again.views, expected)
    assert (cases.SEEN, cases.Plain.made) == (seen, made)
    if isinstance(straight._thing, cases.Plain):
        _alike(again._thing, straight._thing)


GOES_ON = """
import sys
from penstock.elements.reducer import Reducer
from penstock.views.shared_tree import TreeReader, TreeWriter
from tests.unit.elements import state_cases
fds = [int(word) for word in sys.argv[1:]]
found = TreeReader(fds).read()
reducer = Reducer(state_cases.Plain, stage="fold")
reducer.restore(found.tree, found.state)
for item in range(found.position, 25):
    reducer.call(item)
tree = {**reducer.views, "SEEN": state_cases.SEEN, "made": state_cases.Plain.made, "rest": list(reducer._thing.last)}
TreeWriter(fds).publish(tree, position=25, version=1, state=reducer.capture())
"""


def test_another_process_goes_on(files: tuple[int, ...]) -> None:
    reducer = Reducer(cases.Plain, stage="fold")
    for item in ITEMS[:13]:
        reducer.call(item)
    state = reducer.capture()
    assert state is not None
    TreeWriter(files).publish(reducer.views, position=13, version=0, state=state)
    for item in ITEMS[13:]:
        reducer.call(item)
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", GOES_ON, *map(str, files)], cwd=root, pass_fds=files, check=True)
    found = TreeReader(files).read()
    assert found is not None
    more = {"SEEN": cases.SEEN, "made": cases.Plain.made, "rest": list(reducer._thing.last)}  # type: ignore[union-attr]
    _alike(snapshot(found.tree), snapshot({**reducer.views, **more}))


def test_what_is_held_twice_is_one_object_again(files: tuple[int, ...]) -> None:
    reducer = Reducer(cases.Plain)
    for item in ITEMS:
        reducer.call(item)
    thing: Any = _died(reducer, files, lambda: Reducer(cases.Plain))._thing
    assert thing.rows is thing.views["rows"]
    assert thing.rows[-1] is thing.last[-1]
    assert thing.map is thing.views["map"]
    assert thing.map.axes[0].values is thing.energies
    assert thing.newest is thing.views["late-24"]
    assert thing.heights is thing.peak.heights
    assert thing.me is thing
    assert thing.table["add"].__self__ is thing


def test_what_others_hold_is_changed_in_place(files: tuple[int, ...]) -> None:
    reducer = Reducer(cases.Holder, {"thing": []})
    reducer._thing.thing.append(3)  # type: ignore[union-attr]
    argument: list[int] = []
    again = _died(reducer, files, lambda: Reducer(cases.Holder, {"thing": argument}))
    assert again._thing.thing is argument  # type: ignore[union-attr]
    assert argument == [3]


def test_what_was_replaced_is_not_changed_in_place(files: tuple[int, ...]) -> None:
    reducer = Reducer(cases.Holder, {"thing": []})
    reducer._thing.thing = [3]  # type: ignore[union-attr]
    argument: list[int] = []
    again = _died(reducer, files, lambda: Reducer(cases.Holder, {"thing": argument}))
    assert again._thing.thing == [3]  # type: ignore[union-attr]
    assert argument == []


def test_attributes_that_are_gone_are_gone_again(files: tuple[int, ...]) -> None:
    reducer = Reducer(cases.Holder, {"thing": []})
    del reducer._thing.thing  # type: ignore[union-attr]
    assert not hasattr(_died(reducer, files, lambda: Reducer(cases.Holder, {"thing": []}))._thing, "thing")
    slots = Reducer(cases.Slots)
    slots.call(3)
    del slots._thing.view  # type: ignore[union-attr]
    slots._attributes.restore({}, slots._attributes.capture({}))  # type: ignore[union-attr]
    assert not hasattr(slots._thing, "view")


@pytest.mark.parametrize("target", [cases.Scaled, cases.ScaledOtherwise])
def test_parameters_are_those_of_now(files: tuple[int, ...], target: Any) -> None:
    reducer = Reducer(target, stage="fold")
    reducer.call(1)
    reducer.apply({"fold.gain": 10.0})
    reducer.call(1)
    again = _died(reducer, files, lambda: Reducer(target, stage="fold", parameters={"fold.gain": 100.0}))
    again.call(1)
    assert again.views == {"sum": 111.0}
    again.apply({"fold.gain": 1000.0})
    again.call(1)
    assert again.views == {"sum": 1111.0}


def test_a_parameter_that_was_changed_by_the_reducer_itself() -> None:
    reducer = Reducer(cases.Scaled, stage="fold")
    reducer._thing.gain = 3.0  # type: ignore[union-attr]
    assert reducer.obstacle == "it has changed its parameter gain itself"
    assert reducer.capture() is None


@pytest.mark.parametrize("name", cases.uncapturable())
def test_what_cannot_be_captured(name: str) -> None:
    made = Reducer(cases.Holder, {"thing": cases.uncapturable()[name]})
    assert not made.is_capturable
    assert made.obstacle
    assert made.capture() is None
    later = Reducer(cases.Holder, {"thing": None})
    assert later.is_capturable
    later._thing.thing = cases.uncapturable()[name]  # type: ignore[union-attr]
    assert later.capture() is None


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (cases.Sliced, "an array is a view of another"),
        (cases.Windowed, "an array is a view of another"),
        (cases.Remembers, "Remembers.reduce keeps something from call to call"),
        (cases.WritesGlobals, "WritesGlobals.reduce keeps something from call to call"),
        (cases.OwnDict, "it is a tests.unit.elements.state_cases.OwnDict"),
        (cases.listing, "Listing.reduce keeps something from call to call"),
    ],
)
def test_state_that_no_attribute_shows(target: Any, says: str) -> None:
    assert Reducer(target).obstacle.startswith(says)


def test_a_variable_around_a_method_is_seen_to_change() -> None:
    reducer = Reducer(cases.counting)
    assert reducer.is_capturable
    reducer.call(1)
    assert reducer.obstacle == "a function it holds has changed a variable around it"


def test_a_function_that_came_later_cannot_be_captured() -> None:
    reducer = Reducer(cases.Holder, {"thing": None})
    reducer._thing.thing = cases.above  # type: ignore[union-attr]
    assert reducer.obstacle == "Holder.thing holds a function"


def test_the_obstacle_is_named() -> None:
    reducer = Reducer(cases.Holder, {"thing": {"a": [cases.uncapturable()["a lock"]]}})
    assert reducer.obstacle == "Holder.thing holds a _thread.lock"


def test_a_constructor_that_makes_something_else(files: tuple[int, ...]) -> None:
    reducer = Reducer(cases.Holder, {"thing": []}, stage="fold")
    with pytest.raises(UserCodeError, match=r"stage fold: Holder cannot be restored: its constructor made something"):
        _died(reducer, files, lambda: Reducer(cases.Holder, {"thing": {}}, stage="fold"))


@pytest.mark.parametrize("state", [b"", b"\x93", b"\xff" * 50])
@pytest.mark.parametrize("target", [cases.OwnCheckpoint, cases.Slots, cases.fold])
def test_bytes_that_are_no_state(target: Any, state: bytes) -> None:
    with pytest.raises(UserCodeError, match="cannot be restored"):
        Reducer(target, stage="fold").restore({}, state)


class Raises(cases.OwnCheckpoint):
    def checkpoint(self) -> dict[str, Any]:
        raise KeyError("hidden")

    def restore(self, state: dict[str, Any]) -> None:
        raise KeyError("hidden")


class Opaque(cases.OwnCheckpoint):
    def checkpoint(self) -> dict[str, Any]:
        return {"inner": [self.lock]}


class Forgets(cases.OwnCheckpoint):
    def restore(self, state: dict[str, Any]) -> None:
        self.hidden = state["hidden"]


def test_a_checkpoint_that_raises(files: tuple[int, ...]) -> None:
    with pytest.raises(UserCodeError, match=r"stage fold: Raises.checkpoint raised KeyError: 'hidden'") as caught:
        Reducer(Raises, stage="fold").capture()
    assert isinstance(caught.value.__cause__, KeyError)
    good = Reducer(cases.OwnCheckpoint, stage="fold")
    with pytest.raises(UserCodeError, match=r"stage fold: Raises.restore raised KeyError: 'hidden'"):
        _died(good, files, lambda: Reducer(Raises, stage="fold"))


def test_a_checkpoint_of_something_else() -> None:
    says = r"Opaque.checkpoint\(\) returned what cannot be kept: checkpoint: result\['inner'\]\[0\] is a .*lock"
    with pytest.raises(UserCodeError, match=says):
        Reducer(Opaque, stage="fold").capture()


def test_a_restore_that_forgets_a_view(files: tuple[int, ...]) -> None:
    reducer = Reducer(Forgets, stage="fold")
    reducer.call(3)
    with pytest.raises(UserCodeError, match="it has no view late; let its method restore make that"):
        _died(reducer, files, lambda: Reducer(Forgets, stage="fold"))


@pytest.mark.parametrize(("there", "missing"), [("checkpoint", "restore"), ("restore", "checkpoint")])
def test_half_a_pair_of_methods(there: str, missing: str) -> None:
    target = type("Fit", (), {"reduce": lambda self, v: None, there: lambda self: None, "__module__": "mine"})
    says = f"Fit has a method `{there}` and no `{missing}`"
    assert [problem.text for problem in problems_of("reduce", target)] == [says]
    with pytest.raises(UserCodeError, match=says):
        Reducer(target)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("save_state", "checkpoint"), ("load_state", "restore"), ("check_point", "checkpoint")]
)
def test_other_names_for_the_pair(wrong: str, meant: str) -> None:
    target = type("Fit", (), {"reduce": lambda self, v: None, wrong: lambda self: None, "__module__": "mine"})
    (problem,) = problems_of("reduce", target)
    assert f"did you mean `{meant}`" in problem.remedy


class Graphs(RuleBasedStateMachine):
    """Any containers in each other, the same ones in several places, and deaths in between."""

    @initialize()
    def begin(self) -> None:
        self.fds = make_files("graphs")
        self.reducer = self._made()

    def teardown(self) -> None:
        for fd in getattr(self, "fds", ()):
            os.close(fd)

    def _made(self) -> Reducer:
        return Reducer(cases.Holder, {"thing": {"list": [], "view": ArrayView((None,)), "pair": ([], {})}})

    def _containers(self) -> list[Any]:
        thing: Any = self.reducer._thing
        found: dict[int, Any] = {}
        todo = [thing.thing]
        while todo:
            each = todo.pop()
            if isinstance(each, dict | list | tuple) and id(each) not in found:
                found[id(each)] = each
                todo += each.values() if isinstance(each, dict) else each
        return [each for each in found.values() if not isinstance(each, tuple)]

    @rule(chance=st.randoms(use_true_random=False), what=st.sampled_from(["new", "same", "atom", "view", "array"]))
    def put(self, chance: Any, what: str) -> None:
        containers = self._containers()
        makers: dict[str, Callable[[], Any]] = {
            "new": lambda: chance.choice([[], {}, ([], {}), (1, "a"), {1, 2}, bytearray(b"x")]),
            "same": lambda: chance.choice(containers),
            "atom": lambda: chance.choice([1, "x", None, 2.5, b"y", 3**99]),
            "view": lambda: ArrayView((chance.randrange(3),), title=str(chance.randrange(9))),
            "array": lambda: np.full(chance.randrange(4), chance.randrange(9)),
        }
        target, value = chance.choice(containers), makers[what]()
        if what in ("atom", "view", "array"):
            self.reducer._thing.views[chance.choice("abc")] = value  # type: ignore[union-attr]
        if isinstance(target, list):
            target.append(value)
        else:
            target[chance.choice(["a", "b", 3, (1, "t")])] = value

    @rule(chance=st.randoms(use_true_random=False))
    def show(self, chance: Any) -> None:
        thing: Any = self.reducer._thing
        thing.views["view"] = thing.thing["view"]
        thing.thing["view"].append(chance.randrange(99))

    @rule(chance=st.randoms(use_true_random=False))
    def take(self, chance: Any) -> None:
        target = chance.choice(self._containers())
        if target and target is not self.reducer._thing.thing:  # type: ignore[union-attr]
            target.pop(*([chance.choice(list(target))] if isinstance(target, dict) else []))

    @rule()
    def die(self) -> None:
        if self.reducer.capture() is None:
            assert "nested deeper" in self.reducer.obstacle
            return
        again = _died(self.reducer, self.fds, self._made)
        _alike(again._thing, self.reducer._thing)
        self.reducer = again


class TestGraphs(Graphs.TestCase):  # type: ignore[misc, valid-type]  # made by hypothesis
    settings = settings(max_examples=60, stateful_step_count=40)
