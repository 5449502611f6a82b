"""A tree of views in shared memory: one process publishes it, others read it, and it outlives them all.

Writer and readers never wait for each other, and nothing is lost when one is killed: a new writer goes on with the same
memory, beginning with what was published last.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeVar

import numpy as np

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.views.array_view import ArrayView
from penstock.views.plain_tree import PlainTree, tree_from, view_from
from penstock.views.shared_buffer import SharedBuffer
from penstock.views.shared_layout import BUFFERS, Head, MemoryFile, Record, make_files
from penstock.wire.values import decode_value

__all__ = ["Published", "TreeReader", "TreeWriter", "make_files"]

_TRIES: Final = 100
_PIN_NS: Final = 1_000_000_000
"""How long a reader asks for a buffer: more than the copy of the largest tree takes; a dead reader's wish ends then."""

T = TypeVar("T")

Clock = Callable[[], int]
"""Nanoseconds, the same for all processes of a machine."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Published:
    """A tree as it was at one position; nobody else writes to it."""

    position: int
    """Which results it holds, in the reducer's own count."""
    version: int
    """As published."""
    tree: dict[str, Any]
    """Dictionaries, with ``ArrayView`` where there was one; other leaves are values of the closed list."""
    state: bytes
    """What the reducer's views do not hold, as it was given."""


class TreeWriter:
    """Publishes a reducer's views. There is one at a time; its predecessor must be dead.

    It alone takes what its ``ArrayView`` were touched. The values of an axis are taken once and must not be changed.

    Parameters
    ----------
    fds
        As ``make_files`` returned them. They stay the caller's, who keeps them open as long as this is used.

    Raises
    ------
    RemoteProtocolError
        If they are of other memory.
    """

    def __init__(self, fds: Sequence[int], clock: Clock = time.monotonic_ns) -> None:
        self._head, rest = _opened(fds)
        self._buffers = [SharedBuffer(fd) for fd in rest]
        self._clock = clock

    def publish(self, tree: Mapping[str, Any], *, position: int, version: int, state: bytes = b"") -> None:
        """Show a tree to readers, whole: whoever reads sees it or an earlier one, also if this process dies meanwhile.

        Only rows that were touched are copied of an ``ArrayView``; all else is written anew.

        Parameters
        ----------
        tree
            Names to ``ArrayView``, values of the closed list, or further trees.
        position, version
            To be read with it, each below 2⁶³.
        state
            To be read with it.

        Raises
        ------
        ResultTypeError
            If a leaf is not on the closed list.
        PenstockError
            If there is no memory left. Whatever is raised, what was published before stays.
        """
        plain = PlainTree(tree)
        for view in plain.views:
            if touched := view.take_touched():
                for buffer in self._buffers:
                    buffer.note(view, touched)
        number = self._next()
        buffer = self._buffers[number]
        self._head.begin(number)
        try:
            self._head.finish(number, buffer.write(plain, position, version, state))
        except BaseException:
            buffer.forget()
            raise

    def _next(self) -> int:
        current, now = self._head.current(), self._clock()
        until = [self._head.pinned_until_ns(number) for number in range(BUFFERS)]
        wanted = [each if now < each <= now + _PIN_NS else 0 for each in until]
        return min((number for number in range(BUFFERS) if number != current), key=lambda number: wanted[number])


