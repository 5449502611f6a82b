"""What comes over the WebSocket of changes, put together: of every wish the newest part; pure."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError

__all__ = ["Inbox", "Part", "Problem"]

Key = tuple[str, str]
"""View and slice, as they were asked for."""


class Part(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Some elements of a view, as they were at one version."""

    view: str
    slice: str
    array: NDArray[Any]
    """Read-only."""
    version: int
    position: int
    every: int = 1
    """How many elements along each dimension one stands for."""
    fewer: str = ""
    """What it is of them: ``mean``, ``max``, ``min`` or ``every``."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no part."""

    view: str
    slice: str
    text: str


class _Head(msgspec.Struct, frozen=True):
    view: str = ""
    slice: str | None = None
    version: int = 0
    position: int = 0
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    every: int = 1
    fewer: str = ""
    problem: str = ""


class Inbox:
    """Takes messages as they come, and gives what is new.

    >>> inbox = Inbox()
    >>> inbox.feed('{"view": "a/n", "slice": "", "version": 3, "position": 8, "shape": [2], "dtype": "|u1"}')
    >>> inbox.feed(bytes([5, 6]))
    >>> [(part.version, part.array.tolist()) for part in inbox.take()]
    [(3, [5, 6])]
    >>> list(inbox.take())
    []
    """

    def __init__(self) -> None:
        self._head: _Head | None = None
        self._new: dict[Key, Part | Problem] = {}

    def __bool__(self) -> bool:
        return bool(self._new)

    def feed(self, message: str | bytes) -> None:
        """Take one message.

        Raises
        ------
        RemoteProtocolError
            If it is none of those that a pipeline sends.
        """
        try:
            if isinstance(message, str):
                self._hear(msgspec.json.decode(message, type=_Head))
            elif self._head is None:
                raise ValueError(f"{len(message)} bytes came without a head")
            else:
                self._receive(self._head, message)
        except (ValueError, TypeError) as error:  # msgspec's and NumPy's errors are among them
            raise RemoteProtocolError(f"what came over the WebSocket of changes cannot be read: {error}") from error

    def take(self) -> Iterator[Part | Problem]:
        """Yield the newest of every wish since the last call."""
        new, self._new = self._new, {}
        yield from new.values()

    def _hear(self, head: _Head) -> None:
        if head.problem and head.view:
            self._new[head.view, head.slice or ""] = Problem(view=head.view, slice=head.slice or "", text=head.problem)
        elif head.shape is not None:
            self._head = head

    def _receive(self, head: _Head, data: bytes) -> None:
        self._head = None
        array = np.frombuffer(data, np.dtype(head.dtype)).reshape(head.shape or ())
        found = head.slice or ""
        self._new[head.view, found] = Part(
            view=head.view, slice=found, array=array, version=head.version, position=head.position, every=head.every,
            fewer=head.fewer,
        )  # fmt: skip
