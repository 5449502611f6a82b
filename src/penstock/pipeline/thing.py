"""The one rule for things: a name, or ``{name: {arguments}}``, or ``use:`` where other keys stand beside it.

It reads what was written; whether there is something of that name is asked of the registry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import PydanticCustomError

from penstock.core.suggest import listed

__all__ = ["RESERVED", "Thing", "read_thing"]

RESERVED: Final = ("use", "from", "when", "where", "record", "when_full", "on_error")
"""Words of the pipeline file that no element may take as an argument."""

BARE: Final = ""
"""The name of an argument that was written without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something named, with its arguments, before anybody has looked for it."""

    name: str
    """``hdf5`` or ``module:object``."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """By name; a single argument written bare has the empty name."""
    inner: tuple[str, ...] = ()
    """Where the arguments stand, seen from the thing: below its name, or beside ``use``."""
    target: Callable[..., Any] | None = field(default=None, compare=False)
    """The object itself, if it was given in Python."""


def read_thing(written: Any) -> Thing:
    """Read one thing.

    Raises
    ------
    PydanticCustomError
        If it is no thing; the text says how one is written.

    Examples
    --------
    >>> read_thing({"threshold": {"field": "I0", "above": 0}}).arguments
    {'field': 'I0', 'above': 0}
    >>> read_thing({"roi": 3}).arguments
    {'': 3}
    """
    if isinstance(written, Thing):
        return _without_reserved(written)
    if isinstance(written, str):
        return Thing(name=_name(written))
    if not isinstance(written, Mapping):
        raise _wrong(f"{written!r} is no name", "write a name, or {name: {arguments}}")
    if "use" in written:
        rest = {key: value for key, value in written.items() if key != "use"}
        if isinstance(written["use"], Thing):
            named = written["use"]
            return _without_reserved(Thing(name=named.name, arguments=named.arguments, target=named.target))
        return _without_reserved(Thing(name=_name(written["use"]), arguments=_keyed(rest)))
    if len(written) != 1:
        names = listed((f'"{name}"' for name in written), "and")
        raise _wrong(
            f"one name is wanted, and there are {names}" if written else "a name is missing",
            'where other keys stand beside a name, write "use: NAME"'
            if written
            else "write a name, or {name: {arguments}}",
        )
    name, arguments = next(iter(written.items()))
    if arguments is None:
        return Thing(name=_name(name), inner=(name,))
    if isinstance(arguments, Mapping):
        return _without_reserved(Thing(name=_name(name), arguments=_keyed(arguments), inner=(name,)))
    return Thing(name=_name(name), arguments={BARE: arguments}, inner=(name,))


def _name(written: Any) -> str:
    if not isinstance(written, str) or not written.strip():
        raise _wrong(f"{written!r} is no name", "write a built-in name, or module:object")
    return written


def _keyed(arguments: Mapping[Any, Any]) -> Mapping[str, Any]:
    for key in arguments:
        if not isinstance(key, str) or not key.isidentifier():
            raise _wrong(f"{key!r} cannot be the name of an argument", "write a word of letters, digits and _")
    return arguments


def _without_reserved(thing: Thing) -> Thing:
    for word in RESERVED:
        if word in thing.arguments:
            raise PydanticCustomError(
                "thing",
                "{text}",
                {
                    "text": f'"{word}" is a word of the pipeline file, so {thing.name} cannot have it as an argument',
                    "remedy": "rename the argument of the element",
                    "inner": (*thing.inner, word),
                },
            )
    return thing


def _wrong(text: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("thing", "{text}", {"text": text, "remedy": remedy})
