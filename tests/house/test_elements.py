"""The table of elements is whole: what is built in has its line there, and its example passes the checks."""

import re
from pathlib import Path

import numpy as np
import pytest

from penstock.pipeline import check_file
from penstock.pipeline.registry import BUILT_IN, Kind
from tests.house.pages import Page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "elements.md"
ROW = re.compile(r"\| `(?P<name>[\w-]+)` \| (?P<line>[^|]*?) \| (?P<written>[^|]*?) \|")
AROUND = {
    "sources": "sources:\n  it: EXAMPLE\n",
    "steps": "sources:\n  it: {use: mine:numbers}\nstages:\n  a: {from: it, steps: [EXAMPLE]}\n",
    "workers": "sources:\n  it: {use: mine:numbers}\nstages:\n  a: {from: it, map: {EXAMPLE}}\n",
    "sinks": "sources:\n  camera: {use: mine:numbers}\nstages:\n  image: {from: camera, reduce: mine:total}\n"
    "sinks:\n  out: EXAMPLE\n",
}
CODE = "def numbers():\n    yield 1\n\n\ndef total(state=0, value=0):\n    return state + value\n"
KINDS: tuple[Kind, ...] = ("sources", "steps", "workers", "sinks")


def write_files(folder: Path) -> None:
    """Write the files that examples name."""
    np.save(folder / "dark.npy", np.zeros((2, 2)))
    for name in ("net.onnx", "net.pt2"):
        (folder / name).touch()


def rows(kind: Kind) -> dict[str, tuple[str, list[str]]]:
    """Return the line and the examples of each name of a kind."""
    text = PAGE.read_text().partition(f"## {kind.capitalize()}\n")[2].partition("\n## ")[0]
    return {
        row["name"]: (row["line"], re.findall(r"`([^`]+)`", row["written"]))
        for row in ROW.finditer(text)
        if row["name"] != "name"
    }


EXAMPLES = [(kind, example) for kind in KINDS for _, examples in rows(kind).values() for example in examples]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_built_in_has_its_row_and_nothing_else(kind: Kind) -> None:
    written = {name: line for name, (line, _) in rows(kind).items()}
    built = {name: line for name, (_, line) in BUILT_IN[kind].items()}
    for name in built.keys() - written.keys():
        pytest.fail(f"add to {PAGE.name}, {kind}: | `{name}` | {built[name]} | `{name}: {{…}}` |")
    assert written == built
    assert list(written) == sorted(written)


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_has_an_example_of_what_it_names(kind: Kind) -> None:
    for name, (_, examples) in rows(kind).items():
        assert examples, f"{name} has no example"
        begin = f"{{use: {name}," if kind in ("sources", "sinks") else name
        assert all(example.startswith(begin) for example in examples)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_an_example_passes_the_checks(
    kind: Kind, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    write_files(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(AROUND[kind].replace("EXAMPLE", example))
    monkeypatch.syspath_prepend(tmp_path)
    found = check_file(tmp_path / "pipeline.yaml", environ={})
    assert [str(problem) for problem in found.problems if problem.level in ("error", "planned")] == []
    assert found.plan is not None


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("window: {}", "a window needs a number of items or a time"),
        ("window: {n: 3, every_s: 1}", "every_s does not go with a window by n"),
        ("filter: 'I0 >'", "is no expression, at character 5"),
        ("filter: {expresion: 'I0 > 0'}", 'did you mean "expression"'),
        ("every: 0.5", "0.5 is refused"),
    ],
)
def test_an_example_that_is_wrong_would_be_found(example: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "pipeline.yaml").write_text(AROUND["steps"].replace("EXAMPLE", example))
    found = check_file(tmp_path / "pipeline.yaml", environ={})
    problems = [problem for problem in found.problems if problem.level == "error"]
    assert says in " ".join(f"{problem.text} {problem.remedy}" for problem in problems)
    assert {(problem.file, problem.line) for problem in problems} == {(str(tmp_path / "pipeline.yaml"), 4)}


def test_the_pipelines_of_the_page_are_right(tmp_path: Path) -> None:
    write_files(tmp_path)
    for block in [block for block in Page(PAGE).blocks() if block.info == "yaml"]:
        (tmp_path / "pipeline.yaml").write_text(block.body)
        found = check_file(tmp_path / "pipeline.yaml", environ={})
        assert [str(problem) for problem in found.problems if problem.level != "warning"] == []
