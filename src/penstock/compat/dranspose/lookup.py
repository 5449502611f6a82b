"""How a pipeline names a user's class: ``penstock.compat.dranspose.worker:module.Class``, and likewise a reducer's.

The module is looked for where other user code is. What is found is a class of ours that keeps one of theirs.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from penstock.compat.dranspose.namespace import serve_dranspose
from penstock.elements.user_modules import find_object
from penstock.errors import CheckError, Problem

__all__ = ["UserPlace", "find_user_class", "written"]

Adapt = Callable[[type], type]


class UserPlace:
    """A module of the user's on the way to a class."""

    def __init__(self, module: str, adapt: Adapt) -> None:
        self._module = module
        self._adapt = adapt

    def __getattr__(self, name: str) -> "UserPlace | type":
        """Return a module below, or the class, adapted."""
        if name.startswith("__"):
            raise AttributeError(name)
        if _is_module(f"{self._module}.{name}"):
            return UserPlace(f"{self._module}.{name}", self._adapt)
        return self._adapt(find_user_class(f"{self._module}:{name}"))


def find_user_class(name: str, folder: Path | None = None) -> type:
    """Return the user's class that ``module:Class`` stands for.

    Parameters
    ----------
    folder
        Where its module is looked for first; by default where other user code was found last.

    Raises
    ------
    CheckError
        If there is none, or importing its module fails.
    """
    serve_dranspose()
    found = find_object(name, Path(sys.path[0]) if folder is None else folder)
    if not isinstance(found, type):
        text, remedy = f"{name} is a {type(found).__name__}", "name a class"
        raise CheckError([Problem(where=name, text=text, remedy=remedy)])
    return found


def written(kind: str, name: str) -> str:
    """Return how a pipeline names a class that users write as ``module:Class``.

    >>> written("worker", "xrf.fit:Spectrum")
    'penstock.compat.dranspose.worker:xrf.fit.Spectrum'
    """
    return f"penstock.compat.dranspose.{kind}:{name.replace(':', '.')}"


@cache
def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
