"""Messages and blocks for the conformance suite of stores, and what is read back as values that can be compared."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from penstock.core.block import Block
from penstock.core.message import Kind, Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import StateError
from penstock.streams.store import Level, Store, StoredBlock, StreamReader

__all__ = [
    "ADDRESS",
    "ODD_NAMES",
    "PATIENCE_S",
    "arrived",
    "exact",
    "message",
    "needs",
    "numbered",
    "read",
    "required_level",
    "told",
    "waiting",
    "write",
]

ADDRESS = StreamAddress("c20261120", "eiger", "run 1")
ODD_NAMES = [
    *"$/\\ .%&?*#'_\"\n\t~aA",
    *["%2F", "%20", "..", "a+b", "ab", "a_b", "a/b", "a%2Fb", ".a", "a.", "-a", "\u00c4", "A\u0308", "名前"],
    "a b",
    "'; drop table streams; --",
    "x" * 200,
]
PATIENCE_S = 50.0
"""Longer than anything takes; only so that a test which fails does not hang."""
T = TypeVar("T", bound=Callable[..., Any])
_levels: dict[Any, Level] = {}


def needs(level: Level) -> Callable[[T], T]:
    """Say from which level on a store must pass a test."""

    def mark(test: T) -> T:
        _levels[test] = level
        return test

    return mark


def required_level(test: Any) -> Level:
    """Return the level that a test needs."""
    return _levels.get(test, Level.LOG)


def numbered(*ids: int, kind: Kind = Kind.DATA) -> Block:
    """Return a block whose messages tell their id in everything they have.

    They have from 0 to 4 numbers in their first buffer, and one in their second.
    """
    return Block.of("any", [message(number, kind) for number in ids])


def message(number: int, kind: Kind = Kind.DATA) -> Message:
    """Return a message of ``numbered``."""
    return Message(
        id=number,
        key=number,
        timestamp_ns=1000 * (number % 10**12),
        metadata={"number": number % 10**12},
        array=np.full(number % 5, number, np.uint64),
        more=(np.array(number, np.uint64),),
        kind=kind,
    )


def told(messages: Iterable[Message]) -> list[Any]:
    """Return messages as values that can be compared."""
    return [
        (m.id, m.kind.name, m.key, m.timestamp_ns, exact(m.metadata), list(map(exact, m.buffers))) for m in messages
    ]


def arrived(blocks: Iterable[StoredBlock]) -> list[Any]:
    """Return what stored blocks hold, message by message."""
    return [one for stored in blocks for one in told(stored.block.messages())]


def exact(value: Any) -> Any:
    """Return a value with all its types, so that only what is the same to the last bit is equal."""
    kind = type(value).__name__
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.names:  # what lies between fields is nobody's
            return (kind, array.dtype, {name: exact(array[name]) for name in array.dtype.names})
        return (kind, value.dtype, np.shape(value), value.tobytes())
    if isinstance(value, Mapping):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return (kind, [exact(inner) for inner in value])
    return (kind, repr(value) if isinstance(value, float) else value)


def write(store: Store, *blocks: Block, to: StreamAddress = ADDRESS) -> None:
    """Append blocks to a stream, by a writer of their own."""
    with store.write(to) as writer:
        for block in blocks:
            writer.append(block)


def read(store: Store, address: StreamAddress = ADDRESS) -> list[Any]:
    """Return all messages of a stream, in their order of arrival."""
    with store.read(address) as reader:
        return arrived(reader.blocks())


@contextmanager
def waiting(reader: StreamReader, position: int) -> Iterator[list[Any]]:
    """Let a thread wait meanwhile; yield the list that gets what it found."""
    found: list[Any] = []
    is_there = threading.Event()

    def wait() -> None:
        is_there.set()
        try:
            found.append(reader.wait(position, PATIENCE_S))
        except StateError as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    is_there.wait()
    try:
        yield found
    finally:
        thread.join()
