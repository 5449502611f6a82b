"""LeCroy oscilloscopes, as MAX IV's server of them publishes: ZeroMQ messages, several of which make one acquisition.

==============  ===============================================================================================
prepare         ``{"htype": "msg", "what": 0, "frame": int}``
sequence        ``{"htype": "msg", "what": 1, "frame": int, "ntriggers": int, "seqno": int, "channels": [int…]}``
traces          ``{"htype": "traces", "ch": int, "ts": s, "frame": int, "shape": [segments, samples],
                "horiz_offset": s, "horiz_interval": s, "dtype": "float64"}``, then the samples (C order, little
                endian), then a pickled list of the segments' times (s UTC)
sequence's end  ``{"htype": "msg", "what": 2, "frame": int}``
stop            ``{"htype": "msg", "what": 3, "frame": int, "frames": int}``
==============  ===============================================================================================

An acquisition is the traces of every channel of the sequence, then its end. With ``ntriggers`` of -1 the oscilloscope
is in continuous mode, and a sequence is said once for all acquisitions until the stop. ``frame`` counts traces from 0
until the stop.
"""

import pickle
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import ImageHeader, image_array, json_object
from penstock.core.message import MAX_KEY, Kind, Message
from penstock.core.timestamp import NS_PER_S
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError

__all__ = ["CONTINUOUS", "LecroyDecoder", "encode_acquisition", "encode_end", "encode_sequence", "encode_start"]

CONTINUOUS = -1
MAX_CHANNELS = 64
_PREPARE, _SEQUENCE, _SEQUENCE_END, _STOP = range(4)
_MAX_S = 2**63 // NS_PER_S - 1

Part = bytes | memoryview


class _Traces(msgspec.Struct, gc=False):
    """What the header of traces must say; other keys are kept beside it."""

    ch: int
    ts: float
    frame: int
    shape: tuple[int, int]
    horiz_offset: float
    horiz_interval: float
    dtype: str


_decode_traces = msgspec.json.Decoder(_Traces).decode


