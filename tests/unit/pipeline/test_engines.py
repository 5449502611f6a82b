"""A pipeline finds its engine by entry point: one that runs it, or one that starts it beside the caller."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from penstock.errors import CheckError, NotBuiltYetError
from penstock.pipeline import Pipeline, Plan, Source, Steps, Use
from penstock.pipeline import pipeline as module_under_test
from penstock.pipeline.planned_names import PLANNED

SOURCES = {"contrast": Source("contrast", connect="tcp://127.0.0.1:5557")}


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two engines: both say what they were given, and only one can start."""
    for name, words in (("beside", ("run", "start")), ("within", ("run",))):
        module = ModuleType(f"engine_{name}")
        for word in words:
            setattr(module, word, lambda plan, word=word, **options: (word, plan, options))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [
        EntryPoint(name=name, value=f"engine_{name}:run", group="penstock.engines") for name in ("beside", "within")
    ]
    monkeypatch.setattr(module_under_test, "entry_points", lambda group: points)


def pipeline(*steps: Any) -> Pipeline:
    return Pipeline(sources=SOURCES, stages={"watch": Steps(*steps, source="contrast")})


@pytest.mark.usefixtures("engines")
def test_an_engine_is_given_plan_and_options() -> None:
    word, plan, options = pipeline("count").run("within", silent_s=3)
    assert (word, options) == ("run", {"silent_s": 3})
    assert isinstance(plan, Plan)
    word, other, options = pipeline("count").start("beside", run_id="r")
    assert (word, options) == ("start", {"run_id": "r"})
    assert other == plan


@pytest.mark.usefixtures("engines")
def test_an_engine_in_ones_own_thread_cannot_be_started() -> None:
    with pytest.raises(CheckError, match="within runs in your own thread") as raised:
        pipeline("count").start("within")
    assert raised.value.problems[0].remedy == "use pipeline.run, or start with engine local"


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("way", ["run", "start"])
def test_an_engine_that_is_not_there_is_refused(way: str) -> None:
    with pytest.raises(CheckError, match=r'there is no engine "besides"; did you mean "beside"\?'):
        getattr(pipeline("count"), way)("besides")


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("way", ["run", "start"])
def test_what_is_not_built_reaches_no_engine(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "steps", {"foresee": "what comes next"})
    with pytest.raises(NotBuiltYetError, match="foresee is not built yet"):
        getattr(pipeline(Use("foresee", by_s=3)), way)("beside")


def test_inline_says_how_to_run_it() -> None:
    with pytest.raises(CheckError, match="inline runs in your own thread"):
        pipeline("count").start("inline")
