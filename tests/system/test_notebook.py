"""Figures in a notebook: a real kernel runs its cells beside a real pipeline, which ends, dies and comes back."""

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode, reads
from numpy.typing import NDArray
from PIL import Image

from penstock.client import Connection, connect
from tests.house.pages import Page
from tests.system import shown_code
from tests.system.commands import COMMAND, Process

ROOT = Path(__file__).parents[2]
FILE = """\
name: shown
sources: {{camera: {{use: tests.system.controlled:Paced, rate: 100, block: 1, gate: "{gate}"}}}}
stages:
  work: {{from: camera, map: "tests.system.controlled:weighed"}}
  all: {{from: work, reduce: "tests.system.shown_code:Shown"}}
"""
WIDGET = "application/vnd.jupyter.widget-view+json"
BEGIN = """\
import time
import numpy as np
import penstock
run = penstock.connect({address!r})
def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
until(lambda: "all/map" in run and len(run["all/curve"]) > 5)
"""


class Notebook:
    """A notebook whose cells are run one after the other, as somebody types them."""

    def __init__(self, folder: Path) -> None:
        self.node = _node({"cells": []})
        self.client = NotebookClient(
            self.node, kernel_name="python3", timeout=100, resources={"metadata": {"path": str(folder)}}
        )

    def runs(self, code: str) -> list[Any]:
        """Run a cell and return its outputs."""
        cell: dict[str, Any] = {
            "cell_type": "code",
            "source": code,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        self.node.cells.append(_node({"cells": [cell]}).cells[0])
        k = len(self.node.cells) - 1
        return list(self.client.execute_cell(self.node.cells[k], k).outputs)

    def numbers(self, words: str) -> NDArray[Any]:
        """Return an array of the kernel, as JSON: there is nothing between that could change a number."""
        said = self.says(f"import json; print(json.dumps(np.asarray({words}, float).tolist()))")
        return np.array(json.loads(said), float)

    def says(self, code: str) -> str:
        """Run a cell that prints, and return that."""
        return "".join(each["text"] for each in self.runs(code) if each["output_type"] == "stream")


def _node(content: dict[str, Any]) -> NotebookNode:
    found = reads(json.dumps({"metadata": {}, "nbformat": 4, "nbformat_minor": 4, **content}), 4)  # type: ignore[no-untyped-call]
    assert isinstance(found, NotebookNode)
    return found


def _running(folder: Path, port: str = "0") -> tuple[Process, str]:
    file = folder / "shown.yaml"
    file.write_text(FILE.format(gate=folder / "end"))
    process = Process("run", str(file), "--stay", "--serve", port, folder=ROOT)
    return process, process.line("views: ").removeprefix("views: ").strip()


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[tuple[Process, str]]:
    process, address = _running(tmp_path)
    yield process, address
    process.close()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(folder / name))
        notebook = Notebook(folder)
        with notebook.client.setup_kernel():
            yield notebook


@pytest.fixture
def notebook(kernel: Notebook, pipeline: tuple[Process, str]) -> Notebook:
    kernel.runs(BEGIN.format(address=pipeline[1]))
    return kernel


def _data(outputs: list[Any]) -> dict[str, Any]:
    (found,) = (each["data"] for each in outputs if "data" in each)
    return dict(found)


def test_every_view_is_shown_in_its_form_and_holds_what_the_pipeline_has(
    notebook: Notebook, pipeline: tuple[Process, str], tmp_path: Path
) -> None:
    shown = _data(notebook.runs('run.views["map"]'))
    assert WIDGET in shown
    assert shown["text/plain"] == "<view all/map (6, 9) float64 counts>"
    assert Image.open(io.BytesIO(base64.b64decode(shown["image/png"]))).size[0] > 400
    names = ("n", "time", "curve", "bars", "map", "frames", "table", "name")
    notebook.runs(f"all = {{name: run.views[name].live(max_hz=20) for name in {names}}}")
    kinds = "value curve curve histogram image stack table text"
    assert notebook.says("print(*[each.kind for each in all.values()])").strip() == kinds
    # They follow while the cell computes, which they do not hold up.
    assert notebook.says(
        "before = {name: each.part.version for name, each in all.items()}; turns = 0\n"
        "while not all['map'].part.version > before['map'] + 2:\n    turns += 1; time.sleep(0.001)\n"
        "print(turns > 20)"
    ).strip() == "True"  # fmt: skip
    (tmp_path / "end").touch()
    pipeline[0].line("the views stay at")
    notebook.runs("until(lambda: 'the run has ended' in repr(all['map']))")
    notebook.runs("until(lambda: len({each.part.version for each in all.values()}) == 1)")
    with connect(pipeline[1]) as seen:
        _assert_equal(notebook, seen)
    assert "<Map>" in notebook.says("print(all['map'].figure.axes[0].get_title())")
    assert "&lt;b&gt;Cu &amp; Zn&lt;/b&gt;" in notebook.says("print(all['name'].children[0].value)")
    # The page moves the slider of the stack to another frame.
    notebook.runs("all['frames'].children[0].value = 1\nuntil(lambda: all['frames'].part.slice == '1,...')")
    with connect(pipeline[1]) as seen:
        frame = notebook.numbers("all['frames'].figure.axes[0].images[0].get_array()")
        assert np.array_equal(frame, seen["all/frames"][1])
    assert "stopped" in notebook.says("run.close(); print(repr(all['curve']))")


