"""Another process gets the same code by name, or it is said why not."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from penstock.errors import CheckError
from penstock.pipeline import Element, Pipeline, Source, Steps, Use
from penstock.pipeline import reference as module_under_test
from penstock.pipeline.planned_names import PLANNED
from penstock.pipeline.reference import reference_of, reference_problems, resolve
from penstock.pipeline.registry import BUILT_IN, KINDS, PlannedTarget, Registry
from tests.unit.pipeline.conftest import Write

HERE = Path(__file__).parents[3]


class Passing:
    def __call__(self, item: Any) -> Any:
        return item


class Outer:
    Inner = type("Inner", (), {"__qualname__": "Outer.Inner", "__module__": __name__})

    @classmethod
    def made(cls, item: Any) -> Any:
        return item


def doubled(item: Any) -> Any:
    return item


def element(target: Callable[..., Any]) -> Element:
    """Return an element as the Python form makes it."""
    return Element(name=Use(target).thing.name, target=target, where="stages.watch.steps[0]")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in BUILT_IN[kind]])
def test_built_ins_have_their_import_path(kind: str, name: str) -> None:
    found = Registry().find(kind, name)  # type: ignore[arg-type]
    reference = reference_of(Element(name=name, target=found.target), Path())
    assert reference == BUILT_IN[kind][name][0]
    assert resolve(reference, Path()) is found.target


def test_what_a_file_names_keeps_its_name(write: Write) -> None:
    folder = write("").parent
    found = Registry(folder).find("workers", "mine:Fit")
    assert reference_of(Element(name="mine:Fit", target=found.target), folder) == "mine:Fit"


@pytest.mark.parametrize("target", [doubled, Outer.Inner, Outer.made, len])
def test_what_python_names_can_be_found_again(target: Callable[..., Any]) -> None:
    assert resolve(reference_of(element(target), HERE), HERE) == target


def test_a_new_process_finds_the_same_code(write: Write) -> None:
    folder = write("").parent
    code = (
        "import sys; from pathlib import Path; from penstock.pipeline.reference import resolve;"
        "print(resolve(sys.argv[1], Path(sys.argv[2])).__qualname__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, "mine:Fit", str(folder)], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == "Fit\n"


def test_an_entry_point_may_be_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = Passing()
    package = ModuleType("somebodys_package")
    package.thing = thing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebodys_package", package)
    point = EntryPoint(name="thing", value="somebodys_package:thing", group="penstock.steps")
    monkeypatch.setattr(
        module_under_test, "entry_points", lambda *, group, name: [point] if group == "penstock.steps" else []
    )
    assert reference_of(Element(name="thing", target=thing), Path()) == "somebodys_package:thing"


def inner() -> Callable[..., Any]:
    def nested(item: Any) -> Any:
        return item

    return nested


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (lambda item: item, "it is a lambda, which has no name"),
        (inner(), "it is defined inside a function"),
        (partial(doubled), "it is a partial, which has no name"),
        (Passing(), "it is a Passing made in this process"),
    ],
)
def test_what_has_no_name_is_refused(target: Callable[..., Any], why: str) -> None:
    with pytest.raises(CheckError, match=why) as raised:
        reference_of(element(target), HERE)
    (problem,) = raised.value.problems
    assert problem.where == "stages.watch.steps[0]"
    assert problem.remedy


@pytest.mark.parametrize(("file", "why"), [(None, "a notebook cell or at a prompt"), ("s.py", "the script")])
def test_what_stands_in_main_is_refused(monkeypatch: pytest.MonkeyPatch, file: str | None, why: str) -> None:
    main = ModuleType("__main__")
    if file:
        main.__file__ = file
    monkeypatch.setitem(sys.modules, "__main__", main)
    target = type("Fit", (), {"__module__": "__main__"})
    main.Fit = target  # type: ignore[attr-defined]
    with pytest.raises(CheckError, match=why) as raised:
        reference_of(element(target), Path())
    assert raised.value.problems[0].remedy == "put it in a file beside the pipeline, at the top level; or run inline"


def test_a_name_that_leads_to_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shadowed = element(doubled)
    monkeypatch.setattr(sys.modules[__name__], "doubled", lambda item: item)
    with pytest.raises(CheckError, match="it leads nowhere, or to something else"):
        reference_of(shadowed, HERE)


def test_all_problems_of_a_plan_are_told_at_once() -> None:
    pipeline = Pipeline(
        sources={"contrast": Source("contrast", connect="tcp://127.0.0.1:5557")},
        stages={"watch": Steps(inner(), "count", lambda item: item, source="contrast")},
        folder=HERE,
    )
    wheres = [problem.where for problem in reference_problems(pipeline.plan())]
    assert wheres == ["stages.watch.steps[0]", "stages.watch.steps[2]"]


def test_what_is_not_built_yet_is_no_problem_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "steps", {"foresee": "what comes next"})
    plan = Pipeline(
        sources={"contrast": Source("contrast", connect="tcp://127.0.0.1:5557")},
        stages={"watch": Steps(Use("foresee", by_s=3), source="contrast")},
    ).plan()
    assert isinstance(plan.stages["watch"].elements[0].target, PlannedTarget)
    assert reference_problems(plan) == ()


def test_what_is_no_longer_there_is_said() -> None:
    with pytest.raises(CheckError, match="cannot be loaded"):
        resolve("penstock.elements.steps.count:Gone", Path())
    with pytest.raises(CheckError, match="there is no module"):
        resolve("nowhere_at_all:Fit", Path())
