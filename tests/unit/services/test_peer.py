"""The event builder's end of a link: it never waits, keeps the order, and tells of pools and pieces in time, once."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.result_range import ResultRange
from penstock.services.custody import HeldPiece
from penstock.services.peer import TOGETHER_BYTES, Peer
from penstock.services.progress import Progress
from penstock.transport.pool import Pool
from penstock.transport.seqpacket import LIMIT, Link
from penstock.wire.envelopes import (
    Broken,
    Drop,
    Failed,
    Flagged,
    Free,
    Piece,
    PoolGone,
    PoolMade,
    Stop,
    open_envelopes,
    seal,
)
from penstock.wire.results import pack_results


class Ends:
    """A peer, and the other side's end, which reads only when told."""

    def __init__(self) -> None:
        near, self.far = Link.pair()
        self.peer = Peer("fit-0", "fit", "map", near, Progress.make("fit-0"))
        self.fds: list[int] = []

    def read(self) -> list[list[Any]]:
        """Return the messages that lie ready, each a list of envelopes."""
        found = []
        while (received := self.far.try_receive()) is not None:
            self.fds += received.fds
            found.append(open_envelopes(received.data))
        return found

    def read_all(self) -> list[Any]:
        """Read and let the peer send, until nothing comes any more."""
        found: list[Any] = []
        while True:
            self.peer.flush()
            messages = self.read()
            if not messages:
                return found
            found += [envelope for message in messages for envelope in message]

    def close(self) -> None:
        self.peer.close()
        self.far.close()
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def ends() -> Iterator[Ends]:
    found = Ends()
    yield found
    found.close()


def word(number: int, nbytes: int = 0) -> Failed:
    return Failed("x" * nbytes, number, 0)


def numbers(envelopes: list[Any]) -> list[int | None]:
    return [envelope.event for envelope in envelopes if isinstance(envelope, Failed)]


def held_piece(number: int) -> HeldPiece:
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(2), values=["a", "b"]), 0)
    return HeldPiece(number, packed.descriptor(), lambda *gone: None)


def test_nothing_is_sent_before_a_flush_and_then_all_of_it_at_once(ends: Ends) -> None:
    ends.peer.say(word(1))
    ends.peer.say(Stop())
    assert ends.read() == []
    ends.peer.flush()
    assert ends.read() == [[word(1), Stop()]]
    ends.peer.flush()
    assert ends.read() == []


def test_it_never_waits_for_who_reads_nothing_and_loses_nothing(ends: Ends) -> None:
    for number in range(2000):
        ends.peer.say(word(number, 500))
        ends.peer.flush()
    assert ends.peer.has_unsent
    assert numbers(ends.read_all()) == list(range(2000))
    assert not ends.peer.has_unsent


def test_what_comes_back_travels_together_behind_what_was_said(ends: Ends) -> None:
    for generation, slot in ((1, 3), (2, 0), (1, 5)):
        ends.peer.free(generation, slot)
    for piece in (7, 9):
        ends.peer.drop(piece)
    ends.peer.say(word(1))
    ends.peer.flush()
    assert ends.read() == [[word(1), Free(1, (3, 5)), Free(2, (0,)), Drop((7, 9))]]
    ends.peer.flush()
    assert ends.read() == []


def test_a_pool_is_known_before_anything_that_lies_in_it_and_told_once(ends: Ends) -> None:
    with Pool.create("detector", 1, 1) as pool:
        made = PoolMade("detector", 1, 1, pool.handle.slot_bytes)
        ends.peer.say(word(1))
        for _ in range(2):
            ends.peer.tell_pool(made, pool.fd)
        ends.peer.say(word(2))
        assert ends.read_all() == [word(1), made, word(2)]
        (fd,) = ends.fds
        assert os.fstat(fd).st_ino == os.fstat(pool.fd).st_ino


def test_what_was_only_said_waits_for_no_room(ends: Ends) -> None:
    # A reducer is given nothing while something waits for room; word of a new pool must not hold it up for a turn.
    with Pool.create("detector", 1, 1) as pool:
        ends.peer.tell_pool(PoolMade("detector", 1, 1, pool.handle.slot_bytes), pool.fd)
        assert not ends.peer.has_unsent
        ends.peer.flush()
        assert not ends.peer.has_unsent
        ends.read()


def test_a_pool_that_has_gone_may_be_told_again(ends: Ends) -> None:
    with Pool.create("detector", 1, 1) as pool:
        made = PoolMade("detector", 1, 1, pool.handle.slot_bytes)
        ends.peer.tell_pool(made, pool.fd)
        ends.peer.known_pools.discard(("detector", 1))
        ends.peer.say(PoolGone("detector", 1))
        ends.peer.tell_pool(made, pool.fd)
        assert ends.read_all() == [made, PoolGone("detector", 1), made]


