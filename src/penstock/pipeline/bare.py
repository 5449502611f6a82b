"""Whose argument is it, when a single one is written without its name: ``{throttle: 10}``."""

from collections.abc import Callable
from inspect import isclass, isroutine
from typing import Any

from penstock.core.suggest import listed
from penstock.elements.signature import VARIADIC, CodeKind, Signature

__all__ = ["BareArgumentError", "name_of_bare"]


class BareArgumentError(ValueError):
    """A bare argument could be more than one, or there is none."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


def name_of_bare(kind: CodeKind, target: Callable[..., Any]) -> str:
    """Return the name of the argument that a bare value is for.

    It is the first argument of what is made with arguments; a function whose first argument may be left out makes what
    is called. Any other may be called with items, whose place is then not open to arguments, or make what is called;
    where both would fit, guessing is refused.

    Raises
    ------
    BareArgumentError
        If there is no such argument, or more than one.
    """
    signature = Signature.of(target)
    open_names = [
        name for name, argument in signature.given.items() if argument.kind not in VARIADIC and name != "context"
    ]
    is_made = isclass(target) or kind in ("source", "sink") or not isroutine(target) or not signature.items(kind, {})
    fitting = [name for name in open_names if _fits(signature, kind, name, is_made)]
    if is_made:
        fitting = fitting[:1]
    if kind != "reduce" and len(fitting) > 1 and open_names[0] not in fitting:
        fitting = fitting[:1]  # the first is the item
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise BareArgumentError("it takes no argument", "remove the value")
    raise BareArgumentError(f"its one argument could be {listed(fitting)}", f"write {{{fitting[-1]}: …}}")


def _fits(signature: Signature, kind: CodeKind, name: str, is_made: bool) -> bool:
    given = {name: None}
    items = () if is_made else signature.items(kind, given)
    is_state = kind == "reduce" and name in items[:1]  # a fold may be given what it begins with
    return (is_state or name not in items) and not signature.missing(kind, given)
