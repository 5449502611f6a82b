"""What the supervisor and its warmed process say to each other: start this, it is started, it has ended.

Only bytes and their meaning; how they travel and what is done about them stands in ``penstock.services``.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from penstock.errors import RemoteProtocolError

__all__ = [
    "Ended",
    "Refused",
    "Start",
    "StartRequest",
    "Started",
    "decode",
    "decode_arguments",
    "encode",
    "encode_arguments",
]

_M = TypeVar("_M")


class StartRequest(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a child is to be; of any length, so it lies in a memory file that the child reads."""

    name: str
    """What people call it: in errors, and in ``ps``."""
    function: str
    """``module:function``."""
    arguments: msgspec.Raw
    """The function's first argument, encoded."""
    path: tuple[str, ...]
    """Where modules are looked for: the supervisor's ``sys.path``, absolute."""
    cpus: tuple[int, ...] = ()
    """The processors it may run on; none named: those of the supervisor."""
    is_captured: bool = False
    """Whether the first of its descriptors takes what it prints."""


class Start(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Fork; beside it travel the memory file of the ``StartRequest`` and the child's own descriptors."""

    number: int
    """The supervisor's number of the child: unlike a pid it never comes again."""


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """There is a child; beside it travels its pidfd."""

    number: int
    pid: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """There is none, and why."""

    number: int
    text: str


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A child has ended: by itself with a code, or by a signal; the other one is 0."""

    number: int
    code: int = 0
    signal: int = 0


def encode(message: StartRequest | Start | Started | Refused | Ended) -> bytes:
    """Return the bytes of a message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[_M]) -> _M:
    """Return the message of this kind, or of this union of kinds.

    Raises
    ------
    RemoteProtocolError
        If it is another one, or none.
    """
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise RemoteProtocolError(
            f"the warmed process and its supervisor do not understand each other: {error}"
        ) from error


def encode_arguments(arguments: Mapping[str, Any] | msgspec.Struct) -> msgspec.Raw:  # Any: whatever msgspec knows
    """Return a child's arguments as bytes.

    Raises
    ------
    TypeError
        If there is anything in them that msgspec does not know.
    """
    return msgspec.Raw(msgspec.msgpack.encode(arguments))


def decode_arguments(arguments: msgspec.Raw, kind: Any = Any) -> Any:  # Any: what the function's annotation says
    """Return a child's arguments as what its function declares.

    Raises
    ------
    RemoteProtocolError
        If they are something else.
    """
    try:
        return msgspec.msgpack.decode(arguments, type=kind)
    except msgspec.DecodeError as error:
        raise RemoteProtocolError(f"the arguments are not what the function declares: {error}") from error
