"""STINS, the image stream of MAX IV's detectors: ZeroMQ messages of a JSON header and, for images, the pixels.

=======  =================================================================================  ====================
message  first part                                                                         second part
=======  =================================================================================  ====================
start    ``{"htype": "header", "filename": text, "msg_number": int, …}``                    none, or JSON object
image    ``{"htype": "image", "frame": int, "shape": [int…], "type": "uint16",              the pixels, C order,
         "compression": "none", "msg_number": int, …}``                                     little endian
end      ``{"htype": "series_end", "msg_number": int}``                                     none
=======  =================================================================================  ====================

``frame`` counts from 0 in a series. ``compression`` names how the second part is compressed, such as ``bslz4``; nothing
is decompressed here, nor is the order of frames looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import image_of, json_object
from penstock.core.message import Kind, Message
from penstock.errors import RemoteProtocolError

__all__ = ["StinsDecoder", "encode_end", "encode_image", "encode_start"]


class StinsDecoder(Decoder):
    """Decode STINS packets: one message each.

    An image has the frame number as ``key`` and the pixels as ``array``, of the header's shape and type, in counts; of
    a compressed one these are the (bytes,) uint8 as they came, and ``encodings`` says what they are. ``metadata`` is
    the JSON header as it came; what the start brings as second part stands in it as ``"meta"``.
    """

    traits = Traits(number="frame", first=0, socket="pull")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one packet; see the class."""
        if not parts:
            raise RemoteProtocolError("an empty packet; at least a JSON header is needed")
        metadata = json_object(parts[0])
        htype = metadata.get("htype")
        if htype == "image":
            if len(parts) != 2:
                _check_count(parts, 2, 2, "an image")
            frame, array, encodings = image_of(parts[0], parts[1])
            if encodings:
                return iter((Message(0, frame, received_ns, metadata, array, encodings=encodings),))
            return iter((Message(0, frame, received_ns, metadata, array),))
        if htype == "header":
            _check_count(parts, 1, 2, "a start")
            if len(parts) == 2:
                metadata["meta"] = json_object(parts[1], "the start's second part")
            return iter((Message(0, None, received_ns, metadata, kind=Kind.START),))
        if htype == "series_end":
            _check_count(parts, 1, 1, "an end")
            return iter((Message(0, None, received_ns, metadata, kind=Kind.END),))
        raise RemoteProtocolError(f'htype {str(htype)[:40]!r} is none of "header", "image", "series_end"')


def _check_count(parts: Sequence[bytes | memoryview], least: int, most: int, what: str) -> None:
    if not least <= len(parts) <= most:
        wanted = f"{least}" if least == most else f"{least} or {most}"
        raise RemoteProtocolError(f"{what} of {len(parts)} parts; {wanted} would be right")


def encode_start(
    filename: str, *, msg_number: int = 0, meta: Mapping[str, Any] | None = None, **more: Any
) -> list[bytes]:
    """Return the packet before the images of a series; ``more`` are further keys of its header."""
    head = msgspec.json.encode({"htype": "header", "filename": filename, "msg_number": msg_number, **more})
    return [head] if meta is None else [head, msgspec.json.encode(meta)]


def encode_image(
    frame: int, pixels: NDArray[Any] | bytes, *, msg_number: int | None = None, compression: str = "none", **more: Any
) -> list[bytes]:
    """Return the packet of one image.

    Parameters
    ----------
    frame
        From 0 in a series.
    pixels
        The image; or its compressed bytes, when ``more`` says ``shape`` and ``type``.
    msg_number
        By default the one a series without losses has.
    compression
        Its name, for compressed bytes.
    more
        Further keys of the header.
    """
    head: dict[str, Any] = {"htype": "image", "frame": frame}
    if not isinstance(pixels, bytes):
        pixels = np.ascontiguousarray(pixels)
        head |= {"shape": pixels.shape, "type": pixels.dtype.name}
        pixels = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    head |= {"compression": compression, "msg_number": frame + 1 if msg_number is None else msg_number, **more}
    return [msgspec.json.encode(head), pixels]


def encode_end(*, msg_number: int = 0, **more: Any) -> list[bytes]:
    """Return the packet after the images of a series."""
    return [msgspec.json.encode({"htype": "series_end", "msg_number": msg_number, **more})]
