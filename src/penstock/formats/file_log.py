"""The state file of opened files: JSON lines, one for each thing that happened, only ever added to.

Codec only. The last line may be torn, because somebody was killed while it was written: it counts for nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from penstock.core.file_book import FileRecord, RunRecord

__all__ = ["Logged", "encode_records", "read_log"]

Record = FileRecord | RunRecord
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Logged(NamedTuple):
    """What stands in a state file."""

    records: list[Record]
    whole: int
    """Bytes up to the end of its last whole line."""
    damaged: int
    """Whole lines that are no records; they count for nothing."""


def encode_records(records: Iterable[Record]) -> bytes:
    """Return records as lines."""
    return b"".join(_encode(record) + b"\n" for record in records)


def read_log(log: bytes) -> Logged:
    r"""Read a state file, however it was cut off.

    >>> from penstock.core.file_book import FileState
    >>> log = encode_records([FileRecord(path="/a", state=FileState.DONE)])
    >>> log
    b'{"kind":"file","path":"/a","state":"done"}\n'
    >>> read_log(log + log[:9])[1:]
    (43, 0)
    """
    whole = log.rfind(b"\n") + 1
    records: list[Record] = []
    damaged = 0
    for line in log[:whole].split(b"\n"):
        if not line.strip():
            continue
        try:
            records.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += 1
    return Logged(records, whole, damaged)
