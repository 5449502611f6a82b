"""Mistakes in naming user code are found before anything is called, each with a remedy."""

from abc import ABC, abstractmethod
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt

from penstock.core.event import Event
from penstock.core.message import Message
from penstock.core.parameter import Unit
from penstock.core.result import Result
from penstock.elements.user_code import CodeKind, Receives, problems_of


def fit(event: Event, lines: list[str], *, roi: Annotated[float, Unit("keV"), Ge(0)] = 5.9) -> None: ...


def texts(kind: CodeKind, target: Any, *more: Any, **named: Any) -> list[str]:
    return [str(problem) for problem in problems_of(kind, target, *more, **named)]


class Camera:
    def __init__(
        self,
        rate_hz: Annotated[float, Unit("Hz"), Gt(0)],
        shape: tuple[int, int] = (2, 2),
        mask: str = None,  # type: ignore[assignment]  # noqa: RUF013  # as many write it
        anything: Any = None,
        *,
        seed: int = 1,
        **more: int,
    ) -> None: ...


class Right:
    tick_s = 1.0

    def __init__(self, *, roi: Annotated[float, Ge(0)] = 1.0) -> None: ...

    def process(self, event: Event) -> None: ...

    def start(self, event: Event) -> None: ...

    def end(self, event: Event) -> None: ...

    def tick(self, now: Any) -> None: ...

    def close(self) -> None: ...

    def process_batch(self, events: Any) -> None: ...

    def lookup(self, name: str) -> None: ...


class Base:
    """Somebody else's class, with a method that looks like a hook."""

    def finish(self) -> None: ...


Base.__module__ = "another.package"


class Inheriting(Base):
    def process(self, event: Any) -> None: ...


@pytest.mark.parametrize(
    ("kind", "target", "arguments", "receives"),
    [
        ("map", fit, {"lines": [], "roi": 3}, "event"),
        ("map", Right, {"roi": 2.0}, "event"),
        ("map", Inheriting, {}, "any"),
        ("step", len, {}, "message"),
        ("step", max, {"key": 3}, "message"),
        ("step", lambda *items: items, {}, "message"),
        ("reduce", lambda state, value: value, {}, "result"),
        ("reduce", lambda state, value: value, {"state": 3}, "result"),
    ],
)
def test_what_is_right_has_no_problem(
    kind: CodeKind, target: Any, arguments: dict[str, Any], receives: Receives
) -> None:
    assert texts(kind, target, arguments, receives=receives) == []


@pytest.mark.parametrize(
    ("arguments", "parameters", "text"),
    [
        ({"lines": [], "roy": 3}, {}, 'fit.map.roy: fit has no argument "roy"; did you mean "roi"?'),
        ({}, {}, 'fit.map: fit needs the argument "lines"; write {lines: …}'),
        ({"lines": [], "roi": "5,9"}, {}, "fit.map.roi: '5,9' is refused (input should be a valid number); "),
        ({"lines": []}, {"roi": -1}, "expected float in keV, ≥ 0"),
        ({"lines": []}, {"ro": 1}, 'fit.map.ro: fit has no parameter "ro"; did you mean "roi"?'),
        ({}, {"lines": []}, 'fit has no parameter "lines"; it is frozen at start; write it among the arguments'),
    ],
)
def test_arguments(arguments: dict[str, Any], parameters: dict[str, Any], text: str) -> None:
    found = texts("map", fit, arguments, parameters, where="fit.map")
    assert any(text in each for each in found), found


@pytest.mark.parametrize("kind", ["source", "sink", "step", "map", "reduce"])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"rate_hz": "50"}, "cam.rate_hz: '50' is refused (input should be a valid number); expected float in Hz, > 0"),
        ({"rate_hz": 0}, "cam.rate_hz: 0 is refused (input should be greater than 0)"),
        ({"shape": [24]}, "cam.shape: [24] is refused"),
        ({"shape": [24, 32.5]}, "cam.shape: [24, 32.5] is refused (input should be a valid integer)"),
        ({"mask": 3}, "cam.mask: 3 is refused (input should be a valid string); expected str"),
    ],
)
def test_the_type_of_an_argument(kind: CodeKind, arguments: dict[str, Any], text: str) -> None:
    found = texts(kind, Camera, {"rate_hz": 50, **arguments}, where="cam")
    (refused,) = [each for each in found if "is refused" in each]
    assert text in refused


def test_an_argument_that_says_nothing_of_its_type_may_be_anything() -> None:
    found = texts("source", Camera, {"rate_hz": 50, "shape": [24, 32], "mask": None, "anything": {}, "more": "x"})
    assert found == []


def test_a_keyword_is_a_parameter_of_code_and_an_option_of_a_source() -> None:
    for kind in ("source", "map"):
        found = [each for each in texts(kind, Camera, {"rate_hz": 1, "seed": "x"}) if "seed" in each]
        assert len(found) == 1
        assert "'x' is refused (input should be a valid integer); expected int" in found[0]


def test_the_name_of_many_is_the_name_of_none() -> None:
    def total(item: Any, *others: int) -> None: ...

    (found,) = texts("step", total, {"others": 3})
    assert found.endswith('total has no argument "others"; it has none')


def test_every_mistake_at_once() -> None:
    assert len(texts("map", fit, {"line": 1, "roi": "x"}, {"z": 1}, receives="message")) == 5


