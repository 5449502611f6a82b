"""Objects by name, and the name ``snap`` for those who import it."""

import inspect
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.snap.names import OURS
from penstock.compat.snap.recipe import Recipe, made, recipe_of, resolved
from penstock.elements.shape import is_buffer


def test_an_object_is_taken_or_called() -> None:
    assert Recipe("math:pi").object() == pytest.approx(3.14159, abs=1e-5)
    assert Recipe("fractions:Fraction", {"numerator": 3, "denominator": 4}).object() == 0.75
    assert Recipe("fractions:Fraction.from_float").object()(0.5) == 0.5


def test_objects_among_arguments_are_made_first() -> None:
    third = {"object": "fractions:Fraction", "arguments": {"numerator": 1, "denominator": 3}}
    assert resolved({"object": "fractions:Fraction", "arguments": {"numerator": third}}) == Fraction(1, 3)
    assert resolved([{"x": {"object": "math:floor"}}, 1])[0]["x"](1.5) == 1


@pytest.mark.parametrize("value", [{}, {"object": 3}, {"object": "no colon"}, {"object": "a:b", "more": 1}, "a:b", 3])
def test_other_values_are_what_they_are(value: Any) -> None:
    assert recipe_of(value) is None
    assert resolved(value) == value


def test_what_is_made_can_be_a_step_or_a_source() -> None:
    assert made("builtins:float")("1.5") == 1.5
    assert made("math:floor")(1.5) == 1
    assert made("tests.unit.compat.snap.test_recipe:CALLED")(3) == 4
    assert inspect.isroutine(made("tests.unit.compat.snap.test_recipe:CALLED"))
    assert next(made("penstock.compat.snap.reader:_CHAIN_KEYS")) == "source"
    assert list(made("builtins:list", {})) == []


class Held:
    """A buffer with a method that a pipeline would call."""

    def put(self, item: int) -> None:
        self.item = item

    def get(self) -> int:
        return self.item

    def empty(self) -> bool:
        return not hasattr(self, "item")

    def close(self, whom: str) -> None: ...


def test_a_buffer_is_only_put_to_and_got_from() -> None:
    buffer = made(f"{__name__}:Held", {})
    assert is_buffer(buffer)
    assert buffer.empty()
    buffer.put(3)
    assert (buffer.get(), buffer.empty()) == (3, False)
    assert not hasattr(buffer, "close")
    assert not hasattr(buffer, "end")


class Called:
    """Has a method that a pipeline would call."""

    def __call__(self, item: int) -> int:
        return item + 1

    def close(self, whom: str) -> None: ...


CALLED = Called()
IMPORTS = """
from penstock.compat.snap.namespace import serve_snap, is_served
serve_snap(); serve_snap()
import snap, sys
from snap import timing, Parallel
from snap.elements.timing import every
import snap.elements.output, snap.status, snap.parallel
{more}
print(is_served(), timing.now() > 0, every.__module__, Parallel.__module__, snap.elements.output.dump.__module__)
"""


def run(code: str, folder: Path, *paths: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(map(str, [*paths, *sys.path])), "PATH": ""},
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


OURS_ALL = " ".join(
    [
        "True True",
        "penstock.compat.snap.elements.timing",
        "penstock.compat.snap.parallel",
        "penstock.compat.snap.elements.output",
    ]
)


def test_modules_that_import_snap_find_ours(tmp_path: Path) -> None:
    assert run(IMPORTS.format(more=""), tmp_path) == OURS_ALL


def test_every_module_of_snap_that_we_have_can_be_imported(tmp_path: Path) -> None:
    more = f"import importlib; [importlib.import_module(name) for name in {sorted(OURS)}]"
    assert run(IMPORTS.format(more=more), tmp_path) == OURS_ALL


def test_installed_packages_are_found_beside_ours(tmp_path: Path) -> None:
    # As SNAP's own packages are laid out, one of which spoils the other's __init__.
    site = tmp_path / "site"
    (site / "snap" / "elements" / "combine").mkdir(parents=True)
    (site / "snap" / "__init__.py").write_text("raise RuntimeError('not ours')")
    (site / "snap" / "elements" / "__init__.py").write_text("")
    (site / "snap" / "elements" / "timing.py").write_text("raise RuntimeError('not ours')")
    (site / "snap" / "datablock.py").write_text("from snap import timing\nname = __name__, timing.__name__")
    (site / "snap" / "elements" / "combine" / "__init__.py").write_text("from .buffer import Buffer")
    (site / "snap" / "elements" / "combine" / "buffer.py").write_text(
        "from snap.datablock import name\nclass Buffer: pass"
    )
    more = "from snap.elements.combine import Buffer; assert Buffer.__module__ == 'snap.elements.combine.buffer'"
    assert run(IMPORTS.format(more=more), tmp_path, site) == OURS_ALL.replace("True", "False", 1)


def test_a_module_called_snap_of_the_users_own_stays(tmp_path: Path) -> None:
    (tmp_path / "snap.py").write_text("mine = 3")
    code = "from penstock.compat.snap.namespace import serve_snap; serve_snap(); import snap; print(snap.mine)"
    assert run(code, tmp_path, tmp_path) == "3"


def test_without_being_served_there_is_no_snap(tmp_path: Path) -> None:
    assert run("import penstock.compat.snap, snap", tmp_path) == "ModuleNotFoundError: No module named 'snap'"
