"""A dataset: one id made of parts, such as the modules of a detector, and how the streams of its parts are named.

Each part has a stream of its own, as each comes from a process of its own; its messages have the datasets' ids.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError

__all__ = ["Dataset", "base_of", "check_stream_name", "is_table", "part_address", "table_address"]

MOST_PARTS: Final = 4096
_TABLE: Final = " [parts]"
_PART: Final = re.compile(r"(?P<stream>.+) \[part (?P<part>[1-9][0-9]*)\]", re.DOTALL)
_RESERVED: Final = re.compile(r".* \[(part [0-9]+|parts|retention|last id)\]", re.DOTALL)


class Dataset(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What belongs to one id."""

    id: int
    expected: int
    """How many parts it is made of."""
    parts: Mapping[int, Message]
    """Those that are there, by number, from 1, ascending."""

    @property
    def is_complete(self) -> bool:
        """Whether all parts are there."""
        return len(self.parts) == self.expected

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the parts that are not there."""
        return tuple(part for part in range(1, self.expected + 1) if part not in self.parts)


def part_address(address: StreamAddress, part: int) -> StreamAddress:
    """Return where the messages of a part lie."""
    return StreamAddress(address.beamtime, address.source, f"{address.stream} [part {part}]")


def table_address(address: StreamAddress) -> StreamAddress:
    """Return where it is said, as metadata, how many parts a stream's datasets have.

    A stream of that name, with nothing in it, ends when that has been said: whoever waits to be told waits for its end.
    """
    return StreamAddress(address.beamtime, address.source, f"{address.stream}{_TABLE}")


def is_table(address: StreamAddress) -> bool:
    """Tell whether an address is one that ``table_address`` gives."""
    return address.stream.endswith(_TABLE)


def base_of(address: StreamAddress) -> tuple[StreamAddress, int] | None:
    """Return of which stream and which number a part's stream is; ``None`` if it is that of no part."""
    found = _PART.fullmatch(address.stream)
    return found and (StreamAddress(address.beamtime, address.source, found["stream"]), int(found["part"]))


def check_stream_name(address: StreamAddress) -> None:
    """Make sure that an address is that of a stream, and that its name is not one that we give to parts.

    Raises
    ------
    StreamError
        If it is not.
    """
    if not address.is_stream:
        raise StreamError(f"{address} names no stream; write beamtime/source/stream, or name the stream beside it")
    if _RESERVED.fullmatch(address.stream):
        raise StreamError(f"{address}: names that end so have a meaning of their own; give another name")


def check_part(part: tuple[int, int], message_id: int | None) -> None:
    """Make sure that a part is one of as many as it says.

    Raises
    ------
    StreamError
        If it is not, or no id says of which dataset it is.
    """
    number, count = part
    if not 1 <= number <= count <= MOST_PARTS:
        raise StreamError(
            f"part {number} of {count} is none; write (1, 16) to (16, 16) for sixteen; at most {MOST_PARTS}"
        )
    if message_id is None:
        raise StreamError("a part needs the id of its dataset, as other parts have the same; give id")
