"""The message: one immutable unit of data of one stream. It never knows how it travelled."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.timestamp import Timestamp

__all__ = ["NO_METADATA", "Kind", "Message"]

NO_METADATA: Mapping[str, Any] = MappingProxyType({})


class Kind(IntEnum):
    """What a message, block or event is in its run."""

    DATA = 0
    START = 1
    """What the instrument says before its data, such as a header."""
    END = 2
    """What the instrument says after its data."""


class Message(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One unit of data of one stream.

    Fields may be given by position because millions of them are made by ``map``; write keywords by hand.
    """

    id: int = 0
    """Given by us, dense from 1 in a live stream; 0 while a decoder has made it and no stream has numbered it yet."""
    key: int | None = None
    """The instrument's own number (frame, trigger, pulse), 0 … 2**64 - 1; ``None`` if it gives none."""
    timestamp_ns: int = 0
    """When the instrument says it happened, else when it was received; nanoseconds UTC."""
    metadata: Mapping[str, Any] = NO_METADATA
    """Whatever else the instrument says: text keys; scalars, text, bytes, small arrays, lists, mappings."""
    array: Any = None
    """The first buffer as an array with dtype and shape, read-only; ``None`` for a message without buffers."""
    more: tuple[NDArray[Any], ...] = ()
    """Further buffers, in the order of the protocol's page."""
    kind: Kind = Kind.DATA

    @property
    def timestamp(self) -> Timestamp:
        """The time, in its own type."""
        return Timestamp(self.timestamp_ns)

    @property
    def buffers(self) -> tuple[NDArray[Any], ...]:
        """All buffers: ``array`` and ``more``."""
        return () if self.array is None else (np.asarray(self.array), *self.more)
