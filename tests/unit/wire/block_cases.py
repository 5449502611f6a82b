"""What the tests of the block plane's bytes share: any block, a slot to write it into, and what equal means."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from numpy.typing import NDArray

from penstock.core import Block, Kind, Message, RaggedColumn
from penstock.wire.layout import BlockLayout, pack_block
from penstock.wire.slots import PlacedBlock, Slot

dtypes: st.SearchStrategy[np.dtype[Any]] = st.one_of(
    nst.scalar_dtypes(),
    nst.byte_string_dtypes(),
    nst.unicode_string_dtypes(),
    nst.array_dtypes(allow_subarrays=True),
    st.sampled_from([">u2", ">f8", "<M8[25us]", "S0", "V0", "V3"]).map(np.dtype),
    st.just(np.dtype({"names": ["a", "b"], "formats": ["u1", ">i4"], "offsets": [1, 8], "itemsize": 16})),
)
shapes = nst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)
texts = st.text(max_size=5)
metadata = st.dictionaries(
    texts,
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), texts,
        st.binary(max_size=4),
        st.lists(st.integers(0, 9), max_size=3), st.dictionaries(texts, st.integers(), max_size=2),
    ),
    max_size=2,
)  # fmt: skip


def arrays(dtype: np.dtype[Any], shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Any bits of a dtype and shape, in C or in Fortran order, or with gaps between."""

    def made(seed: int, order: int) -> Any:
        big = (*shape[:-1], 2 * shape[-1]) if order == 2 and shape else shape
        count = int(np.prod(big)) * dtype.itemsize
        raw = np.random.default_rng(seed).integers(0, 2 if dtype.kind in "bUm" else 256, count, np.uint8)
        found: Any = np.ndarray(big, dtype, raw.tobytes())
        found = found[..., ::2] if big != shape else found
        return np.asfortranarray(found) if order == 1 else found

    if dtype.names or dtype.kind == "U":  # not every bit pattern is a value
        return nst.arrays(dtype, shape)
    return st.builds(made, st.integers(0, 999), st.integers(0, 2))


@st.composite
def columns(draw: st.DrawFn, n: int) -> NDArray[Any]:
    """A column of equal arrays."""
    dtype, shape = draw(dtypes), draw(shapes)
    if dtype.subdtype is not None:
        dtype = dtype.base
    found: NDArray[Any] = draw(arrays(dtype, (n, *shape)))
    return found


@st.composite
def uniform_blocks(draw: st.DrawFn) -> Block:
    """Columns in any order of memory, one row or many, or none."""
    n = draw(st.integers(0, 5) | st.sampled_from([64, 65, 200]))
    return Block(
        stream="detector",
        kind=draw(st.sampled_from(Kind)),
        ids=draw(arrays(np.dtype(np.uint64), (n,))),
        keys=draw(st.none() | arrays(np.dtype(np.uint64), (n,))),
        timestamps=draw(arrays(np.dtype(np.int64), (n,))),
        metadata=None if draw(st.booleans()) else [draw(metadata) if k < 3 else {"row": k} for k in range(n)],
        columns=tuple(draw(columns(n)) for _ in range(draw(st.integers(0, 3)))),
    )


@st.composite
def ragged_blocks(draw: st.DrawFn) -> Block:
    """Messages with different buffers, or none, some of them cut out of a longer block."""
    kinds = draw(
        st.lists(
            st.tuples(dtypes.filter(lambda d: d.subdtype is None and d.itemsize > 0), shapes), min_size=1, max_size=3
        )
    )
    made = []
    for number in range(draw(st.integers(1, 6))):
        buffers = [draw(arrays(*draw(st.sampled_from(kinds)))) for _ in range(draw(st.integers(0, 3)))]
        made.append(
            Message(
                id=number + 1,
                key=draw(st.integers(0, 2**64 - 1)),
                timestamp_ns=number,
                metadata=draw(metadata),
                array=buffers[0] if buffers else None,
                more=tuple(buffers[1:]),
            )
        )
    block = Block.of("detector", made)
    start = draw(st.integers(0, len(made)))
    return block.take(slice(start, draw(st.integers(start, len(made)))))


