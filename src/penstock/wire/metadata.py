"""The metadata of a block's messages as bytes, and read from there when somebody looks at it.

They lie in groups of 64 messages: a worker that has a few rows of a block reads those groups, and one that has all of
them is hardly slower than if they lay in one piece. One by one they would take half as long again to read.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import NO_METADATA
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.plain import encode_all
from penstock.wire.values import decode_value

__all__ = ["GROUP", "MetadataColumn", "encode_metadata"]

GROUP: Final = 64
_OFFSET: Final = np.dtype("<u4")


def encode_metadata(metadata: Sequence[Mapping[str, Any]]) -> bytes:
    """Write the metadata of messages.

    Raises
    ------
    ResultTypeError
        If a value in it is not on the closed list of what can travel.
    """
    try:
        groups = [
            encode_all([m if type(m) is dict else dict(m) for m in metadata[start : start + GROUP]])
            for start in range(0, len(metadata), GROUP)
        ]
    except ResultTypeError as error:
        raise ResultTypeError(f"metadata: {error}") from error
    offsets = np.cumsum([_table_bytes(len(metadata)), *map(len, groups)])
    if offsets[-1] >= 2**32:
        raise ResultTypeError(f"metadata: {offsets[-1]} bytes in one block; put what is large into buffers")
    return b"".join((offsets.astype(_OFFSET).tobytes(), *groups))


def _table_bytes(n: int) -> int:
    return (-(-n // GROUP) + 1) * _OFFSET.itemsize


class MetadataColumn(Sequence[Mapping[str, Any]]):
    """Metadata of some consecutive messages of a block, decoded a group at a time and never twice in a row.

    It holds on to the slot, as an array of the block does. Reading from it raises `RemoteProtocolError` where the
    bytes are no metadata.

    Parameters
    ----------
    data
        (bytes,), what ``encode_metadata`` wrote.
    n
        For how many messages.

    Raises
    ------
    RemoteProtocolError
        If there are fewer bytes than even empty metadata need.
    """

    __slots__ = ("_data", "_latest", "_n", "_rows")

    def __init__(self, data: NDArray[np.uint8], n: int, rows: range | None = None) -> None:
        if len(data) < _table_bytes(n):
            raise RemoteProtocolError(f"{len(data)} bytes are not the metadata of {n} messages")
        self._data = data
        self._n = n
        self._rows = range(n) if rows is None else rows
        self._latest: tuple[int, list[Mapping[str, Any]]] = -1, []
        """A group's number and the group, in one, because threads may share a block."""

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, row: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, row: slice) -> "MetadataColumn": ...
    def __getitem__(self, row: int | slice) -> "Mapping[str, Any] | MetadataColumn":
        if isinstance(row, slice):
            part = MetadataColumn(self._data, self._n, self._rows[row])
            part._latest = self._latest  # whoever has looked at one message mostly goes on with all of them
            return part
        number, place = divmod(self._rows[row], GROUP)
        return self._of_group(number)[place]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        rows = self._rows
        if rows.step != 1:
            yield from map(self.__getitem__, range(len(rows)))
            return
        for first in range(rows.start - rows.start % GROUP, rows.stop, GROUP):
            yield from self._of_group(first // GROUP)[max(rows.start - first, 0) : rows.stop - first]

    def _of_group(self, number: int) -> list[Mapping[str, Any]]:
        latest = self._latest
        if latest[0] != number:
            self._latest = latest = number, self._read(number)
        return latest[1]

    def _read(self, number: int) -> list[Mapping[str, Any]]:
        size = min(GROUP, self._n - number * GROUP)
        at = number * _OFFSET.itemsize
        start, stop = self._data[at : at + 2 * _OFFSET.itemsize].view(_OFFSET).tolist()
        if not start <= stop <= len(self._data):
            raise RemoteProtocolError(f"metadata would lie at {start} to {stop} of {len(self._data)} bytes")
        found = decode_value(self._data[start:stop].data)
        if type(found) is not list or len(found) != size or not all(type(m) is dict for m in found):
            raise RemoteProtocolError(f"{stop - start} bytes are not the metadata of {size} messages")
        return [m or NO_METADATA for m in found]
