"""The state of a stream as a small file: a line of JSON and its check sum, replaced as a whole."""

from pathlib import Path

import crc32c
import msgspec

from penstock.errors import IntegrityError
from penstock.streams.directory.file_names import STATE, replace_file
from penstock.streams.store import StreamState, Sync

__all__ = ["StateFile", "Totals", "decode_state", "encode_state", "write_state"]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What was in a stream when its writer closed it."""

    written: int = 0
    """Messages, with those that were removed."""
    synced: int = 0
    begin: int = 0
    """The position of the first message that can be read."""
    count: int = 0
    first_id: int = 0
    last_id: int = 0
    nbytes: int = 0
    last_ns: int = 0


class StateFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says."""

    version: int = 1
    state: StreamState = StreamState.OPEN
    is_written: bool = False
    """Whether somebody writes it. If so and nobody holds the lock, the writer was killed."""
    next_stream: str = ""
    reason: str = ""
    sync: Sync = "interval"
    made_ns: int = 0
    """When the stream was made."""
    first_ns: int = 0
    """When its first message was appended; 0 if nobody has noted it yet."""
    last_segment: int = 0
    """The largest number that a segment has had; numbers are not used twice."""
    totals: Totals = Totals()
    """As it was closed, and only then right."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (StreamState.FINISHED, StreamState.ABORTED)


_DECODER = msgspec.json.Decoder(StateFile)


def encode_state(state: StateFile) -> bytes:
    """Write it."""
    line = msgspec.json.encode(state)
    return line + f"\n{crc32c.crc32c(line):08x}\n".encode()


def decode_state(data: bytes, where: object) -> StateFile:
    """Read it.

    Raises
    ------
    IntegrityError
        If it is damaged; the text names ``where``.
    """
    line, _, rest = data.partition(b"\n")
    if rest != f"{crc32c.crc32c(line):08x}\n".encode():
        raise IntegrityError(f"{where}: the state is not what was written; `penstock streams rebuild` makes it again")
    try:
        return _DECODER.decode(line)
    except msgspec.MsgspecError as error:
        raise IntegrityError(f"{where}: no state that this version knows: {error}") from error


def write_state(folder: Path, state: StateFile, *, sync: bool = True) -> None:
    """Put a state in the place of what there is."""
    replace_file(folder / STATE, encode_state(state), sync=sync)