@pytest.mark.parametrize(
    ("annotation", "receives", "text"),
    [
        (Event, "message", "is annotated Event, but messages come here, from a source; annotate it Message"),
        (Message, "event", "is annotated Message, but events come here, from a join; annotate it Event"),
        (Result, "event", "annotate it Event"),
        (Event, "result", "results come here, from a map stage; annotate it Result, or as the value"),
    ],
)
def test_annotations(annotation: Any, receives: Receives, text: str) -> None:
    def function(item: Any) -> None: ...

    function.__annotations__["item"] = annotation
    assert any(text in each for each in texts("map", function, receives=receives))
    assert texts("map", function, receives="any") == []


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("map", "proces", "process"),
        ("map", "process_event", "process"),
        ("map", "processBatch", "process_batch"),
        ("map", "on_start", "start"),
        ("map", "strat", "start"),
        ("map", "finish", "end"),
        ("map", "timer", "tick"),
        ("reduce", "reduce_result", "reduce"),
        ("reduce", "process_result", "reduce"),
        ("reduce", "process_batch", "reduce_batch"),
        ("reduce", "reduceBatch", "reduce_batch"),
        ("step", "on_end", "end"),
        ("step", "Close", "close"),
    ],
)
def test_misspelt_hooks(kind: CodeKind, wrong: str, right: str) -> None:
    main = {"step": "__call__", "map": "process", "reduce": "reduce"}[kind]
    methods = {wrong: lambda self, event: None}
    if right != main:
        methods[main] = lambda self, event: None
    target = type("Fit", (), {**methods, "__module__": "mine"})
    found = texts(kind, target)
    assert found == [f"Fit.{wrong} is never called; did you mean `{right}`? If it is yours, call it `_{wrong}`"]


@pytest.mark.parametrize("name", ["send", "append", "lookup", "_finish", "reset", "process_one", "fit", "predict"])
def test_other_methods_are_the_users_own(name: str) -> None:
    target = type("Fit", (), {"process": lambda self, e: None, name: lambda self: None, "__module__": "mine"})
    assert texts("map", target) == []


def test_a_hook_beside_what_looks_like_it_is_no_mistake() -> None:
    methods = {name: (lambda self, event: None) for name in ("process", "end", "finish")}
    assert texts("map", type("Fit", (), {**methods, "__module__": "mine"})) == []


def test_what_was_published_elsewhere() -> None:
    target = type("Sum", (), {"reduce": lambda self, v: None, "publish": {}, "__module__": "mine"})
    assert "did you mean `views`" in texts("reduce", target)[0]


@pytest.mark.parametrize(
    ("hook", "method", "text"),
    [
        ("start", lambda self: None, "write def start(self, event)"),
        ("close", lambda self, event: None, "write def close(self)"),
        ("tick", lambda self: None, "write def tick(self, now)"),
        ("process_batch", lambda self: None, "write def process_batch(self, events)"),
    ],
)
def test_hooks_that_cannot_be_called(hook: str, method: Any, text: str) -> None:
    target = type("Fit", (), {"process": lambda self, e: None, hook: method, "tick_s": 1})
    (found,) = texts("map", target)
    assert text in found


def test_a_tick_without_seconds() -> None:
    (found,) = texts("map", type("Fit", (), {"process": lambda self, e: None, "tick": lambda self, now: None}))
    assert "has a hook `tick` and no `tick_s`" in found


def test_a_method_without_item() -> None:
    (found,) = texts("map", type("Fit", (), {"process": lambda self: None}))
    assert "takes no event" in found


def test_no_method_at_all() -> None:
    assert "has no method `process`; write def process(self, event)" in texts("map", type("Fit", (), {}))[0]


async def coroutine(item: Any) -> None: ...


def generator(item: Any) -> Any:
    yield item


@pytest.mark.parametrize("target", [coroutine, generator, type("G", (), {"process": generator, "__call__": generator})])
def test_planned_shapes(target: Any) -> None:
    found = problems_of("map", target)
    assert [problem.level for problem in found if "not built yet" in problem.text] == ["planned"]
    assert not [problem for problem in problems_of("step", target) if "not built yet" in problem.text]


def test_what_cannot_be_called() -> None:
    assert texts("map", 3, where="stages.fit.map") == ["stages.fit.map: 3 cannot be called; name a function or a class"]


def test_abstract_classes() -> None:
    class Abstract(ABC):
        @abstractmethod
        def process(self, event: Any) -> None: ...

    assert texts("map", Abstract)[0].endswith("Abstract is abstract; write the methods process")


def test_words_of_the_pipeline_are_no_arguments() -> None:
    def some(item: Any, when: str) -> None: ...

    assert any('has an argument "when"' in each for each in texts("step", some, {"when": "x"}))


def test_positional_only_arguments_cannot_be_given() -> None:
    def some(item: Any, gain: float, /) -> None: ...

    assert any("cannot be given by name" in each for each in texts("step", some, {"gain": 3}))


def test_a_default_that_is_not_allowed() -> None:
    def some(item: Any, *, roi: Annotated[float, Ge(0)] = -1.0) -> None: ...

    assert texts("map", some)[0].startswith("roi: the default -1.0 is refused")


def test_sinks_are_made_and_have_no_parameters() -> None:
    class File:
        def __init__(self, path: str, *, level: int = 3) -> None: ...

    assert texts("sink", File, {"path": "x", "level": 4}) == []
    assert 'did you mean "path"' in texts("sink", File, {"pth": "x", "path": "y"})[0]
