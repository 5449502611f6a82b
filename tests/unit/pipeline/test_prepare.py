"""``prepare`` in a pipeline: written in a file or in Python, shown, and what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Event
from penstock.core.timestamp import Timestamp
from penstock.pipeline import Join, Map, Pipeline, Source, Use
from penstock.services.declared import declared_parameters

TEXT = """
name: prepared
sources: {camera: {use: stins, connect: "tcp://127.0.0.1:5556"}}
events: {scan: {join: [camera], by: order}}
stages:
  fit:
    from: scan
    prepare:
      - bin: {by: 2, field: camera}
      - correct: {field: camera, dark: dark.npy}
      - correct: {field: camera}
    map: {bin: {by: 1, field: camera}}
    parameters: {correct_2: {fill: 0}}
"""


def alike(upstream: Iterator[Event]) -> Iterator[Event]:
    yield from upstream


def loaded(folder: Path, text: str = TEXT) -> Pipeline:
    np.save(folder / "dark.npy", np.ones((2, 2)))
    (folder / "pipeline.yaml").write_text(text)
    return Pipeline.load(folder / "pipeline.yaml", environ={})


def problems(folder: Path, old: str, new: str) -> list[str]:
    assert old in TEXT
    return [f"{p.where}: {p.text}; {p.remedy}" for p in loaded(folder, TEXT.replace(old, new)).check().problems]


def test_a_file_and_python_say_the_same_and_the_plan_is_written_back(tmp_path: Path) -> None:
    written = loaded(tmp_path)
    plan = written.plan()
    assert [element.name for element in plan.stages["fit"].prepare] == ["bin", "correct", "correct"]
    assert plan.stages["fit"].parameters["correct.dark"] == str(tmp_path / "dark.npy")
    declared = Pipeline(
        name="prepared",
        sources={"camera": Source("stins", connect="tcp://127.0.0.1:5556")},
        events={"scan": Join("camera", by="order")},
        stages={
            "fit": Map(
                Use("bin", by=1, field="camera"),
                source="scan",
                prepare=[
                    Use("bin", by=2, field="camera"),
                    Use("correct", field="camera", dark="dark.npy"),
                    Use("correct", field="camera"),
                ],
                parameters={"correct_2": {"fill": 0}},
            )
        },
        folder=tmp_path,
    )
    assert declared.plan() == plan
    assert loaded(tmp_path, written.to_yaml()).plan() == plan


def test_its_parameters_have_addresses_and_values_of_their_own(tmp_path: Path) -> None:
    found, _ = declared_parameters(loaded(tmp_path).plan(), {"fit.correct.fill": -1.0}, Timestamp(0))
    values: dict[str, Any] = dict(found.latest)
    assert values["fit.correct.dark"].tolist() == [[1, 1], [1, 1]]
    assert (values["fit.correct.fill"], values["fit.correct_2.fill"], values["fit.correct_2.dark"]) == (-1.0, 0, None)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "- correct: {field: camera}",
            "- tests.unit.pipeline.test_prepare:alike",
            "test_prepare:alike is a generator; what prepares takes one item and returns it",
        ),
        ("correct_2: {fill: 0}", "correct_2: {fil: 0}", 'fit.parameters.correct_2.fil: Correct has no parameter'),
        ("- correct: {field: camera}", "- corect", 'stages.fit.prepare[2]: there is no step "corect"; did you mean'),
        ("map: {bin: {by: 1, field: camera}}", "reduce: count", "stages.fit.prepare: prepare is only of"),
        ("dark.npy", "text.npy", "prepare[1].correct.dark: '"),
    ],
    ids=["generator", "parameter", "name", "kind", "file"],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, problem: str) -> None:
    (tmp_path / "text.npy").write_text("no array")
    found = problems(tmp_path, old, new)
    assert any(problem in text for text in found), found
