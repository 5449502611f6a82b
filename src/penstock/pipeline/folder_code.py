"""What a folder's modules offer to a pipeline beside them, found by reading their text; nothing is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["code_beside"]

MOST_BYTES: Final = 1 << 20
"""Of a module that is read; who generates larger ones knows their names."""


def code_beside(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the public functions and classes of the modules of a folder, as ``module:object``, with their one line.

    Tests are left out, and what cannot be read as Python.
    """
    for file in sorted(folder.glob("*.py")):
        if file.stem.startswith(("_", "test_")) or file.stem == "conftest" or not file.stem.isidentifier():
            continue
        for node in _definitions(file):
            if not node.name.startswith("_"):
                line = (ast.get_docstring(node) or "").partition("\n")[0]
                yield f"{file.stem}:{node.name}", line


def _definitions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    try:
        if file.stat().st_size > MOST_BYTES:
            return
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
