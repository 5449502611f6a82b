"""Steps that are stages of their own, in files and in Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.elements.stage_of_its_own import StageOfItsOwn
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.pipeline.check import check_file
from penstock.pipeline.document import Document
from penstock.pipeline.include import read_file
from penstock.pipeline.registry import Registry
from penstock.pipeline.stages_apart import with_stages_apart


class Many(StageOfItsOwn):
    """Called by many, unless it is few."""

    def __init__(self, step: str, workers: int = 1) -> None: ...

    def __call__(self, item: Any) -> Any: ...

    @classmethod
    def entry(cls, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        workers = arguments.get("workers", 1)
        return {"steps": [arguments["step"]], "workers": workers, "order": "free"} if workers > 1 else None


MANY = f"{__name__}:Many"


def same(item: Any) -> Any:
    return item


def apart(stages: dict[str, Any]) -> dict[str, Any]:
    document = Document(tree={"sources": {"s_1": {"use": "numbers"}}, "stages": stages})
    found = with_stages_apart(document, Registry(Path()))
    return dict(found.tree["stages"])


def test_what_stands_around_becomes_stages_and_the_last_has_the_name() -> None:
    many = {MANY: {"step": "log", "workers": 2}}
    own = {"steps": ["log"], "workers": 2, "order": "free"}
    steps = ["print", "count", many, many, "print"]
    assert apart({"s": {"from": "s_1", "steps": steps, "when_full": "sample", "on_error": "skip"}}) == {
        # s_1 is a source.
        "s_1_2": {"from": "s_1", "when_full": "sample", "on_error": "skip", "steps": ["print", "count"]},
        "s_2": {"from": "s_1_2", "on_error": "skip", **own},
        "s_3": {"from": "s_2", "on_error": "skip", **own},
        "s": {"from": "s_3", "on_error": "skip", "steps": ["print"]},
    }


def test_one_that_is_alone_stays_where_it_is() -> None:
    found = apart({"s": {"from": "s_1", "steps": [{"use": MANY, "step": "log", "workers": 3}]}})
    assert found == {"s": {"from": "s_1", "steps": ["log"], "workers": 3, "order": "free"}}


@pytest.mark.parametrize(
    "entry",
    [
        {"from": "n", "steps": ["print"]},
        {"from": "n", "steps": [{MANY: {"step": "log"}}]},
        {"from": "n", "steps": [{MANY: {"step": "log", "workers": 2}}], "run_in": "thread"},
        {"from": "n", "steps": [{MANY: {"step": "log", "workers": 2}}], "parameters": {}},
        {"from": "n", "steps": "print"},
        {"from": "n", "steps": [{"not.there:x": {}}, 3, None]},
        {"from": "n", "map": MANY},
        None,
    ],
)
def test_other_stages_stay_as_they_are(entry: Any) -> None:
    assert apart({"s": entry}) == {"s": entry}


def test_mistakes_keep_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"""
sources: {{n: numbers}}
stages:
  s:
    from: n
    steps:
      - print
      - {MANY}: {{step: nothing-of-that-name, workers: 2}}
      - print: {{nothing: 1}}
""")
    problems = {(problem.line, problem.text.partition(" ")[0]) for problem in check_file(file).problems}
    assert problems == {(8, "there"), (9, "Print")}
    document, _ = read_file(file, {})
    found = with_stages_apart(document, Registry(tmp_path))
    assert found.place(("stages", "s", "steps", 0, "print", "nothing")).line == 9
    assert found.place(("stages", "s_2", "workers")).line == 8


def test_the_plan_has_the_stages_in_python_too() -> None:
    plan = Pipeline(
        sources={"n": Source("numbers")},
        stages={"s": Steps(same, Use(Many, step=f"{__name__}:same", workers=2), source="n")},
    ).plan()
    assert {name: (stage.inputs[0][1], stage.workers) for name, stage in plan.stages.items()} == {
        "s_1": ("n", 1),
        "s": ("s_1", 2),
    }
