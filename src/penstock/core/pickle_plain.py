"""What a pickle may name beside arrays where its reader allows it: containers, times, and dataclasses that were listed.

Still nothing is called by a name from outside: dataclasses are filled in without running their code, and of the rest
what is called is written here.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

from penstock.core.pickle_globals import Global, kind_of
from penstock.errors import RemoteProtocolError

__all__ = ["PLAIN", "DataclassGlobal", "Held", "allowed_dataclasses", "state_of"]


class Held:
    """What can be made only when all that belongs to it has been read."""

    __slots__ = ("content", "is_open", "make")

    def __init__(self, make: Callable[[Any], Any], content: Any = None, *, is_open: bool = False) -> None:
        self.make = make
        self.content = content
        """To be settled, and then given to ``make``."""
        self.is_open = is_open
        """Whether a state is still to come."""


class DataclassGlobal(Global):
    """A dataclass that may come: an instance is announced, and filled in by the state that follows."""

    def __init__(self, name: str, cls: type) -> None:
        super().__init__(name, self._not_called)
        self._cls = cls

    def announced(self, arguments: Any) -> Held:
        """Return an instance without its state."""
        if arguments != ():
            raise RemoteProtocolError(f"the pickle makes a {self.name} with arguments")
        return Held(partial(_filled, self._cls), is_open=True)

    def _not_called(self, *_: Any) -> None:
        raise RemoteProtocolError(f"the pickle calls {self.name} itself, which no dataclass is written with")


def allowed_dataclasses(classes: Mapping[str, type]) -> dict[tuple[str, str], Global]:
    """Return what pickles may name: plain containers and times, and these classes.

    Parameters
    ----------
    classes
        By ``module:class``, as pickles name them.

    Raises
    ------
    ValueError
        If one is no dataclass.
    """
    found = dict(PLAIN)
    for name, cls in classes.items():
        if not is_dataclass(cls):
            raise ValueError(f"{name} is no dataclass; of other classes nobody can say what filling them in would run")
        module, _, path = name.partition(":")
        found[module, path] = DataclassGlobal(name, cls)
    return found


def state_of(target: Any, state: Any) -> None:
    """Take the state of what was announced.

    Raises
    ------
    RemoteProtocolError
        If it awaits none.
    """
    if not isinstance(target, Held) or not target.is_open:
        raise RemoteProtocolError(f"the pickle gives a state to {kind_of(target)}")
    target.content, target.is_open = state, False


def _filled(cls: type, state: Any) -> Any:
    """Make an instance without running any of its code."""
    names = [field.name for field in fields(cls)]
    if type(state) is tuple and len(state) == 2 and state[0] is None:  # of a class with slots
        state = state[1]
    if type(state) is list and len(state) == len(names):  # of a frozen one with slots
        state = dict(zip(names, state, strict=True))
    if type(state) is not dict or set(state) != set(names):
        raise RemoteProtocolError(f"the pickle has other fields of {cls.__qualname__} than {', '.join(names)}")
    made: Any = object.__new__(cls)
    for name, value in state.items():
        object.__setattr__(made, name, value)
    return made


def _set(kind: Any, *arguments: Any) -> Held:
    if len(arguments) > 1 or (arguments and type(arguments[0]) is not list):
        raise RemoteProtocolError("the pickle makes a set of something other than a list")
    return Held(kind, arguments[0] if arguments else [])


def _complex(*arguments: Any) -> complex:
    if len(arguments) != 2 or not {type(each) for each in arguments} <= {float, int}:
        raise RemoteProtocolError("the pickle makes a complex number of something other than two numbers")
    return complex(*arguments)


def _timedelta(*arguments: Any) -> timedelta:
    if len(arguments) != 3 or {type(each) for each in arguments} != {int}:
        raise RemoteProtocolError("the pickle makes a duration of something other than three whole numbers")
    return timedelta(*arguments)


def _date(*arguments: Any) -> Any:
    made: Any = date  # which takes what pickle writes of one, and says so nowhere
    return made(_stamp(arguments, 4)) if len(arguments) == 1 else _no_time()


def _datetime(*arguments: Any) -> Any:
    made: Any = datetime
    stamp = _stamp(arguments[:1], 10)
    if len(arguments) == 1 or (len(arguments) == 2 and type(arguments[1]) is timezone):
        return made(stamp, *arguments[1:])
    return _no_time()


def _timezone(*arguments: Any) -> Any:
    is_right = len(arguments) == 1 and type(arguments[0]) is timedelta
    return timezone(arguments[0]) if is_right else _no_time()


def _stamp(arguments: tuple[Any, ...], length: int) -> bytes:
    if not arguments or not isinstance(arguments[0], bytes | memoryview) or len(arguments[0]) != length:
        _no_time()
    return bytes(arguments[0])


def _no_time() -> Any:  # never returns
    raise RemoteProtocolError("the pickle has a time that is not written as Python writes one")


PLAIN: Final[Mapping[tuple[str, str], Global]] = {
    **{(module, "set"): Global("set", partial(_set, set)) for module in ("builtins", "__builtin__")},
    **{(module, "frozenset"): Global("frozenset", partial(_set, frozenset)) for module in ("builtins", "__builtin__")},
    **{(module, "complex"): Global("complex", _complex) for module in ("builtins", "__builtin__")},
    ("datetime", "date"): Global("date", _date),
    ("datetime", "datetime"): Global("datetime", _datetime),
    ("datetime", "timedelta"): Global("timedelta", _timedelta),
    ("datetime", "timezone"): Global("timezone", _timezone),
}
"""Module and name → what stands in its place."""
