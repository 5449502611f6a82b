"""The package keeps its promises about itself: names, docstrings, nouns, no unfinished business."""

import ast
import importlib
import re
import subprocess
import sys
from importlib.metadata import distribution, version
from itertools import pairwise
from pathlib import Path

import pytest

import penstock

ROOT = Path(__file__).parents[2]
PYTHON = sorted(
    path for room in ("src", "tests", "bench", "pictures", "examples") for path in (ROOT / room).rglob("*.py")
)
# A new project's test imports its neighbours by the names they have in a user's folder; it is run there.
MODULES = sorted(path for path in (ROOT / "src").rglob("*.py") if not path.match("new_project/test_*.py"))
TEXTS = sorted(
    [
        *PYTHON,
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *ROOT.glob("examples/**/*.yaml"),
        *ROOT.glob("src/penstock/cli/new_project/*.[my]*"),
        ROOT / "dev",
    ]
)
NOUNS = """
    Message, Item, Block, Stream, Source, Trigger map, Event, Stage, Step, Worker, Reducer, View, Sink, Pipeline,
    Parameter, Run, Scan, Pool, Lease, Ledger, Event log, Group, Notice, Store, Engine
"""


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_name_of_the_face_is_there() -> None:
    for name in penstock.__all__:
        assert getattr(penstock, name) is not None


def test_the_face_and_its_type_checking_block_agree() -> None:
    tree = ast.parse(Path(penstock.__file__).read_text())
    typed = {
        (alias.asname, node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == set(penstock._HOMES.items())


def test_nothing_is_pickled_between_processes() -> None:
    """Only what plays an instrument, or answers dranspose's clients, writes pickles; the library reads none."""
    answers = ("dranspose", "pickled.py")
    modules = [path for path in MODULES if "protocols" not in path.parts and path.parts[-2:] != answers]
    libraries = r"^\s*(import|from) (pickle|multiprocessing|marshal|shelve)\b|\bProcessPoolExecutor\b"
    pattern = re.compile(libraries, re.MULTILINE)
    assert [_short(path) for path in modules if pattern.search(path.read_text())] == []
    reads = re.compile(r"\bpickle\.(load|loads|Unpickler)\b")
    assert [_short(path) for path in MODULES if reads.search(path.read_text())] == []


def test_a_name_the_face_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(AttributeError, match=r"no 'Massage'; it has .*Message"):
        penstock.Massage  # noqa: B018


def test_importing_the_face_imports_no_room_and_no_library() -> None:
    code = "import sys, penstock; print(*(m for m in sys.modules if m.startswith(('penstock', 'numpy', 'zmq'))))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["penstock"]


def test_the_version_is_said_once() -> None:
    assert version("penstock") == penstock.__version__


def test_entry_points_lead_somewhere() -> None:
    ours = distribution("penstock").entry_points
    assert {point.group for point in ours} >= {"console_scripts", "penstock.engines"}
    for point in ours:
        assert callable(point.load())


def test_each_module_says_what_it_is_for() -> None:
    assert [_short(path) for path in PYTHON if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_what_each_module_offers_is_there() -> None:
    lacking = []
    for path in MODULES:
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        lacking += [
            f"{name} offers {offered}"
            for offered in getattr(module, "__all__", ())
            if getattr(module, offered, None) is None
        ]
    assert lacking == []


def test_nothing_is_left_to_do() -> None:
    unfinished = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    found = [
        f"{_short(path)}:{number}"
        for path in TEXTS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if unfinished.search(line)
    ]
    assert not found


def test_every_noun_has_its_entry_in_the_glossary() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    entries = {line for line, after in pairwise(lines) if after.startswith(": ")}
    assert {noun.strip() for noun in NOUNS.split(",")} <= entries
