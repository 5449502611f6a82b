"""A photon counter: how its packets are written and read, and the source that receives them."""

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from penstock import Kind, Message
from penstock.elements import Decoder, Traits, ZmqSource
from penstock.errors import RemoteProtocolError

HEAD = struct.Struct("<4sBBQ")  # magic, kind, channels, gate
START, GATE, END = 1, 2, 3
KINDS = {START: Kind.START, GATE: Kind.DATA, END: Kind.END}


def encode(kind: int, gate: int = 0, counts: Sequence[int] = ()) -> list[bytes]:
    """Return a packet: a list of its parts, of which there is one."""
    body = HEAD.pack(b"PHC1", kind, len(counts), gate) + np.array(counts, "<u4").tobytes()
    return [body + struct.pack("<I", zlib.crc32(body))]


class CounterDecoder(Decoder):
    """Turns a gate into a message: ``key`` is its number, ``array`` the counts of its channels, uint32."""

    traits = Traits(number="gate", first=0, socket="pull")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one packet."""
        packet = b"".join(parts)
        body, checksum = packet[:-4], packet[-4:]
        if len(parts) != 1 or len(body) < HEAD.size:
            raise RemoteProtocolError(f"a packet of {len(parts)} parts and {len(packet)} bytes")
        if checksum != struct.pack("<I", zlib.crc32(body)):
            raise RemoteProtocolError("a packet whose checksum is wrong")
        magic, kind, channels, gate = HEAD.unpack_from(body)
        if magic != b"PHC1" or kind not in KINDS or len(body) != HEAD.size + 4 * channels:
            raise RemoteProtocolError(f"a packet that begins with {body[: HEAD.size]!r}")
        if kind == GATE:
            yield Message(key=gate, timestamp_ns=received_ns, array=np.frombuffer(body, "<u4", offset=HEAD.size))
        else:
            yield Message(kind=KINDS[kind], timestamp_ns=received_ns, metadata={"gates": gate})


class CounterSource(ZmqSource):
    """A photon counter, over ZeroMQ."""

    decoder = CounterDecoder
