"""Xspress3, the fluorescence detector: ZeroMQ messages of a JSON header, the spectra and a pickle of counters.

=======  ==================================================================================================
start    ``{"htype": "header", "filename": text, …}``
image    ``{"htype": "image", "frame": int, "shape": [channels, bins], "exptime": s, "type": "uint32",
         "compression": "none"}``, then the counts (C order, little endian), then a pickled list of arrays
end      ``{"htype": "series_end"}``
=======  ==================================================================================================

The three pieces of an image come as three messages of one part (until 2024) or as one message of three parts. The
pickled arrays have no names on the wire; their order is `COUNTERS`. ``frame`` may begin again within a series, so it is
a key and not the number of an event.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import ImageHeader, image_array, image_encodings, image_header, json_object
from penstock.core.message import Kind, Message
from penstock.core.pickled_arrays import PickledArrays
from penstock.errors import RemoteProtocolError

__all__ = ["COUNTERS", "Xspress3Decoder", "encode_end", "encode_image", "encode_start"]

COUNTERS: Mapping[str, str] = {
    "ocr": "f8",
    "AllEvents": "u4",
    "AllGood": "u4",
    "ClockTicks": "u4",
    "TotalTicks": "u4",
    "ResetTicks": "u4",
    "event_widths": "i4",
    "dtc": "f8",
    "window_counts": "u4",
}
"""The arrays after the counts, in order, with the dtype they were seen with; ``window_counts`` since late 2024."""
_REQUIRED = len(COUNTERS) - 1
_NAMES = tuple(COUNTERS)

Part = bytes | memoryview


class _Expect(Enum):
    HEADER = "header"
    COUNTS = "counts"
    PICKLE = "counters"


class Xspress3Decoder(Decoder):
    """Decode both framings, even mixed; a frame is one message.

    ``key`` is the frame number, ``array`` (channels, bins) in counts; compressed counts are bytes, and ``encodings``
    says what they are. ``metadata`` is the JSON header as it came (``exptime`` in s) and the counters by name, each
    (channels,), ``window_counts`` (windows, channels).

    A frame of which a piece is wrong or missing is one error; what remains of it is passed over.
    """

    traits = Traits(number="frame", first=0, pickled=True, socket="sub")

    def __init__(self) -> None:
        self._expect = _Expect.HEADER
        self._header: ImageHeader | None = None
        self._metadata: dict[str, Any] = {}
        self._counts: NDArray[Any] | None = None
        self._counters = _Counters()
        self._leftovers = 0
        """How many more messages may be the rest of a frame that has already been reported."""

    def feed(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message]:
        """Decode one message; see the class."""
        if len(parts) == 3:
            return self._whole(parts, received_ns)
        if len(parts) == 1:
            return self._piece(parts[0], received_ns)
        raise RemoteProtocolError(f"a message of {len(parts)} parts; 1 or 3 would be right")

    def _whole(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message]:
        interrupted = self._drop()
        self._leftovers = 0
        metadata = json_object(parts[0])
        if metadata.get("htype") != "image":
            raise RemoteProtocolError(f"htype {str(metadata.get('htype'))[:40]!r} in three parts; images have three")
        header = image_header(parts[0])
        counts = _counts(header, parts[1])
        metadata |= self._counters.read(header, parts[2])
        message = _message(header, metadata, counts, received_ns)
        return _then_raise(message, interrupted) if interrupted else iter((message,))

    def _piece(self, part: Part, received_ns: int) -> Iterator[Message]:
        head = _object_with_htype(part)
        if head is not None:
            interrupted = self._drop()
            self._leftovers = 0
            yield from self._head(head, part, received_ns)
            if interrupted:
                raise RemoteProtocolError(interrupted)
        elif self._expect is _Expect.COUNTS and self._header is not None:
            self._leftovers = 1
            header, self._header = self._header, None
            self._expect = _Expect.HEADER
            self._counts = _counts(header, part)
            self._header, self._expect = header, _Expect.PICKLE
        elif self._expect is _Expect.PICKLE and self._header is not None:
            self._leftovers = 0
            header, self._header = self._header, None
            self._expect = _Expect.HEADER
            counters = self._counters.read(header, part)
            yield _message(header, self._metadata | counters, self._counts, received_ns)
        elif self._leftovers:
            self._leftovers -= 1
        else:
            raise RemoteProtocolError(f"{len(part)} bytes that belong to no frame; an image's JSON header comes first")

    def _head(self, metadata: dict[str, Any], part: Part, received_ns: int) -> Iterator[Message]:
        htype = metadata["htype"]
        if htype == "header":
            yield Message(0, None, received_ns, metadata, kind=Kind.START)
        elif htype == "series_end":
            yield Message(0, None, received_ns, metadata, kind=Kind.END)
        elif htype == "image":
            self._leftovers = 2
            self._header = image_header(part)
            self._metadata, self._expect = metadata, _Expect.COUNTS
        else:
            raise RemoteProtocolError(f'htype {str(htype)[:40]!r} is none of "header", "image", "series_end"')

    def _drop(self) -> str:
        """Give up a frame that is not whole; return what to say of it, empty if there is none."""
        if self._header is None:
            return ""
        text = f"frame {self._header.frame} is not whole: its {self._expect.value} did not come"
        self._header, self._counts, self._expect = None, None, _Expect.HEADER
        return text

    def finish(self) -> Iterator[Message]:
        """Report a frame that is not whole; see the class."""
        interrupted = self._drop()
        if interrupted:
            raise RemoteProtocolError(interrupted)
        return iter(())


def _message(header: ImageHeader, metadata: dict[str, Any], counts: Any, received_ns: int) -> Message:
    return Message(0, header.frame, received_ns, metadata, counts, encodings=image_encodings(header))


def _then_raise(message: Message, interrupted: str) -> Iterator[Message]:
    yield message
    raise RemoteProtocolError(interrupted)


def _object_with_htype(part: Part) -> dict[str, Any] | None:
    """Return the part if it is a JSON header. Counts and pickles are never one, so a lost piece shifts nothing."""
    if bytes(part[:1]) != b"{":
        return None
    try:
        decoded = json_object(part)
    except RemoteProtocolError:
        return None
    return decoded if isinstance(decoded.get("htype"), str) else None


def _counts(header: ImageHeader, part: Part) -> NDArray[Any]:
    counts = image_array(header, part)
    if header.compression == "none" and counts.ndim != 2:
        raise RemoteProtocolError(
            f"frame {header.frame} has shape {list(header.shape)}; [channels, bins] would be right"
        )
    return counts


class _Counters:
    """Reads the pickled counters of frames, and looks at their shapes once as long as these stay the same."""

    def __init__(self) -> None:
        self._arrays = PickledArrays()
        self._channels = -1

    def read(self, header: ImageHeader, part: Part) -> dict[str, NDArray[Any]]:
        arrays = self._arrays.read(part)
        if not self._arrays.is_known or self._channels != header.shape[0]:
            self._channels = -1
            _check_counters(header, arrays)
            self._channels = header.shape[0]
        return dict(zip(_NAMES, arrays, strict=False))


def _check_counters(header: ImageHeader, arrays: Any) -> None:
    if not isinstance(arrays, list) or not all(isinstance(array, np.ndarray) for array in arrays):
        raise RemoteProtocolError(f"frame {header.frame}: the counters are not a list of arrays")
    if len(arrays) < _REQUIRED:
        raise RemoteProtocolError(f"frame {header.frame} has {len(arrays)} counters; {_REQUIRED} are the least")
    channels = header.shape[0]
    for name, array in zip(_NAMES, arrays, strict=False):
        if not array.ndim or array.shape[-1] != channels or array.dtype.kind not in "iuf":
            raise RemoteProtocolError(
                f"frame {header.frame}: {name} has shape {list(array.shape)} of {array.dtype} for {channels} channels"
            )


def encode_start(filename: str, **more: Any) -> list[list[bytes]]:
    """Return the messages before the frames; ``more`` are further keys of the header."""
    return [[msgspec.json.encode({"htype": "header", "filename": filename, **more})]]


def encode_image(
    frame: int,
    counts: NDArray[Any],
    counters: Mapping[str, NDArray[Any]],
    *,
    exptime: float = 0.1,
    framing: Literal["separate", "multipart"] = "multipart",
) -> list[list[bytes]]:
    """Return the messages of one frame.

    Parameters
    ----------
    frame
        The instrument's number.
    counts
        (channels, bins).
    counters
        Some of `COUNTERS` by name, each (channels,); what is left out is zero. ``window_counts`` is sent when given.
    exptime
        Exposure time in s.
    framing
        Three messages, as until 2024, or one of three parts.
    """
    head = {
        "htype": "image",
        "frame": frame,
        "shape": counts.shape,
        "exptime": exptime,
        "type": counts.dtype.name,
        "compression": "none",
    }
    names = [name for name in _NAMES if name != "window_counts" or name in counters]
    zeros = np.zeros(counts.shape[0])
    arrays = [np.asarray(counters.get(name, zeros), COUNTERS[name]) for name in names]
    pixels = np.ascontiguousarray(counts, counts.dtype.newbyteorder("<")).tobytes()
    parts = [msgspec.json.encode(head), pixels, pickle.dumps(arrays, protocol=3)]
    return [parts] if framing == "multipart" else [[part] for part in parts]


def encode_end(**more: Any) -> list[list[bytes]]:
    """Return the messages after the frames."""
    return [[msgspec.json.encode({"htype": "series_end", **more})]]
