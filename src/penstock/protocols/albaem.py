"""AlbaEM, the electrometer of ALBA and MAX IV: ZeroMQ messages of one part, a JSON object.

============  =======================================================================================
start         ``{"message_type": "series-start", "message_id": int, "version": 1}``
reading       ``{"message_type": "data", …, "frame_number": int, "timestamp": s since the start,
              "acquisition_timestamp": ns UTC, "channel1": A, … "channel4": A}``
end           ``{"message_type": "series-end", …, "detector_specific": {"read_overflow": bool,
              "memory_overflow": bool}}``
============  =======================================================================================

``frame_number`` counts from 0 in a series. Further keys are kept.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import flat_object
from penstock.core.message import Kind, Message
from penstock.core.series_message import encode_series, only_part, series_kind, series_number
from penstock.errors import RemoteProtocolError

__all__ = ["CHANNELS", "AlbaemDecoder", "encode_end", "encode_reading", "encode_start"]

CHANNELS = ("channel1", "channel2", "channel3", "channel4")
_channels = itemgetter(*CHANNELS)
_MAX_NS = 2**63 - 1


class AlbaemDecoder(Decoder):
    """Decode AlbaEM's packets: one message each.

    A reading has ``frame_number`` as ``key``, ``acquisition_timestamp`` as its time, and as ``array`` (4,) float64 the
    currents of the channels in A. ``metadata`` is the JSON object as it came.
    """

    traits = Traits(number="frame_number", first=0, clock="acquisition_timestamp", socket="sub")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one packet; see the class."""
        metadata = flat_object(only_part(parts), "the message")
        kind = series_kind(metadata)
        if kind is not Kind.DATA:
            return iter((Message(0, None, received_ns, metadata, kind=kind),))
        return iter((Message(0, series_number(metadata), _acquired(metadata), metadata, _currents(metadata)),))


def _acquired(metadata: dict[str, Any]) -> int:
    acquired = metadata.get("acquisition_timestamp")
    if type(acquired) is not int or not 0 <= acquired <= _MAX_NS:
        raise RemoteProtocolError(f"acquisition_timestamp {str(acquired)[:40]!r} is no time in ns")
    return acquired


def _currents(metadata: dict[str, Any]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        currents = _channels(metadata)
    except KeyError as error:
        raise RemoteProtocolError(f"a reading without {error.args[0]}; there are {', '.join(CHANNELS)}") from error
    for name, current in zip(CHANNELS, currents, strict=True):
        if type(current) is not float and type(current) is not int:
            raise RemoteProtocolError(f"{name} is {str(current)[:40]!r}; a current in A would be right")
    try:
        array = np.array(currents, np.float64)
    except OverflowError as error:
        raise RemoteProtocolError("a current that is too large for a float64") from error
    array.setflags(write=False)
    return array


def encode_start(*, message_id: int = 1) -> list[bytes]:
    """Return the packet before the readings of a series."""
    return encode_series(Kind.START, message_id)


def encode_reading(
    number: int,
    currents: Sequence[float],
    *,
    acquired_ns: int,
    timestamp_s: float = 0.0,
    message_id: int | None = None,
    **more: Any,
) -> list[bytes]:
    """Return the packet of one reading.

    Parameters
    ----------
    number
        From 0 in a series.
    currents
        Of the four channels, in A.
    acquired_ns
        When it was measured, ns UTC.
    timestamp_s
        The same since the start of the series, in s.
    message_id
        By default the one a series without losses has.
    more
        Further keys.
    """
    channels = dict(zip(CHANNELS, map(float, currents), strict=True))
    return encode_series(
        Kind.DATA,
        number + 2 if message_id is None else message_id,
        frame_number=number,
        timestamp=timestamp_s,
        acquisition_timestamp=acquired_ns,
        **channels,
        **more,
    )


def encode_end(*, message_id: int, read_overflow: bool = False, memory_overflow: bool = False) -> list[bytes]:
    """Return the packet after the readings of a series."""
    specific = {"read_overflow": read_overflow, "memory_overflow": memory_overflow}
    return encode_series(Kind.END, message_id, detector_specific=specific)
