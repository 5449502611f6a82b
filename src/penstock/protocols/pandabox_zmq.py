"""PandABox position capture over ZeroMQ, as MAX IV's Tango device sends it: messages of one part, a JSON object.

========  ==========================================================================================
start     ``{"message_type": "series-start", "message_id": int, "version": 1, "arm_time": ISO 8601}``
points    ``{"message_type": "data", …, "frame_number": int, "inttime": [number…], "energy": [number…]…}``
end       ``{"message_type": "series-end", …}``
========  ==========================================================================================

A message holds a few points, as the box gave them at once: every list is a column with a number a point, and
``frame_number`` that of the first of them, from 0 in a series.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, unnumbered_block
from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import MAX_JSON_BYTES, json_object
from penstock.core.message import MAX_KEY, NO_METADATA, Kind, Message
from penstock.core.series_message import encode_series, only_part, series_kind, series_number
from penstock.core.timestamp import Timestamp
from penstock.errors import RemoteProtocolError

__all__ = ["PandaboxZmqDecoder", "encode_end", "encode_points", "encode_start"]

MAX_COLUMNS = 1000
_ENVELOPE = frozenset({"message_type", "message_id", "version", "frame_number"})
_decode_points = msgspec.json.Decoder(dict[str, list[float] | str | bool | int | float | None]).decode


class PandaboxZmqDecoder(Decoder):
    """Decode PandABox's packets over ZeroMQ: a message a point, however many came at once.

    A point has its number as ``key``, and as ``array`` one record (shape ()) of float64 with a field a column, named as
    the device names it. What a packet says besides of all its points is their ``metadata``. Points have no time of
    their own, but that of reception; the start has that of arming.

    A packet with columns of different lengths is lost as a whole, and its points show as a gap.
    """

    traits = Traits(number="frame_number", first=0, socket="sub")
    gives_blocks = True

    def __init__(self) -> None:
        self._dtypes: dict[tuple[str, ...], np.dtype[Any]] = {}

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one packet; see the class."""
        for given in self.feed_blocks(parts, received_ns):
            if isinstance(given, Block):
                yield from given.messages()
            else:
                yield given

    def feed_blocks(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message | Block]:
        """Decode one packet, its points as one block; see the class."""
        part = only_part(parts)
        try:
            if len(part) > MAX_JSON_BYTES:
                raise RemoteProtocolError(f"a message of {len(part)} bytes, more than {MAX_JSON_BYTES}")
            points: Mapping[str, Any] = _decode_points(part)
            is_data = points.get("message_type") == "data"
        except (msgspec.MsgspecError, ValueError, RecursionError):
            points, is_data = json_object(part, "the message"), False
        kind = series_kind(points)
        if is_data:
            block = self._block(points, received_ns)
            if block is None:
                self.heartbeats += 1
                return iter(())
            return iter((block,))
        if kind is Kind.DATA:
            raise RemoteProtocolError(f"points have lists of numbers and plain values; here {_odd(points)}")
        time_ns = _armed(points) if kind is Kind.START else received_ns
        return iter((Message(0, None, time_ns, points, kind=kind),))

    def _block(self, points: Mapping[str, Any], received_ns: int) -> Block | None:
        """Return the points of a packet; ``None`` if there are none."""
        number = series_number(points)
        names = tuple([name for name, value in points.items() if type(value) is list])
        columns = [points[name] for name in names]
        if not columns:
            raise RemoteProtocolError("points without a column; lists of numbers would be right")
        n = len(columns[0])
        records = self._records(names, columns)
        if number + n > MAX_KEY:
            raise RemoteProtocolError(f"frame_number {number} of {n} points goes beyond 2**64 - 1")
        if not n:
            return None
        times = np.empty(n, np.int64)
        times.fill(received_ns)  # as np.full does, in a third of the time
        more = len(points) - len(names) > len(_ENVELOPE)
        return unnumbered_block(
            records,
            times,
            _numbers(number, n),
            {k: v for k, v in points.items() if k not in _ENVELOPE and k not in names} if more else NO_METADATA,
        )

    def _records(self, names: tuple[str, ...], columns: list[list[float]]) -> NDArray[Any]:
        try:
            values = np.array(columns, np.float64)
        except ValueError as error:
            n, other = len(columns[0]), next(c for c in columns if len(c) != len(columns[0]))
            text = f"{n} values of {names[0]}, but {len(other)} of {names[columns.index(other)]}; all would be as many"
            raise RemoteProtocolError(text) from error
        return values.T.ravel().view(self._dtypes.get(names) or self._dtype(names))

    def _dtype(self, names: tuple[str, ...]) -> np.dtype[Any]:
        if len(names) > MAX_COLUMNS:
            raise RemoteProtocolError(f"points of {len(names)} columns, more than {MAX_COLUMNS}")
        if "" in names:
            raise RemoteProtocolError("a column without a name")
        if len(self._dtypes) >= 16:  # a sender of ever new names must not fill the memory
            self._dtypes.clear()
        dtype = self._dtypes[names] = np.dtype([(name, np.float64) for name in names])
        return dtype


_FIRST = np.arange(256, dtype=np.uint64)


def _numbers(first: int, n: int) -> NDArray[np.uint64]:
    return (_FIRST[:n] if n <= len(_FIRST) else np.arange(n, dtype=np.uint64)) + np.uint64(first)


def _armed(points: Mapping[str, Any]) -> int:
    text = points.get("arm_time")
    try:
        return Timestamp.from_iso(text if isinstance(text, str) else "").ns
    except (ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"arm_time {str(text)[:40]!r} is no time such as 2024-10-07T08:49:10.627Z") from error


def _odd(points: Mapping[str, Any]) -> str:
    for name, value in points.items():
        if isinstance(value, dict) or (
            isinstance(value, list) and not all(type(each) in (int, float) for each in value)
        ):
            return f"{name[:40]} is {str(value)[:60]}"
    return "a number that is too large"


def encode_start(*, arm_time: str = "2026-11-20T12:00:00.000Z", message_id: int = 1) -> list[bytes]:
    """Return the packet before the points of a series."""
    return encode_series(Kind.START, message_id, arm_time=arm_time)


def encode_points(
    number: int, columns: Mapping[str, Sequence[float]], *, message_id: int = 2, **more: Any
) -> list[bytes]:
    """Return a packet of points.

    Parameters
    ----------
    number
        Of the first of them, from 0 in a series.
    columns
        By name (n,), all of one length.
    message_id
        Of the packet.
    more
        Further keys, which hold for all of its points.
    """
    lists = {name: list(map(float, values)) for name, values in columns.items()}
    return encode_series(Kind.DATA, message_id, frame_number=number, **lists, **more)


def encode_end(*, message_id: int) -> list[bytes]:
    """Return the packet after the points of a series."""
    return encode_series(Kind.END, message_id)
