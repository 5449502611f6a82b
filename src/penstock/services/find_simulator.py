"""Simulators by name: those there are, and users' own."""

from pathlib import Path

from penstock.elements.user_modules import find_class
from penstock.errors import CheckError, Problem
from penstock.simulators import Simulator, simulator_named

__all__ = ["find_simulator"]


def find_simulator(name: str) -> type[Simulator]:
    """Return a simulator: one of those there are, or ``module:class`` of any other, from the current folder first.

    Raises
    ------
    CheckError
        With one problem: there is none, it cannot be imported, or it is not whole.
    """
    if ":" not in name:
        try:
            return simulator_named(name)
        except ValueError as error:
            raise CheckError([Problem(where="", text=str(error))]) from error
    found: type[Simulator] = find_class(name, Path.cwd(), Simulator, "penstock.simulators")
    if getattr(found, "socket", None) is None:
        remedy = "write decoder = the decoder that reads what it says"
        raise CheckError([Problem(where=name, text=f"{found.__name__} names no decoder", remedy=remedy)])
    return found