def _assert_equal(notebook: Notebook, seen: Connection) -> None:
    """What the figures hold is what the pipeline has."""
    figures = {
        "map": "axes[0].images[0].get_array().filled(np.nan)",
        "frames": "axes[0].images[0].get_array()",
        "bars": "axes[0].patches[0].get_data().values",
        "curve": "axes[0].lines[0].get_ydata()",
    }
    for name, words in figures.items():
        drawn = notebook.numbers(f"all[{name!r}].figure.{words}")
        whole = seen[f"all/{name}"][...]
        assert np.array_equal(drawn, whole[-1] if name == "frames" else whole, equal_nan=True), name
    along = notebook.numbers("all['curve'].figure.axes[0].lines[0].get_xdata()")
    assert np.array_equal(along, seen["all/time"][...])
    count = int(seen["all/n"][()])
    assert f">{count:,} frames<" in notebook.says("print(all['n'].children[0].value)")
    table = notebook.says("print(all['table'].children[0].value)")
    for text in (*shown_code.COLUMNS, f"{count - 1:,}", f"{2 * count - 2:,}"):
        assert f">{text}</t" in table
    labels = notebook.says(
        "a = all['map'].figure.axes[0]; print(a.get_xlabel(), a.get_ylabel(), a.child_axes[0].get_ylabel(), sep='|')"
    )
    assert labels.strip() == "x (mm)|y (mm)|counts"


def test_a_figure_ends_with_its_cell_and_outlives_its_pipeline(
    notebook: Notebook, pipeline: tuple[Process, str], tmp_path: Path
) -> None:
    cell = "shown = run.views['curve'].live(max_hz=20); shown"
    notebook.runs(cell)
    notebook.runs("first = shown")
    notebook.runs(cell)
    assert notebook.says("print(first.is_live, shown.is_live)").strip() == "False True"
    # As the page does when no output shows it any more, and when one does again.
    resting = "shown._view_count = 1; shown._view_count = 0; until(lambda: not run._shelf._feed.is_running)"
    assert notebook.says(f"{resting}\nprint(shown.is_live)").strip() == "True"
    notebook.runs("v = shown.part.version; shown._view_count = 1; until(lambda: shown.part.version > v)")
    pipeline[0].close()
    said = notebook.says("until(lambda: 'has gone since' in repr(shown)); print(shown.children[-1].value)")
    assert "this is what it was" in said
    again, address = _running(tmp_path, pipeline[1].rpartition(":")[2])
    try:
        assert address == pipeline[1]
        said = notebook.says(
            "old = len(shown.part.array)\n"
            "until(lambda: 'has gone' not in repr(shown) and len(shown.part.array) < old)\n"
            "until(lambda: len(shown.part.array) > 20)\n"
            "print(np.array_equal(shown.part.array, np.arange(len(shown.part.array)) % 7), run.run in repr(shown))"
        )
        assert said.strip() == "True False"
    finally:
        again.close()


PAGE = Page(ROOT / "docs" / "how-to" / "show-views-in-a-notebook.md")
EXAMPLE = ROOT / "examples" / "live-figures.ipynb"
ADDRESS = "http://127.0.0.1:8400"


def test_the_example_is_the_page_and_has_no_outputs() -> None:
    cells = json.loads(EXAMPLE.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    blocks = [block.body.rstrip("\n") for block in PAGE.blocks() if block.info == "python"]
    assert ["".join(cell["source"]) for cell in code] == blocks
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in code)
    for command in PAGE.commands():
        assert command.line in "".join(cells[0]["source"])


def test_the_cells_of_the_page_run(kernel: Notebook, tmp_path: Path) -> None:
    *before, running = (command.line for command in PAGE.commands())
    for line in before:
        words = [*COMMAND, *line.split()[1:]] if line.startswith("penstock ") else ["sh", "-c", line]
        subprocess.run(words, check=True, cwd=tmp_path, capture_output=True, timeout=30)
    process = Process(*running.removesuffix("8400").split()[1:], "0", folder=tmp_path)
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        kernel.runs(f"import os; os.chdir({str(tmp_path)!r})")
        kernel.runs(BEGIN.format(address=address).replace("all/map", "beam/track").replace("all/curve", "beam/counts"))
        look, live, part, figure = (
            kernel.runs(block.body.replace(ADDRESS, address)) for block in PAGE.blocks() if block.info == "python"
        )
        assert {"image/png", "text/plain", WIDGET} <= set(_data(look))
        assert WIDGET in _data(live)
        assert _data(part)["text/plain"].startswith("(array(")
        assert not figure
        with Image.open(tmp_path / "track.png") as picture:
            assert picture.size[0] > 400
    finally:
        process.close()