class TreeReader:
    """Reads what a writer published, without waiting for it.

    Parameters
    ----------
    fds
        As ``make_files`` returned them. They stay the caller's, who keeps them open as long as this is used.

    Raises
    ------
    RemoteProtocolError
        If they are of other memory.
    """

    def __init__(self, fds: Sequence[int], clock: Clock = time.monotonic_ns) -> None:
        self._head, rest = _opened(fds)
        self._files = [MemoryFile(fd, is_writable=False) for fd in rest]
        self._clock = clock
        self._looked_at: dict[int, tuple[int, Published]] = {}
        """By buffer, the sequence number with which it was decoded, and what was found."""

    @property
    def version(self) -> int | None:
        """The version published last, at the cost of reading two words; ``None`` before the first.

        Raises
        ------
        RemoteProtocolError
            If the memory is damaged.
        """
        current = self._head.current()
        return None if current is None else self._head.version(current)

    def read(self) -> Published | None:
        """Return a copy of what was published last; ``None`` before the first.

        Raises
        ------
        RemoteProtocolError
            If the memory is damaged.
        PenstockError
            If the writer was faster a hundred times.
        """
        return self._consistently(self._copied)

    def look(self, take: Callable[[Published], T]) -> T | None:
        """Return what ``take`` takes from what was published last, without a copy of the rest; ``None`` if nothing was.

        Parameters
        ----------
        take
            Gets the tree with the arrays where they lie, which are valid during the call only: it copies what it
            wants. It is called again if the writer was there meanwhile, and what it raised is forgotten then.

        Raises
        ------
        RemoteProtocolError, PenstockError
            As ``read``; and what ``take`` raises.
        """

        def taken(number: int) -> tuple[T] | None:
            sequence = self._head.sequence(number)
            known = self._looked_at.get(number)
            published = known[1] if known is not None and known[0] == sequence else self._found(number, is_copy=False)
            if published is None:
                return None
            self._looked_at[number] = sequence, published
            try:
                found = (take(published),)
            except Exception:
                if self._head.sequence(number) == sequence:
                    raise
                return None
            return found if self._head.sequence(number) == sequence else None

        outcome = self._consistently(taken)
        return None if outcome is None else outcome[0]

    def _consistently(self, look: Callable[[int], T | None]) -> T | None:
        """Look at the current buffer until nobody wrote there meanwhile."""
        for _ in range(_TRIES):
            number = self._head.current()
            if number is None:
                return None
            until = self._clock() + _PIN_NS
            self._head.pin(number, until)
            try:
                found = look(number)
            finally:
                if self._head.pinned_until_ns(number) == until:  # otherwise another reader wants it still
                    self._head.pin(number, 0)
            if found is not None:
                return found
        raise PenstockError(f"a tree of views changed {_TRIES} times while it was read; publish it less often")

    def _copied(self, number: int) -> Published | None:
        return self._found(number, is_copy=True)

    def _found(self, number: int, *, is_copy: bool) -> Published | None:
        """Return the tree; ``None`` if the buffer was written meanwhile, so that nothing seen in it means anything."""
        head, file = self._head, self._files[number]
        sequence = head.sequence(number)
        record = head.record(number)
        if sequence % 2 or head.sequence(number) != sequence:
            return None
        if min(record.tail, record.table, record.plain, record.state) < 0:
            raise RemoteProtocolError(f"the head of a tree of views is damaged: {record}")
        file.cover(record.end)
        tail = file.read(record.tail, record.end - record.tail)
        if head.sequence(number) != sequence:
            return None
        try:
            tree = _decoded(record, tail, file, is_copy=is_copy)
        except RemoteProtocolError:
            if head.sequence(number) != sequence:
                return None
            raise
        if head.sequence(number) != sequence:
            return None
        state = tail[record.table + record.plain :]
        return Published(position=record.position, version=record.version, tree=tree, state=state)


def _opened(fds: Sequence[int]) -> tuple[Head, Sequence[int]]:
    if len(fds) != 1 + BUFFERS:
        raise ValueError(f"{len(fds)} descriptors; make_files returns {1 + BUFFERS}")
    return Head(fds[0]), fds[1:]


def _decoded(record: Record, tail: bytes, file: MemoryFile, *, is_copy: bool) -> dict[str, Any]:
    table = decode_value(tail[: record.table])
    views: dict[int, ArrayView] = {}

    def fetch(dtype: np.dtype[Any], shape: tuple[int, ...], number: int) -> Any:  # a view, in an array's place
        if number not in views:
            at, *description = table[number]
            if min((at, *shape)) < 0 or at + prod(shape) * dtype.itemsize > record.tail:
                raise RemoteProtocolError(f"a view of shape {shape} and {dtype} is said to lie at {at}, beyond the end")
            array = file.array(at, shape, dtype)
            views[number] = view_from(array.copy() if is_copy else array, description, borrowed=not is_copy)
        return views[number]

    return tree_from(tail[record.table : record.table + record.plain], fetch)
