"""A SNAP file as a pipeline: variables, modules, places, and what is said of it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.snap.front_door import SnapDoor
from penstock.errors import CheckError
from penstock.pipeline.check import check
from penstock.pipeline.front_door import Asked, is_foreign, read_any, with_variables
from penstock.pipeline.yaml_writer import write_yaml

MODULE = """
def numbers(count: int = 3):
    yield from range(count)

def tell(fmt: str, places: list | None = None):
    def step(item):
        return fmt.format(item)
    return step
"""
FILE = """
range: &range {count: $COUNT}
$NODE: !Node
  - !chain:a
    - !from ${MODULE}.numbers: *range
    - ${MODULE}.tell: {fmt: "${WHO} {}", places: [$PLACE, 1]}
    - !to [$NEXT, tcp://$HOST:9000]
  - !chain:b
    - ${MODULE}.tell: {fmt: x}
"""
ENVIRON = {"NODE": "node", "MODULE": "front_door_numbers", "NEXT": "b", "COUNT": "5", "HOST": "there", "PLACE": "p"}


@pytest.fixture(autouse=True)
def _no_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "front_door_numbers.py").write_text(MODULE)
    path = tmp_path / "a.yml"
    path.write_text(FILE)
    return path


def tree(path: Path, environ: dict[str, str] = ENVIRON, **asked: Any) -> Any:
    document, problems = read_any(path, environ, Asked(**asked))
    assert not [problem for problem in problems if problem.level == "error"]
    return document.tree


def test_variables_are_filled_in_for_a_run(file: Path) -> None:
    found = tree(file)
    assert found["sources"]["a_source"] == {"use": "front_door_numbers:numbers", "count": 5}
    assert found["stages"]["a"]["steps"] == [{"front_door_numbers:tell": {"fmt": "${WHO} {}", "places": ["p", 1]}}]
    assert found["sinks"]["a_to"]["connect"] == "tcp://there:9000"


def test_variables_of_arguments_are_kept_for_a_file(file: Path) -> None:
    written = with_variables(write_yaml(tree(file, keeps_variables=True)))
    assert "count: ${COUNT}\n" in written
    assert 'fmt: "${WHO} {}"\n' in written
    assert 'places: ["${PLACE}", 1]\n' in written
    assert 'connect: "tcp://${HOST}:9000"\n' in written
    own = file.with_name("own.yaml")
    own.write_text(written)
    again = tree(own, {**ENVIRON, "WHO": "me"})
    assert again["sources"]["a_source"]["count"] == 5
    assert again["stages"]["b"]["from"] == "a"


def test_no_variable_of_a_name_is_kept(file: Path) -> None:
    written = with_variables(write_yaml(tree(file, keeps_variables=True)))
    for name in ("NODE", "MODULE", "NEXT"):
        assert name not in written


def test_problems_of_checks_have_the_lines_of_the_file(file: Path) -> None:
    file.write_text(FILE.replace("{count: $COUNT}", "{count: many}").replace("{fmt: x}", "{fmtt: x}"))
    document, problems = read_any(file, ENVIRON)
    found = {(problem.line, problem.level) for problem in check(document, problems).problems}
    assert {(5, "error"), (9, "error")} <= found


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("tell: {fmt: !obj:front_door_numbers.missing {}}", 'missing ({}): front_door_numbers has no "missing"; '),
        (
            "tell: {fmt: !obj:front_door_numbers.numbers {cuont: 3}}",
            'numbers.cuont ({}): numbers has no argument "cuont"',
        ),
        ("tell: {fmt: !obj:front_door_numbers.numbers {count: x}}", "numbers.count ({}): "),
        ("tell: {places: [!obj:front_door_numbers.tell {}]}", 'tell ({}): tell needs the argument "fmt"'),
    ],
)
def test_mistakes_in_objects_among_arguments_are_told(file: Path, call: str, said: str) -> None:
    file.write_text(FILE.replace("tell: {fmt: x}", call))
    _, problems = read_any(file, ENVIRON)
    found = [str(problem) for problem in problems if problem.level == "error"]
    assert found[0].startswith("front_door_numbers." + said.format(f"{file}, line 9"))


PARALLEL = """
node: !Node
  - !chain:a
    - !from front_door_numbers.numbers: {}
    - snap.Parallel:
        function: !obj:front_door_numbers.tell {fmt: "{}"}
        executor: process
        max_workers: $WORKERS
"""


def test_workers_are_in_the_plan_and_their_number_in_the_file(file: Path) -> None:
    file.write_text(PARALLEL)
    document, problems = read_any(file, {"WORKERS": "3"})
    plan = check(document, problems).plan
    assert plan is not None
    stage = plan.stages["a"]
    assert (stage.workers, stage.run_in, stage.order) == (3, "process", "free")
    assert [element.name for element in stage.elements] == ["front_door_numbers:tell"]
    assert plan.prelude == ("penstock.compat.snap.namespace:serve_snap",)
    assert "workers: 3\n" in with_variables(write_yaml(tree(file, {"WORKERS": "3"}, keeps_variables=True)))


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        ({"$WORKERS": "0"}, 5, "stages.a.workers"),
        ({"$WORKERS": "many"}, 5, "snap.Parallel.max_workers"),
        ({"max_workers": "workers", "$WORKERS": "1"}, 5, 'Parallel has no argument "workers"'),
        ({"fmt": "fmtt", "$WORKERS": "1"}, 5, 'tell has no argument "fmtt"'),
        ({".tell {": ".missing {", "$WORKERS": "1"}, 6, 'front_door_numbers has no "missing"'),
    ],
)
def test_mistakes_in_workers_are_told(file: Path, wrong: dict[str, str], line: int, said: str) -> None:
    text = PARALLEL
    for old, new in wrong.items():
        text = text.replace(old, new)
    file.write_text(text)
    document, problems = read_any(file, {})
    errors = [problem for problem in check(document, problems).problems if problem.level == "error"]
    assert any(said in str(problem) and problem.line == line for problem in errors), errors


def test_a_status_is_a_source_of_its_own(file: Path) -> None:
    found = tree(file, status="tcp://127.0.0.1:9001")
    assert found["sources"]["status"] == {
        "use": "penstock.compat.snap.status:status_server",
        "address": "tcp://127.0.0.1:9001",
    }


def test_a_node_without_any_source_is_refused(file: Path) -> None:
    file.write_text("node: !Node\n  - !chain:a [front_door_numbers.tell: {fmt: x}]\n")
    _, problems = read_any(file, {})
    assert [problem.text for problem in problems if problem.level == "error"] == [
        "no chain has a source, so nothing would ever come"
    ]


def test_settings_of_logging_that_are_wrong_are_told(file: Path) -> None:
    file.write_text("logging: {version: 7}\nnode: {a: {source: {front_door_numbers.numbers: {}}}}\n")
    with pytest.raises(CheckError, match="logging"):
        read_any(file, {}, Asked(runs=True))
    assert tree(file, {})["sources"]  # who only looks has no log


def test_a_file_is_of_the_one_or_of_the_other(file: Path) -> None:
    assert SnapDoor.recognises(FILE)
    assert is_foreign(file)
    file.write_text("sources:\n  a: {use: stins, connect: 'tcp://127.0.0.1:1'}\nnode: {a: {source: m.x}}\n")
    assert not is_foreign(file)
    with pytest.raises(CheckError, match="has no nodes"):
        read_any(file, {}, Asked(node="node"))