class _Acquisition:
    """The traces that have come of one acquisition."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.traces: dict[int, tuple[dict[str, Any], NDArray[Any], NDArray[np.float64]]] = {}
        """By channel: the header, (segments, samples) in V, (segments,) s UTC."""

    def missing(self, channels: Sequence[int]) -> str:
        """Return what to say of channels that did not come; empty if all of them did."""
        missing = [str(channel) for channel in channels if channel not in self.traces]
        if not missing:
            return ""
        return f"acquisition {self.number} is not whole: traces of channel {', '.join(missing)} did not come"

    def message(self, sequence: Mapping[str, Any]) -> Message:
        headers, samples, times = zip(*[self.traces[channel] for channel in sequence["channels"]], strict=True)
        metadata = {**sequence, "traces": list(headers), "timestamps": list(times)}
        return Message(0, self.number, round(float(times[0][0]) * NS_PER_S), metadata, samples[0], tuple(samples[1:]))


class LecroyDecoder(Decoder):
    """Decode an oscilloscope's packets; an acquisition is one message.

    ``key`` counts acquisitions from 0. ``array`` is (segments, samples) in V of the first channel of the sequence,
    ``more`` those of the others, in its order. The time is that of the first segment. ``metadata`` is the sequence as
    it came (``ntriggers``, ``seqno``, ``channels``), and by channel in the same order ``traces``, the headers as they
    came (``horiz_offset`` and ``horiz_interval`` in s), and ``timestamps``, (segments,) float64, s UTC. The start's
    metadata is the prepare message, the end's the stop.

    An acquisition of which traces are wrong or missing is one error; what remains of it is passed over. One of which
    nothing but the end is missing is given when something else begins.
    """

    traits = Traits(number="frame", first=0, clock="timestamps", pickled=True, socket="sub")

    def __init__(self) -> None:
        self._sequence: dict[str, Any] | None = None
        self._acquisition: _Acquisition | None = None
        self._is_spoilt = False
        """Something that may belong to the acquisition under way has already been reported."""

    def feed(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message]:
        """Decode one packet; see the class."""
        try:
            lost = yield from self._packet(parts, received_ns)
        except RemoteProtocolError:
            self._is_spoilt = True
            raise
        if lost:
            raise RemoteProtocolError(lost)

    def finish(self) -> Iterator[Message]:
        """Report an acquisition that is not whole; see the class."""
        if lost := (yield from self._settle()):
            raise RemoteProtocolError(lost)

    def _packet(self, parts: Sequence[Part], received_ns: int) -> Generator[Message, None, str]:
        """Decode one packet; return what to say of an acquisition before it."""
        if len(parts) not in (1, 3):
            raise RemoteProtocolError(f"a packet of {len(parts)} parts; 1, or 3 of traces, would be right")
        metadata = json_object(parts[0])
        htype = metadata.get("htype")
        if htype not in ("msg", "traces"):
            raise RemoteProtocolError(f'htype {str(htype)[:40]!r} is none of "msg", "traces"')
        if (htype == "traces") is not (len(parts) == 3):
            raise RemoteProtocolError(f"{htype} of {len(parts)} parts; traces have 3, all else has 1")
        if htype == "traces":
            return (yield from self._add_traces(parts, metadata))
        what = metadata.get("what")
        if type(what) is not int or not _PREPARE <= what <= _STOP:
            raise RemoteProtocolError(f"what is {str(what)[:40]!r}; 0, 1, 2 or 3 would be right")
        if what == _SEQUENCE_END:
            return (yield from self._end_sequence())
        lost = yield from self._settle()
        self._sequence = None
        if what == _SEQUENCE:
            _check_sequence(metadata)
            self._sequence = metadata
        else:
            yield Message(0, None, received_ns, metadata, kind=Kind.START if what == _PREPARE else Kind.END)
        return lost

    def _end_sequence(self) -> Generator[Message, None, str]:
        if self._acquisition is None and not self._is_spoilt:
            raise RemoteProtocolError("the end of a sequence of which nothing has come")
        return (yield from self._settle())

    def _add_traces(self, parts: Sequence[Part], metadata: dict[str, Any]) -> Generator[Message, None, str]:
        header, samples, times = _read(parts)
        sequence = self._sequence
        if sequence is None:
            if self._is_spoilt:
                return ""
            raise RemoteProtocolError(f"traces of channel {header.ch} before the start of their sequence")
        if header.ch not in sequence["channels"]:
            raise RemoteProtocolError(f"traces of channel {header.ch}; the sequence has {sequence['channels']}")
        number = sequence["seqno"] + (header.frame - sequence["frame"]) // len(sequence["channels"])
        if not 0 <= number <= MAX_KEY:
            raise RemoteProtocolError(
                f"frame {header.frame} of traces in a sequence that begins at {sequence['frame']}"
            )
        lost = ""
        if self._acquisition is not None and self._acquisition.number != number:  # its end is lost
            lost = yield from self._settle()
        if self._acquisition is None:
            self._acquisition = _Acquisition(number)
        elif header.ch in self._acquisition.traces:
            raise RemoteProtocolError(f"traces of channel {header.ch} come twice in acquisition {number}")
        self._acquisition.traces[header.ch] = metadata, samples, times
        return lost

    def _settle(self) -> Generator[Message, None, str]:
        """Give what is under way if it is whole; else return what to say of it, empty if that has been said."""
        acquisition, self._acquisition = self._acquisition, None
        is_spoilt, self._is_spoilt = self._is_spoilt, False
        if acquisition is None or self._sequence is None:
            return ""
        missing = acquisition.missing(self._sequence["channels"])
        if not missing:
            yield acquisition.message(self._sequence)
        return "" if is_spoilt else missing


def _check_sequence(metadata: Mapping[str, Any]) -> None:
    channels = metadata.get("channels")
    if not (isinstance(channels, list) and all(type(channel) is int for channel in channels)):
        raise RemoteProtocolError(f"channels of a sequence are {str(channels)[:60]!r}; a list of numbers is due")
    if not 0 < len(set(channels)) == len(channels) <= MAX_CHANNELS:
        raise RemoteProtocolError(f"channels of a sequence are {str(channels)[:60]}; 1 to 64 different ones are due")
    for name in ("frame", "ntriggers", "seqno"):
        if type(metadata.get(name)) is not int or not -1 <= metadata[name] <= MAX_KEY:
            raise RemoteProtocolError(
                f"{name} of a sequence is {str(metadata.get(name))[:40]!r}, no number there can be"
            )


def _read(parts: Sequence[Part]) -> tuple[_Traces, NDArray[Any], NDArray[np.float64]]:
    """Return the header, the samples and the times of one channel's traces."""
    try:
        header = _decode_traces(parts[0])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"the header of traces is wrong: {error}") from error
    image = ImageHeader("traces", header.frame, header.shape, header.dtype, "none")
    samples = image_array(image, parts[1])
    times = unpickle(parts[2])
    if not (isinstance(times, list) and len(times) == header.shape[0] and all(map(_is_time, times))):
        raise RemoteProtocolError(
            f"frame {header.frame}: the timestamps are no list of {header.shape[0]} times in s, one a segment"
        )
    array = np.array(times, np.float64)
    array.setflags(write=False)
    return header, samples, array


