"""PandABox position capture over TCP, as its server documents it: in ASCII, in frames of binary rows, and unframed.

The client says what it wants in one line, the server answers ``OK`` and then, each time the box is armed, sends a
header, the rows and a line with their number and why they end. Only the rows differ:

=========  =============================================================================================
ASCII      a line each: a space before every value
Framed     ``BIN ``, the length of the frame with these 8 bytes (uint32), then whole rows
Unframed   nothing but rows until the connection ends, because in them no line could be told apart
=========  =============================================================================================

Binary numbers are little endian, in the order and of the types that the header names.
"""

from penstock.protocols.pandabox.frames import PandaboxFramedDecoder, encode_frame
from penstock.protocols.pandabox.header import Field, encode_end, encode_start
from penstock.protocols.pandabox.text import PandaboxDecoder, encode_row
from penstock.protocols.pandabox.unframed import PandaboxUnframedDecoder

__all__ = [
    "Field",
    "PandaboxDecoder",
    "PandaboxFramedDecoder",
    "PandaboxUnframedDecoder",
    "encode_end",
    "encode_frame",
    "encode_row",
    "encode_start",
]
