"""The bytes of a stream's files: what stands before each block, in the index once more, and how blocks are found again.

Nothing here opens a file. ``docs/reference/store.md`` has every byte.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.errors import IntegrityError, RemoteProtocolError
from penstock.streams.store import Encoding, StoredBlock
from penstock.wire.layout import ALIGNMENT, BlockLayout, PackedBlock, pack_block, read_block

__all__ = [
    "INDEX",
    "PAGE",
    "RECORD",
    "RECORD_BYTES",
    "SEGMENT",
    "BlockHeader",
    "FileHeader",
    "FileKind",
    "Packed",
    "content_crc",
    "find_blocks",
    "pack",
    "read_records",
    "unpack",
]

VERSION: Final = 1
RECORD_BYTES: Final = 128
"""Of a file's header, of a block's header, and of a record of the index."""
PAGE: Final = 4096
"""Where a block may begin too, beside where the one before ends: writing past the page cache needs whole pages."""
BLOCK_MAGIC: Final = b"PENSTBLK"

FileKind = bytes
SEGMENT: Final[FileKind] = b"PENSTSEG"
INDEX: Final[FileKind] = b"PENSTIDX"

_FILE: Final = struct.Struct("<8sHHIQQq84xI")
_BLOCK: Final = struct.Struct("<8sHHIQQQQQIIQqqq28xI")
_CRC: Final = struct.Struct("<I")
_CHECKED: Final = RECORD_BYTES - _CRC.size

RECORD: Final = np.dtype(
    {
        "names": [
            "rows", "token", "at", "position", "first_id", "last_id", "head", "content_crc", "body",
            "first_ns", "last_ns", "appended_ns",
        ],
        "formats": ["<u4", "<u8", "<u8", "<u8", "<u8", "<u8", "<u4", "<u4", "<u8", "<i8", "<i8", "<i8"],
        "offsets": [12, 16, 24, 32, 40, 48, 56, 60, 64, 72, 80, 88],
        "itemsize": RECORD_BYTES,
    }
)  # fmt: skip
"""A block's header as a row of a table."""

