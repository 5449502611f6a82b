"""The page about the client shows every class and function of it, each with a docstring, and every error it raises."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from penstock import client
from penstock.client.door import ERRORS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "client.md").read_text()
CLASSES = {name: found for name, found in vars(client).items() if inspect.isclass(found) and name in client.__all__}

ROOMS = [import_module(f"{client.__name__}.{found.name}") for found in iter_modules(client.__path__)]


def test_every_class_and_connect_are_shown_in_detail() -> None:
    assert ".. autofunction:: penstock.connect" in PAGE
    assert len(CLASSES) == 5
    for name in CLASSES:
        assert f".. autoclass:: penstock.client.{name}\n   :members:" in PAGE


def test_every_member_has_a_docstring_and_is_told_of() -> None:
    for found in (client.Connection, client.Knobs):
        for name, member in vars(found).items():
            if not name.startswith("_"):
                assert inspect.getdoc(member), name
                is_told = f".{name}" in PAGE or name in ("describe", "close")
                assert is_told, name


def test_every_error_is_in_the_table() -> None:
    raised = set(re.findall(r"raise (\w+Error)\(", "".join(map(inspect.getsource, ROOMS))))
    raised |= {kind.__name__ for kind in ERRORS.values()}
    hidden = {"NotFoundError"}  # a ServiceError, or taken for another one
    # TypeError: the length of a view without dimensions, as NumPy has it.
    assert {name for name in raised - hidden - {"TypeError"} if f"| `{name}` |" not in PAGE} == set()
