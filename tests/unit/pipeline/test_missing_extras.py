"""Libraries of extras that a pipeline needs: a check warns of those that are not there, and nothing begins without."""

import re
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import CheckError
from penstock.pipeline import Pipeline, missing_extras
from penstock.pipeline.check import check_file
from penstock.pipeline.registry import BUILT_IN

Lacking = Callable[..., None]
PIPELINE = """\
name: all
sources:
  camera: {use: pva, pv: "X:Image"}
  motor: {use: pv, pv: [x], provider: ca}
stages:
  hit: {from: camera, map: {onnx: {model: net.onnx}}}
sinks:
  out: {use: zarr, from: hit, path: out.zarr}
"""


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Lacking:
    """Let libraries be missing."""

    def lack(*libraries: str) -> None:
        def found(name: str) -> Any:  # a ModuleSpec, or None
            return None if name in libraries else find_spec(name)

        monkeypatch.setattr("penstock.pipeline.missing_extras.find_spec", found)

    return lack


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    (tmp_path / "net.onnx").touch()
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return tmp_path / "pipeline.yaml"


def said(pipeline: Path) -> list[str]:
    found = check_file(pipeline, environ={})
    assert found.plan is not None
    return [str(problem) for problem in found.problems if problem.level == "warning"]


def test_where_all_is_installed_nothing_is_said(pipeline: Path, lacking: Lacking) -> None:
    lacking()
    assert said(pipeline) == []


def test_each_that_lacks_one_is_named_with_its_extra(pipeline: Path, lacking: Lacking) -> None:
    lacking("p4p", "aioca", "onnxruntime", "zarr")
    found = [re.sub(r" \(.*?, line", " (line", text) for text in said(pipeline)]
    assert found == [
        'sources.camera (line 3): p4p is not installed; pip install "penstock[epics]" brings it',
        'sources.motor (line 4): aioca is not installed; pip install "penstock[epics]" brings it',
        'stages.hit.map (line 6): onnxruntime is not installed; pip install "penstock[onnx]" brings it',
        'sinks.out (line 8): zarr is not installed; pip install "penstock[zarr]" brings it',
    ]


def test_only_the_library_of_the_chosen_provider_is_needed(pipeline: Path, lacking: Lacking) -> None:
    lacking("aioca")
    assert [text.partition(" ")[0] for text in said(pipeline)] == ["sources.motor"]


@pytest.mark.parametrize("way", ["run", "start"])
def test_nothing_begins_without_them(way: str, pipeline: Path, lacking: Lacking) -> None:
    lacking("onnxruntime", "zarr")
    begin: Any = getattr(Pipeline.load(pipeline), way)
    with pytest.raises(CheckError) as caught:
        begin("local")
    assert [(problem.where, problem.level) for problem in caught.value.problems] == [
        ("sinks.out", "error"), ("stages.hit.map", "error"),
    ]  # fmt: skip


def test_the_table_names_modules_of_elements_and_extras_that_bring_their_libraries() -> None:
    modules = {path.partition(":")[0] for table in BUILT_IN.values() for path, _ in table.values()}
    of_library = packages_distributions()
    for module, (extra, libraries) in missing_extras.NEEDED.items():
        assert module in modules
        brought = _brought(extra)
        assert brought
        for library in libraries:
            assert {name.lower() for name in of_library.get(library, brought)} & brought, (library, extra)


def _brought(extra: str) -> set[str]:
    """Return the distributions that an extra brings, those of extras in it too."""
    found: set[str] = set()
    for text in requires("penstock") or ():
        if re.search(rf"extra == ['\"]{extra}['\"]", text):
            name = re.match(r"[\w.-]+", text)
            inner = re.match(r"penstock\[(\w+)\]", text)
            assert name
            found |= _brought(inner[1]) if inner else {name[0].lower()}
    return found
