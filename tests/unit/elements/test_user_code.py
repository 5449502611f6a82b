"""User code becomes callables: functions, classes and factories, with arguments, parameters, hooks and context."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Ge

from penstock.core.event import Event, EventBatch
from penstock.core.message import Message
from penstock.core.parameter import Unit
from penstock.core.parameters import Parameters
from penstock.core.result import Result
from penstock.core.timestamp import Timestamp
from penstock.elements.user_code import (
    Reducer,
    Step,
    Worker,
    parameters_of,
    split_arguments,
    validate,
)
from penstock.errors import NotBuiltYetError, UserCodeError

Energy = Annotated[float, Unit("keV"), Ge(0)]


def plain(event: Event) -> Event:
    return event


def scaled(event: Event, gain: float, offset: float = 0.0, *, roi: Energy = 5.9) -> Any:
    return event, gain, offset, roi


def factory(gain: float) -> Callable[[Any], Any]:
    return lambda item: item * gain


class Fit:
    tick_s = 0.5

    def __init__(self, lines: list[str], *, roi: Energy = 5.9) -> None:
        self.lines = lines
        self.first_roi = roi
        self.calls: list[Any] = []

    def process(self, event: Message) -> Any:
        return event, self.roi  # type: ignore[attr-defined]  # set as a parameter

    def process_batch(self, events: EventBatch) -> Any:
        return [len(events)]

    def start(self, event: Any) -> None:
        self.calls.append(("start", event))

    def end(self, event: Any) -> None:
        self.calls.append(("end", event))

    def tick(self, now: Timestamp) -> None:
        self.calls.append(("tick", now))

    def close(self) -> None:
        self.calls.append(("close",))


class Sum:
    def __init__(self, start_at: float = 0) -> None:
        self.views = {"sum": start_at}

    def reduce(self, value: float) -> None:
        self.views["sum"] += value


def fold(state: float | None, value: float, *, weight: Annotated[float, Ge(0)] = 1.0) -> float:
    return (state or 0) + weight * value


def test_a_plain_function_is_called_without_any_frame_of_ours() -> None:
    assert Worker(plain).call is plain


def test_arguments_and_parameters_are_bound_to_the_users_own_function() -> None:
    worker = Worker(scaled, {"gain": 2.0, "roi": 4.0})
    assert isinstance(worker.call, partial)
    assert worker.call.func is scaled
    assert worker.call("event") == ("event", 2.0, 0.0, 4.0)
    assert worker.wants == "event"
    assert worker.tick_s is None


def test_an_object_is_called_by_its_own_bound_method() -> None:
    worker = Worker(Fit, {"lines": ["Fe"]})
    assert worker.call.__func__ is Fit.process  # type: ignore[attr-defined]  # a bound method
    assert worker.call("event") == ("event", 5.9)
    assert worker.wants == "message"


def test_a_class_gets_its_parameters_at_construction_too() -> None:
    worker = Worker(Fit, {"lines": []}, parameters={"roi": 4.0})
    assert worker.call.__self__.first_roi == 4.0  # type: ignore[attr-defined]  # a bound method


def test_parameters_may_be_given_by_address() -> None:
    worker = Worker(Fit, {"lines": []}, stage="fit", step="Fit", parameters={"fit.Fit.roi": 4.0})
    assert worker.call(0) == (0, 4.0)


def test_hooks_are_bound() -> None:
    worker = Worker(Fit, {"lines": ["Fe"]})
    hooks = worker.hooks
    assert hooks.start is not None
    assert hooks.end is not None
    assert hooks.tick is not None
    assert hooks.close is not None
    hooks.start("s")
    hooks.tick(Timestamp(3))
    hooks.end("e")
    hooks.close()
    calls = worker.call.__self__.calls  # type: ignore[attr-defined]  # a bound method
    assert calls == [("start", "s"), ("tick", Timestamp(3)), ("end", "e"), ("close",)]
    assert worker.tick_s == 0.5
    assert worker.call_batch is not None
    assert worker.call_batch([1, 2, 3]) == [3]  # type: ignore[arg-type]  # anything with a length


def test_functions_have_no_hooks() -> None:
    worker = Worker(plain)
    assert worker.hooks == Step(factory, {"gain": 1}).hooks
    assert worker.hooks.start is None
    assert worker.call_batch is None


def test_a_new_revision_is_applied() -> None:
    worker = Worker(scaled, {"gain": 1.0}, stage="fit", step="scaled")
    some = Parameters(worker.parameters, validate=validate)
    some.set({"fit.roi": 7}, from_event=10, who="ana", when=Timestamp(0))
    assert worker.apply(some.at(9))("e")[3] == 5.9
    assert worker.revision == 0
    assert worker.apply(some.at(10))("e")[3] == 7.0
    assert worker.revision == 1


def test_an_objects_attribute_follows_its_parameter() -> None:
    worker = Worker(Fit, {"lines": []}, stage="fit", step="Fit")
    some = Parameters(worker.parameters, validate=validate)
    some.set({"roi": 7.0}, from_event=1, who="ana", when=Timestamp(0))
    before = worker.call
    assert worker.apply(some.at(1)) == before
    assert before("e") == ("e", 7.0)


def test_tick_s_may_be_a_parameter() -> None:
    class Ticking:
        def __init__(self, *, tick_s: Annotated[float, Unit("s")] = 2.0) -> None:
            del tick_s

        def __call__(self, item: Any) -> Any:
            return item

        def tick(self, now: Timestamp) -> None:
            pass

    step = Step(Ticking, stage="watch", step="t")
    assert step.tick_s == 2.0
    step.apply({"watch.t.tick_s": 5.0}, 1)
    assert step.tick_s == 5.0


@pytest.mark.parametrize("tick_s", [None, 0, -1, True, "1"])
def test_a_tick_needs_seconds(tick_s: Any) -> None:
    kind = type("Ticking", (), {"tick_s": tick_s, "process": lambda self, e: e, "tick": lambda self, now: None})
    with pytest.raises(UserCodeError, match="tick_s = "):
        Worker(kind)


def test_a_factory_makes_what_is_called() -> None:
    assert Worker(factory, {"gain": 3}).call(2) == 6
    assert Step(factory, {"gain": 3}).call(2) == 6


def test_a_factory_may_make_an_object() -> None:
    def make(lines: list[str], *, roi: Energy = 1.0) -> Fit:
        return Fit(lines, roi=roi)

    assert Worker(make, {"lines": [], "roi": 3.0}).call("e") == ("e", 3.0)


def test_a_factory_of_a_function_cannot_have_parameters() -> None:
    def make(gain: float, *, roi: Energy = 1.0) -> Callable[[Any], Any]:
        return lambda item: item * gain * roi

    with pytest.raises(UserCodeError, match=r"cannot see parameters change \(roi\)"):
        Step(make, {"gain": 1.0})


@pytest.mark.parametrize(("target", "arguments"), [(len, {}), (print, {"end": ""}), (max, {})])
def test_functions_written_in_c(target: Callable[..., Any], arguments: dict[str, Any]) -> None:
    assert Step(target, arguments).call([1, 2]) in (2, None)


def test_context_survives() -> None:
    class Keeping:
        def __init__(self, context: dict[str, Any]) -> None:
            self.number = context["number"] = context.get("number", 0) + 1

        def process(self, event: Any) -> Any:
            return self.number

    context: dict[str, Any] = {}
    assert [Worker(Keeping, context=context).call(None) for _ in range(3)] == [1, 2, 3]


def test_arguments_arrive_as_they_are_annotated() -> None:
    class Box:
        def __init__(self, shape: tuple[int, int], mask: Path | None = None, other=None) -> None:  # type: ignore[no-untyped-def]
            self.got = (shape, mask, other)

        def process(self, event: Any) -> Any:
            return self.got

    worker = Worker(Box, {"shape": [2, 3], "mask": "a.npy", "other": [4, 5]})
    assert worker.call(None) == ((2, 3), Path("a.npy"), [4, 5])


def test_a_failing_constructor_is_the_cause() -> None:
    class Failing:
        def __init__(self, path: str) -> None:
            raise FileNotFoundError(path)

        def process(self, event: Any) -> None: ...

    with pytest.raises(
        UserCodeError, match=r"stage fit: .*Failing could not be made: FileNotFoundError: x.h5"
    ) as caught:
        Worker(Failing, {"path": "x.h5"}, stage="fit")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.stage == "fit"


def test_a_constructor_that_would_leave_is_held() -> None:
    class Leaving:
        def __init__(self) -> None:
            raise SystemExit(3)

    with pytest.raises(UserCodeError, match="SystemExit"):
        Worker(Leaving)


def test_a_parameter_that_cannot_be_set() -> None:
    class Slotted:
        __slots__ = ()

        def __init__(self, *, roi: Energy = 1.0) -> None: ...

        def process(self, event: Any) -> None: ...

    with pytest.raises(UserCodeError, match=r"Slotted\.roi cannot be set to 1\.0"):
        Worker(Slotted)


def test_misspelt_hooks_do_not_start() -> None:
    kind = type("Fit", (), {"process": lambda self, e: e, "finish": lambda self, e: None, "__module__": __name__})
    with pytest.raises(UserCodeError, match=r"stage fit: Fit\.finish is never called; did you mean `end`"):
        Worker(kind, stage="fit")


def test_something_without_the_method_does_not_start() -> None:
    with pytest.raises(UserCodeError, match="which has no method `reduce`"):
        Reducer(type("Empty", (), {}))


async def coroutine(event: Any) -> Any:
    return event


def generator(event: Any) -> Any:
    yield event


@pytest.mark.parametrize("target", [coroutine, generator])
def test_shapes_that_are_planned(target: Callable[..., Any]) -> None:
    with pytest.raises(NotBuiltYetError, match=f"{target.__name__} is a.* not built yet"):
        Worker(target)


def test_a_reducer_publishes_its_views() -> None:
    reducer = Reducer(Sum, {"start_at": 1})
    reducer.call(2)
    assert reducer.views == {"sum": 3}


def test_views_must_be_a_tree() -> None:
    kind = type("Bad", (), {"views": 3, "reduce": lambda self, v: None})
    with pytest.raises(UserCodeError, match="make it a dictionary"):
        _ = Reducer(kind).views


def test_a_reducer_may_publish_nothing() -> None:
    assert Reducer(type("Quiet", (), {"reduce": lambda self, v: None})).views == {}


def test_a_fold_keeps_its_state() -> None:
    reducer = Reducer(fold, stage="sum", step="fold")
    assert reducer.views == {}
    reducer.call(3)
    call = reducer.apply({"sum.fold.weight": 10.0}, 1)
    call(4)
    assert reducer.views == {"value": 43}


def test_a_fold_may_begin_somewhere() -> None:
    reducer = Reducer(fold, {"state": 100})
    reducer.call(3)
    assert reducer.views == {"value": 103}


def test_what_a_reducer_gets() -> None:
    def whole(state: Any, value: Result) -> Any:
        return value.number

    class Placing:
        def reduce(self, value: Result) -> None: ...

    assert Reducer(whole).wants == "result"
    assert Reducer(Placing).wants == "result"
    assert Reducer(fold).wants == ""


def test_parameters_are_told_from_arguments() -> None:
    assert [p.address for p in parameters_of(Fit, stage="fit", step="Fit")] == ["fit.Fit.roi"]
    assert split_arguments(Fit, {"lines": ["Fe"], "roi": 3}) == ({"lines": ["Fe"]}, {"roi": 3})


def test_keyword_only_arguments_without_type_or_default_are_frozen() -> None:
    def some(event, *, a: int, b=2, c: int = 3):  # type: ignore[no-untyped-def]  # as users write
        return a + b + c

    assert [p.name for p in parameters_of(some)] == ["c"]
    assert Worker(some, {"a": 1, "b": 10}).call(None) == 14
