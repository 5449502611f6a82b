"""Ranges of results as they travel: small values in the descriptor, large arrays in a slot, written once.

Numbers of one NumPy type, and arrays of one dtype and shape, travel as one column. Everything else of the closed list
is one MessagePack array, out of which large arrays are taken, however deep they lie.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.result_range import FarValues, ResultRange
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.columns import HOSTILE, ArrayType, Size, array_bytes, decode_types, encode_types
from penstock.wire.integers import MAX_INTEGERS, Integers, encode_integers
from penstock.wire.plain import encode_all
from penstock.wire.slots import MAX_MESSAGE, ReadSlot, Slot
from penstock.wire.values import ResolveType, decode_value

__all__ = ["INLINE_BYTES", "LARGE_BYTES", "PackedResults", "ResultsDescriptor", "pack_results"]

LARGE_BYTES: Final = 32 << 10
"""An array above this lies in a slot."""
INLINE_BYTES: Final = 64 << 10
"""All values of a range together lie in a slot above this."""
ALIGNMENT: Final = 64
_FIXED: Final = 512
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_NOTHING: Final = memoryview(b"")
_NO_SLOT: Final = np.frombuffer(b"", np.uint8)
_NUMBERS: Final = frozenset(np.dtype(code).type for code in "?bhilBHILefdFD")


class Form(IntEnum):
    """How values are written; never renumbered."""

    ABSENT = 0
    """No values at all."""
    VALUES = 1
    """A MessagePack array of them."""
    NUMBERS = 2
    """NumPy scalars of one type, one after the other."""
    ARRAYS = 3
    """Arrays of one dtype and shape, one after the other."""


class ResultsDescriptor(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=3):
    """A range of results as it travels."""

    stage: str
    numbers: Integers
    form: Form
    item: bytes = b""
    """Of each number or array, for these forms."""
    body: memoryview = _NOTHING
    """The values, where they are small."""
    body_at: tuple[Size, Size] | None = None
    """Where in the slot they lie otherwise, and how many bytes."""
    slot: Slot | None = None
    slot_bytes: Size = 0
    """How much of the slot is used."""
    revision: Size = 0
    copies: Integers | None = None

    def read(self, read_slot: ReadSlot, resolve: ResolveType | None = None) -> ResultRange:
        """Return the results; arrays are read-only views of the slot, or of the message where they are small.

        Parameters
        ----------
        read_slot
            Finds the slot.
        resolve
            Finds dataclasses, as in ``decode_value``.

        Raises
        ------
        RemoteProtocolError
            If the descriptor contradicts itself or what lies in the slot.
        """
        numbers = self.numbers.array()
        copies = None if self.copies is None else _copies(self.copies, len(numbers), self.stage)
        values = self.values(read_slot, resolve)
        return ResultRange(stage=self.stage, numbers=numbers, values=values, revision=self.revision, copies=copies)

    def values(self, read_slot: ReadSlot, resolve: ResolveType | None = None) -> list[Any] | NDArray[Any] | None:
        """Return the values alone, ``None`` if there are none; as ``read``."""
        try:
            values = self._values(read_slot, resolve)
        except HOSTILE as error:
            raise RemoteProtocolError(f"stage {self.stage}: these are no results: {error}") from error
        if values is not None and len(values) != self.numbers.size:
            raise RemoteProtocolError(f"stage {self.stage}: {len(values)} values of {self.numbers.size} results")
        return values

    def _values(self, read_slot: ReadSlot, resolve: ResolveType | None) -> list[Any] | NDArray[Any] | None:
        if self.form is Form.ABSENT:
            return None
        slot = _NO_SLOT if self.slot is None else self.slot.bytes(self.slot_bytes, read_slot)[: self.slot_bytes]
        if slot.flags.writeable:
            slot = _read_only(slot)
        body = np.frombuffer(self.body, np.uint8) if self.body_at is None else _piece(slot, *self.body_at)
        if self.form is Form.VALUES:
            fetch = None if self.slot is None else partial(_fetch, slot)
            found = decode_value(body.data, resolve, fetch)
            if type(found) is not list:
                raise ValueError(f"a {type(found).__name__} instead of a list")
            return found
        (type_,) = decode_types(self.item)
        if type_ is None or array_bytes(type_) * self.numbers.size != len(body) or not array_bytes(type_):
            raise ValueError(f"{len(body)} bytes are not {self.numbers.size} of {type_}")
        if bool(type_[1]) is (self.form is Form.NUMBERS) or (not type_[1] and type_[0].type not in _NUMBERS):
            raise ValueError(f"{self.form.name.lower()} of {type_}")
        return np.ndarray((self.numbers.size, *type_[1]), type_[0], body)


class PackedResults(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Results of which is known how they will travel; large arrays are not copied yet."""

    results: ResultRange
    form: Form
    item: bytes
    body: bytes
    """Empty if it is made of arrays that will lie in the slot."""
    body_at: tuple[int, int] | None
    slot_bytes: int
    """Bytes of slot that are needed; 0 if all travels in the descriptor."""
    placed: Sequence[tuple[int, NDArray[Any]]]

    def write(self, out: NDArray[np.uint8]) -> None:
        """Copy what is large into a slot, once.

        Raises
        ------
        ValueError
            If the slot is smaller than ``slot_bytes``.
        """
        if len(out) < self.slot_bytes:
            raise ValueError(f"results of {self.slot_bytes} bytes do not fit into a slot of {len(out)}")
        for at, array in self.placed:
            out[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if self.body_at is not None and self.body:
            at, nbytes = self.body_at
            out[at : at + nbytes] = np.frombuffer(self.body, np.uint8)

    def descriptor(self, slot: Slot | None = None) -> ResultsDescriptor:
        """Return the descriptor of the results.

        Parameters
        ----------
        slot
            Where they were written; needed if ``slot_bytes`` is not 0.

        Raises
        ------
        ValueError
            If a slot is needed and not given.
        """
        if self.slot_bytes and slot is None:
            raise ValueError(f"results of {self.slot_bytes} bytes need a slot")
        results = self.results
        return ResultsDescriptor(
            results.stage,
            encode_integers(results.numbers, is_ascending=results.copies is None),
            self.form,
            self.item,
            memoryview(self.body) if self.body_at is None else _NOTHING,
            self.body_at,
            slot if self.slot_bytes else None,
            self.slot_bytes,
            results.revision,
            None if results.copies is None else encode_integers(results.copies),
        )


def pack_results(results: ResultRange, slot_bytes: int, limit: int = MAX_MESSAGE) -> list[PackedResults]:
    """Find out how results will travel, in as few pieces as need be.

    Parameters
    ----------
    results
        As user code returned them.
    slot_bytes
        Of the slots that they may be written into; 0 if there are none.
    limit
        Bytes that a descriptor may have.

    Raises
    ------
    ResultTypeError
        If a value is not on the closed list, or alone is larger than a slot.
    """
    packed = _packed(results)
    needed = _FIXED + len(results.stage.encode()) + len(packed.item) + 8 * len(results)
    needed += 0 if results.copies is None else 8 * len(results)
    needed += len(packed.body) if packed.body_at is None else 0
    pieces = max(-(-needed // limit), -(-len(results) // MAX_INTEGERS))
    if packed.slot_bytes > slot_bytes:
        pieces = max(pieces, -(-packed.slot_bytes // slot_bytes) if slot_bytes else 2)
    if pieces <= 1:
        return [packed]
    if len(results) == 1:
        raise ResultTypeError(
            f"stage {results.stage}: the result of event {results.numbers[0]} needs {packed.slot_bytes} bytes; a slot "
            f"for results has {slot_bytes}"
        )
    size = max(1, len(results) // pieces)
    starts = range(0, len(results), size)
    return [p for start in starts for p in pack_results(results.take(slice(start, start + size)), slot_bytes, limit)]


def _packed(results: ResultRange) -> PackedResults:
    values = results.values
    if values is None:
        return _inline(results, Form.ABSENT, b"", b"")
    if type(values) is np.ndarray and (found := _column(results, values)) is not None:
        return found
    assert not isinstance(values, FarValues), "these lie in another process, and are not packed again"
    values = values if type(values) is list else list(values)
    kinds = set(map(type, values))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind in _NUMBERS:
        numbers = np.array(values, np.dtype(kind))
        return _inline(results, Form.NUMBERS, encode_types(((numbers.dtype, ()),)), numbers.tobytes())
    if kind is np.ndarray and (type_ := _common_type(values)) is not None:
        return _stacked(results, values, type_)
    heap = _Heap()
    body = encode_all(values, heap.place)
    return _inline(results, Form.VALUES, b"", body, heap)


def _inline(results: ResultRange, form: Form, type_: bytes, body: bytes, heap: "_Heap | None" = None) -> PackedResults:
    """Keep the body in the descriptor if it is small, else let it lie in the slot, behind the arrays."""
    heap = heap or _Heap()
    body_at = heap.reserve(len(body)) if len(body) > INLINE_BYTES else None
    return PackedResults(
        results=results, form=form, item=type_, body=body, body_at=body_at, slot_bytes=heap.end, placed=heap.placed
    )


def _column(results: ResultRange, values: NDArray[Any]) -> PackedResults | None:
    """Keep together what user code returned as one array; ``None`` if its rows must be looked at one by one."""
    item, shape = values.dtype, values.shape[1:]
    if not values.nbytes or item.hasobject or (not shape and item.type not in _NUMBERS):
        return None
    encoded, form = encode_types(((item, shape),)), Form.ARRAYS if shape else Form.NUMBERS
    if values.nbytes // len(values) <= LARGE_BYTES:
        return _inline(results, form, encoded, values.tobytes())
    nbytes = values.nbytes
    return PackedResults(
        results=results, form=form, item=encoded, body=b"", body_at=(0, nbytes), slot_bytes=nbytes, placed=[(0, values)]
    )


def _stacked(results: ResultRange, arrays: list[NDArray[Any]], type_: ArrayType) -> PackedResults:
    encoded, nbytes = encode_types((type_,)), array_bytes(type_)
    total = nbytes * len(arrays)
    if nbytes <= LARGE_BYTES:
        return _inline(results, Form.ARRAYS, encoded, _joined(arrays))
    placed = [(row * nbytes, array) for row, array in enumerate(arrays)]
    return PackedResults(
        results=results, form=Form.ARRAYS, item=encoded, body=b"", body_at=(0, total), slot_bytes=total, placed=placed
    )


def _joined(arrays: list[Any]) -> bytes:
    try:
        return b"".join(arrays)  # ten times faster than writing small ones into the slot one by one
    except (TypeError, BufferError, ValueError):  # another order of memory, or times, which are no buffers
        return b"".join([array.tobytes() for array in arrays])


def _common_type(arrays: list[NDArray[Any]]) -> ArrayType | None:
    """Return dtype and shape if all have the same, and it is one of which a column can be made."""
    dtype, shape = arrays[0].dtype, arrays[0].shape
    if not shape or not arrays[0].nbytes or dtype.hasobject:
        return None
    return (dtype, shape) if all(a.shape == shape and a.dtype == dtype for a in arrays) else None


class _Heap:
    """Gives large arrays of a range their places in a slot, and remembers them."""

    def __init__(self) -> None:
        self.placed: list[tuple[int, NDArray[Any]]] = []
        self.end = 0

    def place(self, array: NDArray[Any]) -> int | None:
        if array.nbytes <= LARGE_BYTES:
            return None
        at, _ = self.reserve(array.nbytes)
        self.placed.append((at, array))
        return at

    def reserve(self, nbytes: int) -> tuple[int, int]:
        at = -(-self.end // ALIGNMENT) * ALIGNMENT
        self.end = at + nbytes
        return at, nbytes


def _copies(column: Integers, n: int, stage: str) -> NDArray[np.int32]:
    wide = column.array()
    found = wide.astype(np.int32)
    if len(found) != n or not np.array_equal(found, wide):
        raise RemoteProtocolError(f"stage {stage}: {len(found)} copies of {n} results, or not in 32 bits")
    return found


def _read_only(slot: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if slot.flags.writeable:
        slot = slot.view()
        slot.flags.writeable = False
    return slot


def _piece(slot: NDArray[np.uint8], at: int, nbytes: int) -> NDArray[np.uint8]:
    if at + nbytes > len(slot):
        raise RemoteProtocolError(f"values at {at} to {at + nbytes} of a slot of {len(slot)} bytes")
    return slot[at : at + nbytes]


def _fetch(slot: NDArray[np.uint8], dtype: np.dtype[Any], shape: tuple[int, ...], at: int) -> NDArray[Any]:
    if dtype.subdtype is not None or min(shape, default=0) < 0 or not 0 <= at <= len(slot):
        raise RemoteProtocolError(f"an array of {dtype} and {shape} at {at} of a slot of {len(slot)} bytes")
    return np.ndarray(shape, dtype, slot, at)