def test_a_pool_whose_writer_lets_go_of_it_can_still_be_told(ends: Ends) -> None:
    for number in range(2000):
        ends.peer.say(word(number, 500))
        ends.peer.flush()
    pool = Pool.create("detector", 1, 1)
    inode = os.fstat(pool.fd).st_ino
    ends.peer.tell_pool(PoolMade("detector", 1, 1, pool.handle.slot_bytes), pool.fd)
    ends.peer.flush()
    pool.close()  # it has come and gone before this process has read that there is one
    ends.peer.say(PoolGone("detector", 1))
    assert [type(envelope) for envelope in ends.read_all()[-2:]] == [PoolMade, PoolGone]
    (fd,) = ends.fds
    assert os.fstat(fd).st_ino == inode


@pytest.mark.parametrize("end", ["sent", "gone", "closed"])
def test_descriptors_are_let_go_of_with_what_they_travel_beside(end: str) -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    ends = Ends()
    with Pool.create("detector", 1, 1) as pool:
        for _ in range(2000 if end != "sent" else 1):
            ends.peer.say(word(0, 500))
            ends.peer.flush()
        ends.peer.tell_pool(PoolMade("detector", 1, 1, pool.handle.slot_bytes), pool.fd)
        if end == "gone":
            ends.far.close()
        ends.peer.flush()
        if end == "sent":
            ends.read()
        ends.close()
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_pieces_are_told_once_to_each(ends: Ends) -> None:
    one, two = held_piece(1), held_piece(2)
    ends.peer.tell_pieces([one])
    ends.peer.tell_pieces([one, two, two])
    assert ends.read_all() == [Piece(1, one.results), Piece(2, two.results)]
    assert (one.known_to, two.known_to) == ({ends.peer}, {ends.peer})
    other = Ends()
    other.peer.tell_pieces([two])
    assert other.read_all() == [Piece(2, two.results)]
    assert two.known_to == {ends.peer, other.peer}
    other.close()


@given(st.lists(st.sampled_from([10, 1000, 40_000, TOGETHER_BYTES, TOGETHER_BYTES + 1000, 190_000]), max_size=25))
def test_a_long_list_is_cut_into_messages_that_fit(sizes: list[int]) -> None:
    ends = Ends()
    for number, nbytes in enumerate(sizes):
        ends.peer.say(word(number, nbytes))
    found: list[int | None] = []
    while len(found) < len(sizes):
        ends.peer.flush()
        for message in ends.read():
            assert len(seal(message)) <= TOGETHER_BYTES or len(message) == 1
            found += numbers(message)
    assert found == list(range(len(sizes)))
    ends.close()


def test_small_envelopes_are_few_messages(ends: Ends) -> None:
    for number in range(5000):
        ends.peer.say(word(number, 50))
    ends.peer.flush()
    messages = []
    while found := ends.read():
        messages += found
        ends.peer.flush()
    assert len(messages) <= 2 * 5000 * 60 / TOGETHER_BYTES + 1
    assert sum(map(len, messages)) == 5000


def test_an_envelope_that_fits_no_message_is_a_defect_of_who_says_it(ends: Ends) -> None:
    ends.peer.say(word(1, LIMIT + 1))
    with pytest.raises(AssertionError, match="bytes to fit-0"):
        ends.peer.flush()


@pytest.mark.parametrize("is_full", [False, True])
def test_who_has_gone_is_told_nothing_and_that_is_no_error(is_full: bool, ends: Ends) -> None:
    for number in range(2000 if is_full else 1):
        ends.peer.say(word(number, 500))
        ends.peer.flush()
    ends.far.close()
    for _ in range(2):
        ends.peer.say(word(1))
        ends.peer.free(1, 1)
        ends.peer.drop(1)
        ends.peer.flush()
        assert not ends.peer.has_unsent


def test_it_hears_what_was_said_before_the_end(ends: Ends) -> None:
    reading, writing = os.pipe()
    ends.far.send(seal([Flagged(1), Flagged(2)]))
    ends.far.send(seal([Broken("no")]), [writing])
    ends.far.close()
    os.close(writing)
    (first, second, (third, fds)) = ends.peer.hear()
    assert (first, second, third) == ((Flagged(1), ()), (Flagged(2), ()), Broken("no"))
    os.write(fds[0], b"!")
    assert os.read(reading, 1) == b"!"
    os.close(fds[0])
    os.close(reading)
    assert ends.peer.is_ended


def test_it_hears_a_bounded_share_of_much(ends: Ends) -> None:
    for number in range(10):
        ends.far.send(seal([Flagged(number)]))
    assert [envelope.id for envelope, _ in ends.peer.hear(most=4)] == [0, 1, 2, 3]
    assert [envelope.id for envelope, _ in ends.peer.hear()] == [4, 5, 6, 7, 8, 9]
    assert ends.peer.hear() == []
    assert not ends.peer.is_ended


def test_closed_it_keeps_nothing_lent(ends: Ends) -> None:
    ends.peer.kept["detector", 1, 0] = object()
    ends.peer.close()
    assert ends.peer.kept == {}