blocks = uniform_blocks() | ragged_blocks()


def empty_slot(nbytes: int, fill: int = 0xA5) -> NDArray[np.uint8]:
    """(nbytes,), aligned as a slot is, full of what another block left there."""
    room = np.full(nbytes + 64, fill, np.uint8)
    start = -room.__array_interface__["data"][0] % 64
    return room[start : start + nbytes]


def written(block: Block, spare: int = 0) -> tuple[BlockLayout, NDArray[np.uint8]]:
    """A slot with a block in it, as its readers have it."""
    packed = pack_block(block)
    slot = empty_slot(packed.layout.nbytes + spare)
    layout = packed.write(slot)
    slot.flags.writeable = False
    return layout, slot


class Pool:
    """Slots in which blocks lie."""

    def __init__(self) -> None:
        self.slots: list[NDArray[np.uint8]] = []
        self.placed: dict[int, PlacedBlock] = {}

    def put(self, block: Block) -> PlacedBlock:
        """Write a block, once."""
        if id(block) not in self.placed:
            layout, slot = written(block)
            self.placed[id(block)] = PlacedBlock(self.add(slot), layout)
        return self.placed[id(block)]

    def add(self, slot: NDArray[np.uint8]) -> Slot:
        """Take a slot."""
        self.slots.append(slot)
        return Slot("detector", 3, len(self.slots) - 1)

    def read(self, slot: Slot, nbytes: int) -> NDArray[np.uint8]:
        """Return the beginning of a slot."""
        assert (slot.pool, slot.generation) == ("detector", 3)
        return self.slots[slot.index][:nbytes]


def same_array(a: Any, b: Any) -> bool:
    """Whether dtype, shape and values are the same; not the padding of structures, which are no values."""
    if a is None or b is None:
        return a is b
    if a.dtype.names:
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tolist().__repr__() == b.tolist().__repr__())
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def same_column(a: Any, b: Any) -> bool:
    """Whether two columns are the same, message for message."""
    if isinstance(a, RaggedColumn) or isinstance(b, RaggedColumn):
        return type(a) is type(b) and len(a) == len(b) and all(map(same_array, a, b))
    return same_array(a, b)


def same_block(a: Block, b: Block) -> bool:
    """Whether two blocks are the same."""
    heads = [(x.stream, x.kind, x.metadata is None, list(map(dict, x.metadata or ())), len(x.columns)) for x in (a, b)]
    pairs: list[tuple[Any, Any]] = [(a.ids, b.ids), (a.keys, b.keys), (a.timestamps, b.timestamps)]
    return heads[0] == heads[1] and all(same_array(*p) for p in pairs) and all(map(same_column, a.columns, b.columns))


def parts_of(block: Block) -> list[NDArray[Any]]:
    """Every array of a block that should lie in its slot."""
    found = [block.ids, block.timestamps, *(c.payload if isinstance(c, RaggedColumn) else c for c in block.columns)]
    return found if block.keys is None else [*found, block.keys]


Corrupt = Callable[[bytes], bytes]


def corruptions() -> st.SearchStrategy[Corrupt]:
    """Ways to spoil bytes: one byte changed, some bytes changed, cut off, prolonged."""

    def changed(changes: list[tuple[int, int]]) -> Corrupt:
        def apply(data: bytes) -> bytes:
            spoilt = bytearray(data)
            for place, value in changes:
                if spoilt:
                    spoilt[place % len(spoilt)] = value
            return bytes(spoilt)

        return apply

    change = st.tuples(st.integers(0, 999), st.integers(0, 255))
    return st.one_of(
        st.lists(change, min_size=1, max_size=4).map(changed),
        st.integers(0, 999).map(lambda n: lambda data: data[: n % (len(data) + 1)]),
        st.binary(min_size=1, max_size=9).map(lambda more: lambda data: data + more),
    )
