"""A call of a simulator, which may be user code: its packets, or an error that says where and what would be right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from penstock.elements.user_modules import users_line
from penstock.errors import UserCodeError
from penstock.simulators import Packets

__all__ = ["call_simulator", "packets_of"]

_Given = TypeVar("_Given")


def call_simulator(call: Callable[..., _Given], *arguments: Any, **named: Any) -> _Given:
    """Return what a simulator's class or method gives.

    Raises
    ------
    UserCodeError
        If it raises.
    """
    try:
        return call(*arguments, **named)
    except Exception as error:
        file, line = users_line(error.__traceback__)
        place = f" ({Path(file).name}, line {line})" if file else ""
        text = f"{call.__qualname__} raised {type(error).__name__}: {error}{place}"
        raise UserCodeError(text, stage=call.__qualname__) from error


def packets_of(method: Callable[..., Packets], *arguments: Any, **named: Any) -> Packets:
    """Return the packets that a method of a simulator gives.

    Raises
    ------
    UserCodeError
        If it raises, or gives anything but packets.
    """
    packets = call_simulator(method, *arguments, **named)
    if flaw := _flaw(packets):
        text = f"{method.__qualname__} returned {flaw}; a list of packets is due, each a list of bytes: [[packet]]"
        raise UserCodeError(text, stage=method.__qualname__)
    return packets


def _flaw(packets: object) -> str:
    if not isinstance(packets, list | tuple):
        return f"a {type(packets).__name__}"
    for parts in packets:
        if not isinstance(parts, list | tuple):
            return f"a list with a {type(parts).__name__} in it"
        for part in parts:
            if not isinstance(part, bytes):
                return f"a packet with a {type(part).__name__} in it"
    return ""
