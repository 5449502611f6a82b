"""Processors: how they are written, who gets which, and what a machine does not have."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CheckError
from penstock.pipeline import Map, Pipeline, Reduce, Source, Steps
from penstock.pipeline.check import Checked, check_file
from penstock.pipeline.explain import explain
from penstock.pipeline.processors import Processors, read_cpus, shared_out, write_cpus
from tests.unit.pipeline.conftest import Write


@pytest.fixture
def machine(tmp_path: Path) -> Processors:
    """Return eight processors on two nodes, of which the last two are not for us."""
    for node, cpus in ((0, "0-3"), (1, "4-7"), (2, "")):
        folder = tmp_path / "node" / f"node{node}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(f"{cpus}\n")
    return Processors(count=8, usable=frozenset(range(6)), nodes=tmp_path / "node")


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", (0,)), ("0,2-5", (0, 2, 3, 4, 5)), (" 3 - 4 , 1", (3, 4, 1)), ("7-7", (7,))]
)
def test_processors_are_written_as_in_sys(text: str, cpus: tuple[int, ...]) -> None:
    assert read_cpus(text) == cpus


@given(st.lists(st.integers(0, 8191), unique=True, min_size=1))
def test_what_is_written_reads_back(cpus: list[int]) -> None:
    assert read_cpus(write_cpus(cpus)) == tuple(cpus)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no processor"),
        ("a", '"a" is no processor'),
        ("1,", "is no processor"),
        ("-1", "is no processor"),
        ("1:2", "is no processor"),
        ("²", "is no processor"),
        ("5-2", "runs backwards"),
        ("1,0-2", "processor 1 is named twice"),
        ("0-99999999999", "no machine has a processor 99999999999"),
    ],
)
def test_other_texts_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_cpus(text)


def test_with_enough_for_all_each_worker_has_its_own() -> None:
    assert shared_out((3, 1), 2) == ((3,), (1,))
    assert shared_out((3, 1, 2), 2)[:2] == ((3,), (1,))
    assert shared_out((3, 1), 3) == ((3, 1), (3, 1), (3, 1))


def test_this_machine_has_processors() -> None:
    here = Processors.here()
    assert here.usable == os.sched_getaffinity(0)
    assert here.trouble(here.usable) == ""
    assert "this machine has no processor 8000" in here.trouble([8000])


def checked(write: Write, machine: Processors, options: str, kind: str = "map: mine:brightness") -> Checked:
    source = '{use: stins, connect: "tcp://127.0.0.1:5555"}'
    file = write(f"sources: {{cam: {source}}}\nstages: {{fit: {{from: cam, {kind}, {options}}}}}\n")
    return check_file(file, environ={}, processors=machine)


@pytest.mark.parametrize(
    ("options", "cpus"),
    [
        ("cpus: [1, 3-4], workers: 3", ((1,), (3,), (4,))),
        ('cpus: "1,3-4", workers: 3', ((1,), (3,), (4,))),
        ("cpus: 2", ((2,),)),
        ("cpus: 2-3, workers: 3", ((2, 3),) * 3),
        ("numa: 0, workers: 2", ((0, 1, 2, 3),) * 2),
        ("numa: 1", ((4, 5),)),
        ("workers: 2", ()),
    ],
)
def test_a_plan_says_where_each_worker_may_run(
    write: Write, machine: Processors, options: str, cpus: tuple[tuple[int, ...], ...]
) -> None:
    found = checked(write, machine, options)
    assert not found.of_level("error"), found.problems
    assert found.plan is not None
    assert found.plan.stages["fit"].cpus == cpus
    again = found.document.folder / "again.yaml"
    again.write_text(explain(found.spec, found.plan))
    assert check_file(again, environ={}, processors=machine).plan == found.plan


@pytest.mark.parametrize("kind", ["map: mine:brightness", "reduce: mine:Total", "steps: [count]"])
def test_every_kind_of_stage_can_be_pinned(write: Write, machine: Processors, kind: str) -> None:
    found = checked(write, machine, "cpus: [5]", kind)
    assert found.plan is not None
    assert found.plan.stages["fit"].cpus == ((5,),)
    assert not found.plan.planned


@pytest.mark.parametrize(
    ("options", "key", "says", "remedy"),
    [
        ("cpus: [0, 8-9]", "cpus", "this machine has no processors 8-9", "there are 0-5"),
        ("cpus: 7", "cpus", "processor 7 cannot be used by this process", "there are 0-5"),
        ("numa: 3", "numa", "this machine has no NUMA node 3; its nodes are 0-2", "leave it out"),
        ("numa: 2", "numa", "may use no processor of NUMA node 2, which has none", "leave it out"),
        ("numa: -1", "numa", "-1 is not allowed", "at least 0"),
        ("numa: 0, cpus: 1", "numa", "by cpus or by numa, not by both", "keep one"),
        ("cpus: [a]", "cpus", '"a" is no processor', 'write [0, 2-5] or "0,2-5"'),
        ("cpus: []", "cpus", "names no processors", "write [0, 2-5]"),
        ("cpus: [1.5]", "cpus", "names no processors", "write [0, 2-5]"),
        ("cpus: true", "cpus", "names no processors", "write [0, 2-5]"),
        ("cpus: {a: 1}", "cpus", "names no processors", "write [0, 2-5]"),
    ],
)
def test_a_wrong_pin_is_one_mistake(
    write: Write, machine: Processors, options: str, key: str, says: str, remedy: str
) -> None:
    (problem,) = checked(write, machine, options).of_level("error")
    assert problem.where == f"stages.fit.{key}"
    assert says in problem.text
    assert remedy in problem.remedy


def test_a_machine_without_nodes_says_so(write: Write, tmp_path: Path) -> None:
    bare = Processors(count=2, usable=frozenset({0, 1}), nodes=tmp_path / "nowhere")
    (problem,) = checked(write, bare, "numa: 0").of_level("error")
    assert "this machine has no NUMA node 0; it names none" in problem.text


def test_python_pins_alike() -> None:
    cpu = min(os.sched_getaffinity(0))
    pipeline = Pipeline(
        sources={"cam": Source("stins", connect="tcp://127.0.0.1:5555")},
        stages={
            "a": Map("count", source="cam", cpus=cpu),
            "b": Reduce("tests.unit.pipeline.test_processors:Last", source="a", cpus=[cpu]),
            "c": Steps("count", source="a", cpus=str(cpu)),
        },
        folder=Path(__file__).parents[3],
    )
    assert [stage.cpus for stage in pipeline.plan().stages.values()] == [((cpu,),)] * 3
    wrong = Pipeline(
        sources={"cam": Source("stins", connect="tcp://127.0.0.1:5555")},
        stages={"a": Map("count", source="cam", numa=8000)},
    )
    with pytest.raises(CheckError, match="no NUMA node 8000"):
        wrong.plan()


class Last:
    def __init__(self) -> None:
        self.views: dict[str, object] = {}

    def reduce(self, value: object) -> None:
        self.views["last"] = value
