"""Receiving over ZeroMQ: the parts of a message as they were sent, and how much is read ahead."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import zmq

from penstock.transport.zmq import LEAST_AHEAD, PULL_AHEAD, ZmqReceiver, ZmqSender

PATIENCE_S = 30.0


@contextmanager
def connected(ahead_bytes: int = 256 << 20) -> Iterator[tuple[ZmqSender, ZmqReceiver]]:
    sender = ZmqSender("push", "tcp://127.0.0.1:0")
    sender.open()
    receiver = ZmqReceiver("pull", sender.address, ahead_bytes=ahead_bytes)
    try:
        receiver.open()
        yield sender, receiver
    finally:
        receiver.close()
        sender.close(0)


def received(receiver: ZmqReceiver) -> list[bytes | memoryview]:
    """Return the next message, as soon as it is there."""
    parts = receiver.receive()
    if parts is None:
        receiver.wait(PATIENCE_S)
        parts = receiver.receive()
    assert parts is not None
    return parts


@pytest.mark.parametrize(
    "parts", [[b""], [b"alone"], [b"{}", b"pixels"], [b"", b""], [b"a", b"b" * 5_000_000, b"c", b"d" * 1000]]
)
def test_parts_come_as_they_were_sent(parts: list[bytes]) -> None:
    with connected() as (sender, receiver):
        assert sender.send(parts, PATIENCE_S)
        assert sender.send([b"next"], PATIENCE_S)
        found = received(receiver)
        assert [bytes(part) for part in found] == parts
        assert [type(part) for part in found[1:]] == [memoryview] * (len(parts) - 1)
        assert [bytes(part) for part in received(receiver)] == [b"next"]
        assert receiver.receive() is None


def test_what_was_received_stays_when_more_comes_and_when_it_is_closed() -> None:
    with connected() as (sender, receiver):
        for letter in (b"x", b"y"):
            assert sender.send([b"head", letter * 100_000], PATIENCE_S)
        first, second = received(receiver), received(receiver)
    assert (bytes(first[1]), bytes(second[1])) == (b"x" * 100_000, b"y" * 100_000)


def test_large_messages_are_read_ahead_by_their_bytes() -> None:
    with connected(ahead_bytes=8_000_000) as (sender, receiver):
        assert receiver.socket is not None
        aheads = []
        for parts in ([bytes(10)], [bytes(100_000)], [bytes(10)], [bytes(500_000), b"tail"], [bytes(4_000_000)]):
            assert sender.send([b"head", *parts], PATIENCE_S)
            received(receiver)
            aheads.append(receiver.socket.get(zmq.RCVHWM))
        assert aheads == [PULL_AHEAD, 80, 80, 16, LEAST_AHEAD]