def _is_time(time_s: object) -> bool:
    return type(time_s) is float and 0 <= time_s <= _MAX_S


def encode_start(**more: Any) -> list[bytes]:
    """Return the packet before the acquisitions; ``more`` are further keys."""
    return [msgspec.json.encode({"htype": "msg", "what": _PREPARE, "frame": 0, **more})]


def encode_sequence(
    channels: Sequence[int], *, frame: int = 0, seqno: int = 0, ntriggers: int = CONTINUOUS
) -> list[bytes]:
    """Return the packet that announces channels: once in continuous mode, else before each acquisition.

    Parameters
    ----------
    channels
        Numbers of those that are on.
    frame
        Traces that were sent before.
    seqno
        Sequences before it.
    ntriggers
        Segments of each of its traces; `CONTINUOUS` for one after the other, without end.
    """
    head = {"htype": "msg", "what": _SEQUENCE, "frame": frame}
    return [msgspec.json.encode({**head, "ntriggers": ntriggers, "seqno": seqno, "channels": list(channels)})]


def encode_acquisition(
    frame: int,
    traces: Mapping[int, NDArray[Any]],
    timestamps_s: Sequence[float],
    *,
    offset_s: float = 0.0,
    interval_s: float = 1e-9,
) -> list[list[bytes]]:
    """Return the packets of one acquisition: traces by channel, and its end.

    Parameters
    ----------
    frame
        Traces that were sent before, of all channels.
    traces
        By channel (segments, samples), in V.
    timestamps_s
        (segments,), s UTC.
    offset_s, interval_s
        Time of the first sample after the trigger, and between samples.
    """
    times = pickle.dumps(list(map(float, timestamps_s)), protocol=4)
    packets = []
    for number, (channel, samples) in enumerate(traces.items()):
        head = {
            "htype": "traces",
            "ch": channel,
            "ts": float(timestamps_s[0]),
            "frame": frame + number,
            "shape": samples.shape,
            "horiz_offset": offset_s,
            "horiz_interval": interval_s,
            "dtype": samples.dtype.name,
        }
        raw = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()
        packets.append([msgspec.json.encode(head), raw, times])
    end = {"htype": "msg", "what": _SEQUENCE_END, "frame": frame + len(traces)}
    return [*packets, [msgspec.json.encode(end)]]


def encode_end(frames: int) -> list[bytes]:
    """Return the packet after the acquisitions, of which there were so many traces."""
    return [msgspec.json.encode({"htype": "msg", "what": _STOP, "frame": frames, "frames": frames})]
