"""Make a built-in element on trial, because its constructor checks what its arguments mean together.

Constructors of what is built in, and functions that make it, open nothing and start nothing; those of users may, and
are left alone.
"""

from collections.abc import Callable, Iterator, Mapping
from inspect import isclass
from typing import Any

from penstock.elements.signature import Signature
from penstock.errors import PenstockError, Problem

__all__ = ["trial_problems"]

BUILT_IN = "penstock.elements."


def trial_problems(target: Callable[..., Any], arguments: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Yield what the constructor of a built-in element refuses, and what it lets into this machine.

    Parameters
    ----------
    target
        What a name stands for.
    arguments
        All of which are known and of the right kind.
    where
        Dotted path of the element.
    """
    if not str(getattr(target, "__module__", None)).startswith(BUILT_IN):  # what is typed at a prompt may have none
        return
    if not isclass(target) and Signature.of(target).items("step", arguments):  # it is called with items
        return
    try:
        target(**Signature.of(target).meant_by(arguments))
    except ValueError as error:
        text, _, remedy = str(error).partition("; ")
        yield Problem(where=where, text=text, remedy=remedy)
    except PenstockError:
        pass  # checked elsewhere, with better words for where it stands
    if arguments.get("open_to_network") is True:
        text = "every machine of the network may come in"
        remedy = "leave open_to_network out unless all of them can be trusted"
        yield Problem(where=f"{where}.open_to_network", text=text, remedy=remedy, level="warning")
