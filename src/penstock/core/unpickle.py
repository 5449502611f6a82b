"""Reading the pickles that some instruments send, without ever calling anything they name.

A small machine of its own walks the opcodes that plain values, dictionaries and NumPy arrays are written with. The few
globals it knows stand for operations written here; every other one is an error that names it. It imports nothing, runs
nothing of the sender's, and allocates nothing the bytes themselves do not fill.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

from penstock.core.pickle_globals import (
    NO_MORE,
    Global,
    Unfilled,
    array_of_state,
    as_key,
    find_global,
    kind_of,
    with_byte_order,
)
from penstock.core.pickle_plain import DataclassGlobal, Held, state_of
from penstock.errors import RemoteProtocolError

__all__ = ["unpickle"]

MAX_DEPTH = 32
"""Of containers in containers."""
MAX_VALUES = 100_000
"""In the whole tree, shared ones counted as often as they are met: a few bytes can name a thousandfold tree."""
MAX_INT_BYTES = 32

_MARK = object()


def unpickle(
    pickled: bytes | bytearray | memoryview, allowed: Mapping[tuple[str, str], Global] | None = None
) -> Any:  # whatever plain value the sender had
    """Decode one pickle of protocol 2 to 5 into plain values and read-only arrays.

    The result is a tree: what the pickle shares is repeated, ``OrderedDict`` becomes ``dict``.

    Parameters
    ----------
    pickled
        The bytes.
    allowed
        What it may hold beside, as `allowed_dataclasses` gives it: sets, complex numbers, times, and the dataclasses
        that were listed. By default nothing.

    Returns
    -------
    Any
        ``None``, bool, int, float, str, bytes, list, tuple, dict with hashable plain keys, NumPy scalar, or array of
        booleans, numbers or text, with the shape and dtype that were sent; array memory is shared with ``pickled``
        where that is possible.

    Raises
    ------
    RemoteProtocolError
        Whatever is wrong: a global that is not allowed, truncation, garbage, a shape that is not the buffer's, an array
        of objects, more than 32 levels or 100 000 values.
    """
    try:
        return _settle(_Machine(memoryview(pickled).cast("B"), allowed).run(), MAX_DEPTH, [MAX_VALUES])
    except RemoteProtocolError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, struct.error, RecursionError) as error:
        raise RemoteProtocolError(f"the pickle cannot be read: {type(error).__name__}: {error}") from error


class _Machine:
    def __init__(self, view: memoryview, allowed: Mapping[tuple[str, str], Global] | None) -> None:
        self._view = view
        self._allowed = NO_MORE if allowed is None else allowed
        self._operations = _OPERATIONS if allowed is None else _MORE_OPERATIONS
        self._at = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        stack = self._stack
        while True:
            code = self._take(1)[0]
            if code == 0x2E:  # STOP
                break
            operation = self._operations.get(code)
            if operation is None:
                raise RemoteProtocolError(
                    f"the pickle uses opcode 0x{code:02x} at byte {self._at - 1}, which plain values and arrays "
                    "of protocol 2 to 5 do not need"
                )
            operation(self)
        if self._at != len(self._view):
            raise RemoteProtocolError(f"{len(self._view) - self._at} bytes follow the end of the pickle")
        if len(stack) != 1:
            raise RemoteProtocolError(f"the pickle leaves {len(stack)} values where one is meant")
        return stack.pop()

    def _take(self, count: int) -> memoryview:
        start, self._at = self._at, self._at + count
        if count < 0 or self._at > len(self._view):
            raise RemoteProtocolError(f"the pickle is truncated: {len(self._view)} bytes, at least {self._at} needed")
        return self._view[start : self._at]

    def _count(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def _text(self, width: int) -> str:
        return str(self._take(self._count(width)), "utf-8")

    def _line(self) -> str:
        window = bytes(self._view[self._at : self._at + 200])
        end = window.find(b"\n")
        if end < 0:
            raise RemoteProtocolError("the pickle is truncated in the name of a global, or the name is too long")
        self._at += end + 1
        return window[:end].decode("utf-8")

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise RemoteProtocolError("the pickle has a mark where a value is meant")
        return value

    def since_mark(self) -> list[Any]:
        stack = self._stack
        for at in range(len(stack) - 1, -1, -1):
            if stack[at] is _MARK:
                values = stack[at + 1 :]
                del stack[at:]
                return values
        raise RemoteProtocolError("the pickle lacks a mark")

    # What follows is one method an opcode, or a family of them.

    def protocol(self) -> None:
        if not 2 <= self._count(1) <= 5:
            raise RemoteProtocolError("the pickle is of a protocol that is not 2, 3, 4 or 5")

    def frame(self) -> None:
        size = self._count(8)
        if size > len(self._view) - self._at:
            raise RemoteProtocolError("the pickle is truncated: its frame is longer than what came")

    def integer(self, width: int, *, signed: bool) -> None:
        self.push(int.from_bytes(self._take(width), "little", signed=signed))

    def long_integer(self) -> None:
        count = self._count(1)
        if count > MAX_INT_BYTES:
            raise RemoteProtocolError(f"the pickle has an integer of {count} bytes, more than {MAX_INT_BYTES}")
        self.integer(count, signed=True)

    def float(self) -> None:
        self.push(struct.unpack(">d", self._take(8))[0])

    def text(self, width: int) -> None:
        self.push(self._text(width))

    def raw(self, width: int) -> None:
        self.push(bytes(self._take(self._count(width))))

    def binary(self, width: int) -> None:
        # Arrays are sent as bytes; a view keeps large ones from being copied and _settle makes bytes of the rest.
        self.push(self._take(self._count(width)).toreadonly())

    def tuple_of(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def append(self) -> None:
        value = self.pop()
        _as_list(self._stack[-1]).append(value)

    def appends(self) -> None:
        values = self.since_mark()
        _as_list(self._stack[-1]).extend(values)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        _as_dict(self._stack[-1])[as_key(key)] = value

    def set_items(self) -> None:
        self._update(self.since_mark(), _as_dict(self._stack[-1]))

    def dictionary(self) -> None:
        made: dict[Any, Any] = {}
        self._update(self.since_mark(), made)
        self.push(made)

    @staticmethod
    def _update(pairs: list[Any], into: dict[Any, Any]) -> None:
        if len(pairs) % 2:
            raise RemoteProtocolError("the pickle has a key without a value")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            into[as_key(key)] = value

    def put(self, width: int) -> None:
        self._memo[self._count(width)] = self._top()

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def _top(self) -> Any:
        top = self._stack[-1]
        if top is _MARK:
            raise RemoteProtocolError("the pickle has a mark where a value is meant")
        return top

    def get(self, width: int) -> None:
        self.push(self._memo[self._count(width)])

    def find_global(self) -> None:
        module = self._line()
        self.push(find_global(module, self._line(), self._allowed))

    def find_stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.push(find_global(module, name, self._allowed))

    def reduce(self) -> None:
        arguments, operation = self.pop(), self.pop()
        if not isinstance(operation, Global) or not isinstance(arguments, tuple):
            raise RemoteProtocolError("the pickle calls something that is not an allowed global")
        self.push(operation.call(*arguments))

    def build(self) -> None:
        state = self.pop()
        target = self._stack[-1]
        if isinstance(target, Held):
            state_of(target, state)
            return
        if not isinstance(target, Unfilled) or not isinstance(state, tuple):
            raise RemoteProtocolError("the pickle gives a state to something that is neither an array nor a dtype")
        if target.dtype is not None:
            target.dtype = with_byte_order(target.dtype, state)
        else:
            target.value = array_of_state(state)

    # What only a reader can see who allows more.

    def new_object(self) -> None:
        arguments, kind = self.pop(), self.pop()
        if not isinstance(kind, DataclassGlobal):
            raise RemoteProtocolError(f"the pickle makes an object of {kind_of(kind)}, which is not allowed")
        self.push(kind.announced(arguments))

    def add_items(self) -> None:
        values = self.since_mark()
        target = self._stack[-1]
        if not isinstance(target, Held) or target.make is not set:
            raise RemoteProtocolError("the pickle adds items to something that is not a set")
        target.content.extend(values)


def _as_list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise RemoteProtocolError("the pickle appends to something that is not a list")
    return value


def _as_dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise RemoteProtocolError("the pickle sets an item of something that is not a dictionary")
    return value


_SIMPLE = (str, float, int, bool, bytes, np.ndarray, np.generic, complex, date, timedelta)


def _settle(value: Any, depth: int, left: list[int]) -> Any:
    """Return the value as a tree of plain values, every placeholder replaced, within the bounds."""
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise RemoteProtocolError(f"the pickle holds more than {MAX_VALUES} values or {MAX_DEPTH} levels")
    if value is None or isinstance(value, _SIMPLE):
        return value
    if type(value) is dict:
        return {key: _settle(inner, depth - 1, left) for key, inner in value.items()}
    if type(value) is list:
        return [_settle(inner, depth - 1, left) for inner in value]
    if type(value) is tuple:
        return tuple([_settle(inner, depth - 1, left) for inner in value])
    if isinstance(value, memoryview):
        left[0] -= len(value) >> 6  # each mention is copied
        return bytes(value) if left[0] >= 0 else _settle(None, depth, left)
    if isinstance(value, Unfilled) and value.value is not None:
        return value.value
    if isinstance(value, Held) and not value.is_open:
        return value.make(_settle(value.content, depth - 1, left))
    raise RemoteProtocolError(f"the pickle holds {kind_of(value)} where a value is meant")


_OPERATIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine.protocol,
    0x95: _Machine.frame,
    ord("("): lambda m: m.push(_MARK),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("J"): lambda m: m.integer(4, signed=True),
    ord("K"): lambda m: m.integer(1, signed=False),
    ord("M"): lambda m: m.integer(2, signed=False),
    0x8A: _Machine.long_integer,
    ord("G"): _Machine.float,
    0x8C: lambda m: m.text(1),
    ord("X"): lambda m: m.text(4),
    0x8D: lambda m: m.text(8),
    ord("C"): lambda m: m.binary(1),
    ord("B"): lambda m: m.binary(4),
    0x8E: lambda m: m.binary(8),
    0x96: lambda m: m.binary(8),
    ord("U"): lambda m: m.raw(1),
    ord("T"): lambda m: m.raw(4),
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    ord("t"): lambda m: m.push(tuple(m.since_mark())),
    ord("]"): lambda m: m.push([]),
    ord("l"): lambda m: m.push(m.since_mark()),
    ord("a"): _Machine.append,
    ord("e"): _Machine.appends,
    ord("}"): lambda m: m.push({}),
    ord("d"): _Machine.dictionary,
    ord("s"): _Machine.set_item,
    ord("u"): _Machine.set_items,
    ord("q"): lambda m: m.put(1),
    ord("r"): lambda m: m.put(4),
    0x94: _Machine.memoize,
    ord("h"): lambda m: m.get(1),
    ord("j"): lambda m: m.get(4),
    ord("c"): _Machine.find_global,
    0x93: _Machine.find_stack_global,
    ord("R"): _Machine.reduce,
    ord("b"): _Machine.build,
}
_MORE_OPERATIONS: dict[int, Callable[[_Machine], None]] = {
    **_OPERATIONS,
    0x81: _Machine.new_object,
    0x8F: lambda m: m.push(Held(set, [])),
    0x90: _Machine.add_items,
    0x91: lambda m: m.push(Held(frozenset, m.since_mark())),
}
