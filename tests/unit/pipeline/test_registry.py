"""Names: built in, planned, brought by a package, or of one's own; all described."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from penstock.errors import CheckError, NotBuiltYetError
from penstock.pipeline.describe import describe
from penstock.pipeline.planned_names import PLANNED
from penstock.pipeline.registry import BUILT_IN, KINDS, Kind, PlannedTarget, Registry


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in BUILT_IN[kind]])
def test_every_built_in_name_can_be_loaded(kind: Kind, name: str) -> None:
    found = Registry().find(kind, name)
    assert callable(found.target)
    assert not found.planned
    assert found.target.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_is_both_built_and_planned(kind: Kind) -> None:
    assert not set(BUILT_IN[kind]) & set(PLANNED[kind])


def test_a_planned_name_can_be_shown_and_never_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "sinks", {"telex": "what is sent by wire"})
    found = Registry().find("sinks", "telex")
    assert found.planned
    assert found.target == PlannedTarget("sinks", "telex")
    with pytest.raises(NotBuiltYetError, match="telex is planned"):
        found.target(path="x")


def test_an_entry_point_is_asked_only_if_a_name_is_not_built_in() -> None:
    asked: list[str] = []

    def installed(group: str) -> dict[str, EntryPoint]:
        asked.append(group)
        return {"double": EntryPoint("double", "operator:neg", group)}

    registry = Registry(entry_points=installed)
    registry.find("steps", "count")
    assert asked == []
    assert registry.find("steps", "double").target(3) == -3
    assert asked == ["penstock.steps"]
    assert ("double", "entry point") in {(known.name, known.origin) for known in registry.known("steps")}


def test_an_entry_point_that_cannot_be_loaded_says_so() -> None:
    registry = Registry(entry_points=lambda group: {"x": EntryPoint("x", "no_such_module_at_all:f", group)})
    with pytest.raises(CheckError, match="x cannot be loaded from no_such_module_at_all:f"):
        registry.find("steps", "x")


def test_a_step_can_be_given_to_workers_and_not_to_reducers() -> None:
    assert Registry().find("workers", "count").name == "count"
    with pytest.raises(CheckError, match="count is one of the steps"):
        Registry().find("reducers", "count")


def test_a_source_is_described_with_what_can_be_seen() -> None:
    (entry,) = describe("xspress3")
    assert entry["kind"] == "source"
    assert {argument["name"] for argument in entry["arguments"]} >= {"connect"}
    assert any("numbers them" in line for line in entry["traits"])


def test_code_of_ones_own_is_described(tmp_path: Path) -> None:
    (tmp_path / "my_fit.py").write_text(
        "from typing import Annotated\nfrom annotated_types import Ge\nfrom penstock.core.parameter import Unit\n\n\n"
        "class Fit:\n    '''Fit one spectrum.'''\n\n"
        "    def __init__(self, lines, *, roi: Annotated[float, Unit('keV'), Ge(0), 'where it starts'] = 5.9): ...\n"
    )
    (entry,) = describe("my_fit:Fit", tmp_path)
    assert entry["doc"] == "Fit one spectrum."
    assert [argument["name"] for argument in entry["arguments"]] == ["lines"]
    (parameter,) = entry["parameters"]
    assert parameter == {
        "name": "roi", "type": "float", "default": "5.9", "unit": "keV", "section": "", "limits": "≥ 0",
        "doc": "where it starts",
    }  # fmt: skip


def test_an_annotated_argument_is_described_as_a_parameter_is(tmp_path: Path) -> None:
    (tmp_path / "my_map.py").write_text(
        "from typing import Annotated\nfrom annotated_types import Gt\nfrom penstock import Unit\n"
        "def total(item, step_um: Annotated[float, Unit('µm'), Gt(0), 'between points'], rows=3): ...\n"
    )
    (entry,) = describe("my_map:total", tmp_path)
    _, step, rows = entry["arguments"]
    assert step == {
        "name": "step_um",
        "type": "float",
        "default": "",
        "unit": "µm",
        "section": "",
        "limits": "> 0",
        "doc": "between points",
    }
    assert (rows["type"], rows["default"]) == ("", "3")


def test_a_name_of_two_kinds_has_two_descriptions() -> None:
    assert [entry["kind"] for entry in describe("print")] == ["step", "sink"]


def test_a_planned_name_is_described_as_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "workers", {"foresee": "what comes next"})
    (entry,) = describe("foresee")
    assert entry["planned"]


def test_nothing_of_that_name() -> None:
    with pytest.raises(CheckError, match='did you mean "xspress3"'):
        describe("xpress3")


@pytest.mark.parametrize("name", sorted({name for names in BUILT_IN.values() for name in names}))
def test_everything_that_is_built_in_can_be_described(name: str) -> None:
    assert all(entry["doc"] for entry in describe(name))
