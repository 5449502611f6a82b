"""What user code may return: a closed list, so that every result can travel, be stored and be replayed.

None, bool, int, float, complex, str, bytes; NumPy scalars, and arrays of any dtype without objects; list, tuple, dict,
set and frozenset of these; dataclasses of these; datetime, date, timedelta, Timestamp; messages; and types that were
registered. Only exact types count: a subclass would come back as something else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np

from penstock.core.encoded_message import EncodedMessage, encoded_message
from penstock.core.encoding import encodings_from, plain_encodings
from penstock.core.message import Kind, Message
from penstock.core.timestamp import Timestamp
from penstock.errors import ResultTypeError

__all__ = ["DEEPEST", "Registered", "check_value", "register", "registered", "registered_name", "type_name"]

T = TypeVar("T")

DEEPEST: Final = 64
"""Levels of containers in containers; also what stops a container that holds itself."""

_PLAIN: Final[frozenset[type]] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, datetime, date, timedelta, Timestamp}
    | {kind for kind in np.sctypeDict.values() if kind not in (np.object_, np.void)}
)
_SEQUENCES: Final[frozenset[type]] = frozenset({list, tuple, set, frozenset})


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A type somebody taught us."""

    type: type
    encode: Callable[[Any], Any]  # from an instance of ``type`` to a value of the closed list
    decode: Callable[[Any], Any]


def _plain_message(message: Message) -> list[Any]:
    """Return what a message is made of; its buffers as they came."""
    said: list[Any] = [message.id, message.key, message.timestamp_ns, dict(message.metadata), list(message.buffers)]
    return [*said, int(message.kind), plain_encodings(message.encodings)]


def _message_from(plain: list[Any]) -> Message:
    number, key, timestamp_ns, metadata, buffers, kind, encodings = plain
    first, *more = buffers or [None]
    made = Message(number, key, timestamp_ns, metadata, first, tuple(more), Kind(kind), encodings_from(encodings))
    return encoded_message(made)


_MESSAGES: Final = [
    Registered(type=kind, encode=_plain_message, decode=_message_from) for kind in (Message, EncodedMessage)
]
"""What steps such as ``bin`` give on."""
_by_type: dict[type, Registered] = {entry.type: entry for entry in _MESSAGES}
_by_name: dict[str, Registered] = {f"{entry.type.__module__}.{entry.type.__qualname__}": entry for entry in _MESSAGES}


def register(type: type[T], encode: Callable[[T], Any], decode: Callable[[Any], T]) -> None:  # noqa: A002
    """Let user code return a type of its own; call it at the top of the module that defines or uses the type.

    Parameters
    ----------
    type
        Exactly this type, not its subclasses.
    encode
        Turns an instance into a value of the closed list.
    decode
        Turns that value back.

    Raises
    ------
    ResultTypeError
        If the type is on the closed list anyway.
    """
    if type in _PLAIN or type in _SEQUENCES or type in (dict, np.ndarray, np.void, Message, EncodedMessage):
        raise ResultTypeError(f"{type_name(type)} needs no registration; it is one of the types every result may have")
    entry = Registered(type=type, encode=encode, decode=decode)
    _by_type[type] = _by_name[type_name(type)] = entry


def registered(type: type) -> Registered | None:  # noqa: A002
    """Return what was registered for exactly this type."""
    return _by_type.get(type)


def registered_name(name: str) -> Registered | None:
    """Return what was registered under the name of a type, as ``type_name`` gives it."""
    return _by_name.get(name)


def check_value(value: Any, where: str) -> None:
    """Make sure that a result can travel.

    Parameters
    ----------
    value
        What user code returned.
    where
        Its stage, such as ``stages.fit``.

    Raises
    ------
    ResultTypeError
        If something in it is not on the closed list; the text names the place inside the value.
    """
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is dict:
        for key, item in value.items():
            if type(item) not in _PLAIN or type(key) not in _PLAIN:
                break
        else:
            return
    offence = _offence(value, 0)
    if offence is not None:
        raise ResultTypeError(f"{where}: result{offence}")


def type_name(type: type) -> str:  # noqa: A002
    """Return a type as people name it."""
    return type.__qualname__ if type.__module__ == "builtins" else f"{type.__module__}.{type.__qualname__}"


def _offence(value: Any, depth: int) -> str | None:
    """Return the path to what is not allowed, with the reason; ``None`` if all is well."""
    kind = type(value)
    if kind in _PLAIN:
        return None
    if depth == DEEPEST:
        return f" is nested deeper than {DEEPEST} levels, or holds itself; return it flatter"
    if kind is np.ndarray or kind is np.void:
        return _of_dtype(value.dtype)
    if kind in _SEQUENCES:
        return _of_sequence(value, depth)
    if kind is dict:
        return _of_dict(value, depth)
    if kind in _by_type:
        offence = _offence(_by_type[kind].encode(value), depth + 1)
        return None if offence is None else f" as its registered encode returns it{offence}"
    if is_dataclass(value) and not isinstance(value, type):
        return _of_fields(value, depth)
    return _unknown(kind)


def _of_sequence(value: Iterable[Any], depth: int) -> str | None:
    if set(map(type, value)) <= _PLAIN:
        return None
    for position, item in enumerate(value):
        if (offence := _offence(item, depth + 1)) is not None:
            return f"[{position}]{offence}"
    return None


def _of_dict(value: dict[Any, Any], depth: int) -> str | None:
    for key, item in value.items():
        if (offence := _offence(key, depth + 1)) is not None:
            return f" has the key {key!r:.60}, which{offence}"
        if (offence := _offence(item, depth + 1)) is not None:
            return f"[{key!r:.60}]{offence}"
    return None


def _of_fields(value: Any, depth: int) -> str | None:
    for field in fields(value):
        if (offence := _offence(getattr(value, field.name), depth + 1)) is not None:
            return f".{field.name}{offence}"
    return None


def _of_dtype(dtype: np.dtype[Any]) -> str | None:
    if dtype.hasobject:
        return f" is an array of Python objects (dtype {dtype}); give it a dtype of numbers or text"
    return None


def _unknown(kind: type) -> str:
    remedy = "return numbers, text, arrays, dataclasses or containers of them, or teach it with register()"
    for base, plain in ((np.ndarray, "np.asarray(…)"), (dict, "dict(…)"), (tuple, "tuple(…) or a dataclass")):
        if issubclass(kind, base):
            remedy = f"return {plain}, or teach it with register()"
    return f" is a {type_name(kind)}, which cannot travel between processes; {remedy}"
