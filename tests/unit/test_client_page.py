"""The page about the client shows every class and function of it, each with a docstring, and every error it raises."""

import inspect
import re
from pathlib import Path

from penstock import client

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "client.md").read_text()
CLASSES = {
    name: found
    for name, found in vars(client).items()
    if inspect.isclass(found) and found.__module__ == client.__name__ and not name.startswith("_")
}


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
    raised = set(re.findall(r"raise (\w+Error)\(", inspect.getsource(client)))
    raised |= {kind.__name__ for kind in client._ERRORS.values()}
    hidden = {name for name in raised if name.startswith("_")}
    # TypeError: the length of a view without dimensions, as NumPy has it.
    assert {name for name in raised - hidden - {"TypeError"} if f"| `{name}` |" not in PAGE} == set()