_WORDS: Final = np.dtype(("<u4", RECORD_BYTES // 4))
_BEGIN: Final = BLOCK_MAGIC + VERSION.to_bytes(2, "little")
_HEAD: Final = msgspec.msgpack.Decoder(tuple[BlockLayout, tuple[Encoding | None, ...]])


class FileHeader(msgspec.Struct, frozen=True, kw_only=True):
    """How a segment and its index begin."""

    token: int
    """A random number that both have, and every block, so that no file is taken for another's."""
    number: int
    """Of the segment, from 1."""
    created_ns: int

    def encode(self, kind: FileKind) -> bytes:
        """Write it."""
        return _sealed(_FILE.pack(kind, VERSION, 0, 0, self.token, self.number, self.created_ns, 0))

    @classmethod
    def decode(cls, data: bytes, kind: FileKind) -> "FileHeader | None":
        """Read it; ``None`` if it is none, or damaged."""
        if not _is_sealed(data):
            return None
        magic, version, _, _, token, number, created_ns, _ = _FILE.unpack(data)
        if magic != kind or version != VERSION:
            return None
        return cls(token=token, number=number, created_ns=created_ns)


class BlockHeader(msgspec.Struct, frozen=True, gc=False):
    """What stands before a block in its segment, and in the index once more."""

    rows: int
    """Messages."""
    token: int
    at: int
    """Where it begins in its segment."""
    position: int
    """How many messages came before it since the stream began."""
    first_id: int
    last_id: int
    head: int
    """Bytes behind the header that say what the body is."""
    content_crc: int
    """CRC-32C of all behind the header."""
    body: int
    """Bytes."""
    first_ns: int
    """The smallest timestamp."""
    last_ns: int
    """The largest."""
    appended_ns: int

    @property
    def is_dense(self) -> bool:
        """Whether all ids from the first to the last are in it."""
        return self.last_id - self.first_id + 1 == self.rows

    @property
    def body_at(self) -> int:
        """Where in the segment its body begins."""
        return _aligned(self.at + RECORD_BYTES + self.head)

    @property
    def end(self) -> int:
        """Where in the segment it ends."""
        return self.body_at + self.body

    def encode(self) -> bytes:
        """Write it."""
        return _sealed(
            _BLOCK.pack(
                BLOCK_MAGIC, VERSION, 0, self.rows, self.token, self.at, self.position, self.first_id, self.last_id,
                self.head, self.content_crc, self.body, self.first_ns, self.last_ns, self.appended_ns, 0,
            )
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes | memoryview) -> "BlockHeader | None":
        """Read it; ``None`` if it is none, or damaged."""
        if not _is_sealed(data):
            return None
        magic, version, _, *fields, _ = _BLOCK.unpack(data)
        if magic != BLOCK_MAGIC or version != VERSION:
            return None
        return cls(*fields)

    @classmethod
    def of(cls, record: Any) -> "BlockHeader":  # a row of RECORD, which NumPy has no type for
        """Return what a record of an index says."""
        return cls(*record.item())


class Packed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A block of which is known what will be written; nothing of it is copied yet."""

    block: Block
    head: bytes
    """With its padding."""
    head_bytes: int
    """Without."""
    body: PackedBlock
    pieces: list[NDArray[np.uint8]]
    """Of the body."""

    @property
    def nbytes(self) -> int:
        """What it takes in a segment."""
        return RECORD_BYTES + len(self.head) + self.body.layout.nbytes

    def header(self, *, token: int, at: int, position: int, crc: int, now_ns: int) -> BlockHeader:
        """Return what stands before it at some place; ``crc`` is of ``head`` and body."""
        ids, times = self.block.ids, self.block.timestamps
        return BlockHeader(
            rows=len(ids),
            token=token,
            at=at,
            position=position,
            first_id=int(ids[0]),
            last_id=int(ids[-1]),
            head=self.head_bytes,
            content_crc=crc,
            body=self.body.layout.nbytes,
            first_ns=int(times.min()),
            last_ns=int(times.max()),
            appended_ns=now_ns,
        )

    def crc(self) -> int:
        """Return the check sum of ``head`` and body."""
        found = crc32c.crc32c(self.head)
        for piece in self.pieces:
            found = crc32c.crc32c(piece.data, found)
        return found


def pack(block: Block, encodings: Sequence[Encoding | None] = ()) -> Packed:
    """Find out what must be written of a block.

    Raises
    ------
    ResultTypeError
        If something in it cannot be stored.
    """
    body = pack_block(block)
    head = msgspec.msgpack.encode((body.layout, tuple(encodings)))
    padded = head + bytes(-len(head) % ALIGNMENT)
    return Packed(block=block, head=padded, head_bytes=len(head), body=body, pieces=body.pieces())


def unpack(segment: NDArray[np.uint8], header: BlockHeader, stream: str, *, check: bool = True) -> StoredBlock:
    """Return a block of a segment; its arrays are views of ``segment``.

    Raises
    ------
    IntegrityError
        If the bytes are not what was written; the text names the place in the segment.
    """
    if header.end > len(segment):
        raise IntegrityError(f"the block at byte {header.at} ends at {header.end}, and the file at {len(segment)}")
    if check and content_crc(segment, header) != header.content_crc:
        raise IntegrityError(f"the block at byte {header.at} ({header.end - header.at} bytes) is not what was written")
    begin = header.at + RECORD_BYTES
    try:
        layout, encodings = _HEAD.decode(segment[begin : begin + header.head].data)
        block = read_block(layout, segment[header.body_at : header.end], stream)
    except (msgspec.MsgspecError, RemoteProtocolError) as error:
        raise IntegrityError(f"the block at byte {header.at} cannot be read: {error}") from error
    if len(block) != header.rows:
        raise IntegrityError(f"the block at byte {header.at} has {len(block)} messages, and not {header.rows}")
    return StoredBlock(block=block, encodings=encodings, position=header.position)


def content_crc(segment: NDArray[np.uint8], header: BlockHeader) -> int:
    """Return the check sum of what stands behind a block's header."""
    return crc32c.crc32c(segment[header.at + RECORD_BYTES : header.end].data)


def read_records(data: bytes, token: int, *, past_damage: bool = False) -> NDArray[Any]:
    """Return the records of a piece of an index, up to the first that is damaged, cut off or another file's.

    Parameters
    ----------
    past_damage
        Whether to pass over those, and return all others.

    Returns
    -------
    NDArray
        (n,), of ``RECORD``.
    """
    n = len(data) // RECORD_BYTES
    records = np.frombuffer(data, RECORD, n)
    view = memoryview(data)
    is_sound = records["token"] == token
    for row, crc in enumerate(np.frombuffer(data, _WORDS, n)[:, -1].tolist()):
        at = row * RECORD_BYTES
        if crc != crc32c.crc32c(view[at : at + _CHECKED]) or view[at : at + 10] != _BEGIN:
            is_sound[row] = False
            if not past_damage:
                break
    if is_sound.all():
        return records
    return records[is_sound] if past_damage else records[: int(np.argmin(is_sound))]


def find_blocks(segment: NDArray[np.uint8], token: int, at: int, position: int) -> Iterator[BlockHeader]:
    """Find the blocks of a segment without its index, in their order, also behind damage.

    A block that is not whole is among them only if another one follows it: then it was there, and has been damaged
    since; else it was never written to its end.

    Parameters
    ----------
    segment
        (bytes,), the file as far as it goes.
    token
        Of the segment; 0 for any.
    at
        Where to begin: the end of a block, or less.
    position
        No block with a smaller one is looked at: it would be older than what is known already.
    """
    data, at = segment.data, _aligned(at)
    while at + RECORD_BYTES <= len(segment):
        header = _header_at(data, token, at)
        if header is None:
            at = _next_magic(segment, at)
        elif header.end > len(segment) or header.position < position:
            at += ALIGNMENT
        elif content_crc(segment, header) != header.content_crc and not _is_followed(data, header):
            at += ALIGNMENT  # not to its end: behind a block that was never finished there may be another one
        else:
            yield header
            at, position = _aligned(header.end), header.position + header.rows


def _header_at(data: memoryview, token: int, at: int) -> BlockHeader | None:
    header = BlockHeader.decode(data[at : at + RECORD_BYTES])
    return header if header is not None and token in (header.token, 0) and header.at == at else None


def _is_followed(data: memoryview, header: BlockHeader) -> bool:
    end = _aligned(header.end)
    places = (end, -(-end // PAGE) * PAGE)
    found = (_header_at(data, header.token, at) for at in places if at + RECORD_BYTES <= len(data))
    return any(next_ is not None and next_.position == header.position + header.rows for next_ in found)


def _next_magic(segment: NDArray[np.uint8], at: int) -> int:
    """Return the next place where a block may begin."""
    words = segment[at + ALIGNMENT : len(segment) & -ALIGNMENT].view("<u8")[:: ALIGNMENT // 8]
    step = 1 << 16  # 4 MB of file at a time
    for start in range(0, len(words), step):
        hits = np.flatnonzero(words[start : start + step] == _MAGIC_WORD)
        if len(hits):
            return at + (1 + start + int(hits[0])) * ALIGNMENT
    return len(segment)


_MAGIC_WORD: Final = np.frombuffer(BLOCK_MAGIC, "<u8")[0]


def _aligned(at: int) -> int:
    return -(-at // ALIGNMENT) * ALIGNMENT


def _sealed(record: bytes) -> bytes:
    checked = record[:_CHECKED]
    return checked + _CRC.pack(crc32c.crc32c(checked))


def _is_sealed(record: bytes | memoryview) -> bool:
    return len(record) == RECORD_BYTES and _CRC.unpack(record[_CHECKED:])[0] == crc32c.crc32c(record[:_CHECKED])
