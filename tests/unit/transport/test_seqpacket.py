"""Links: whole messages, descriptors, limits, ends and deaths."""

import os
import resource
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.transport import seqpacket
from penstock.transport.credits import Credits
from penstock.transport.datagram import join_messages, split_datagram
from penstock.transport.seqpacket import LIMIT, MAX_FDS, Link
from tests.unit.transport.forks import forked, kill

Pair = tuple[Link, Link]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = Link.pair(patience_s=0.05)
    with one, other:
        yield one, other


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    one, other = pair
    for k in range(1, 50):
        one.send(bytes([k]) * k)
    assert [other.receive() for _ in range(1, 50)] == [(bytes([k]) * k, ()) for k in range(1, 50)]
    other.send(b"back")
    assert one.receive() == (b"back", ())


def test_parts_become_one_message(pair: Pair) -> None:
    one, other = pair
    one.send([b"a", bytearray(b"bc"), memoryview(b"....d")[4:], b""])
    assert other.receive() == (b"abcd", ())
    one.send([b"x"] * 5000)  # more than the kernel takes parts
    assert other.receive() == (b"x" * 5000, ())
    one.send(memoryview(b"12345678").cast("I"))
    assert other.receive() == (b"12345678", ())


def test_many_descriptions_travel_in_one_message(pair: Pair) -> None:
    one, other = pair
    messages = [bytes([k]) * 64 for k in range(200)]
    for datagram in join_messages(messages, LIMIT):
        one.send(datagram)
    received = other.receive()
    assert received is not None
    assert [bytes(message) for message in split_datagram(received.data)] == messages
    assert other.try_receive() is None


def test_what_was_received_stays_as_it_is(pair: Pair) -> None:
    one, other = pair
    one.send(b"first")
    first = other.receive()
    one.send(b"other")
    other.receive()
    assert first == (b"first", ())


def test_the_longest_message_passes_unread(pair: Pair) -> None:
    one, other = pair
    message = os.urandom(LIMIT)
    assert one.try_send(message)
    assert one.try_send([message[:1000], message[1000:]])
    assert other.receive() == (message, ())
    assert other.receive() == (message, ())


@pytest.mark.parametrize("message", [b"", [], [b""], bytes(LIMIT + 1), [bytes(LIMIT), b"x"]])
def test_empty_and_too_long_messages_are_refused(pair: Pair, message: bytes) -> None:
    one, other = pair
    for send in (one.send, one.try_send):
        with pytest.raises(ValueError, match="a link takes 1 to 200000: split"):
            send(message)
    assert other.try_receive() is None


def test_a_message_longer_than_wanted_is_said_to_be_lost(pair: Pair) -> None:
    one, other = pair
    before = _descriptors()
    one.send(bytes(11), [one.fileno()])
    one.send(b"next")
    with pytest.raises(RemoteProtocolError, match="a message of more than 10 bytes came over a link; it is lost"):
        other.receive(10)
    assert _descriptors() == before
    assert other.receive(10) == (b"next", ())
    for nonsense in (0, LIMIT + 1):
        with pytest.raises(ValueError, match="takes 1 to 200000"):
            other.receive(nonsense)


def test_descriptors_travel(pair: Pair) -> None:
    one, other = pair
    end, begin = os.pipe()
    one.send([b"pi", b"pe"], [begin, end])
    one.send(b"none")
    os.close(begin)
    received = other.receive()
    assert received is not None
    assert received.data == b"pipe"
    begin_there, end_there = received.fds
    assert not os.get_inheritable(begin_there)
    os.write(begin_there, b"through")
    assert os.read(end, 100) == b"through"
    for fd in (begin_there, end_there, end):
        os.close(fd)
    assert other.receive() == (b"none", ())


def test_as_many_descriptors_as_the_kernel_takes(pair: Pair) -> None:
    one, other = pair
    before = _descriptors()
    one.send(b"x", [one.fileno()] * MAX_FDS)
    received = other.receive()
    assert received is not None
    assert len(set(received.fds)) == MAX_FDS
    for fd in received.fds:
        os.close(fd)
    assert _descriptors() == before
    with pytest.raises(ValueError, match="254 descriptors with one message"):
        one.send(b"x", [one.fileno()] * (MAX_FDS + 1))


def test_descriptors_beyond_this_processs_limit_are_said_to_be_lost() -> None:
    ours, theirs = Link.pair()

    def receive_with_few() -> None:
        ours.close()
        opened = _descriptors()
        lowest_free = os.dup(0)
        os.close(lowest_free)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 3, before[1]))
        try:
            theirs.receive()
        except RemoteProtocolError as error:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            theirs.send(f"{error} {_descriptors() - opened}".encode())

    with ours, forked(receive_with_few):
        theirs.close()
        ours.send(b"x", [ours.fileno()] * 200)
        received = ours.receive()
    assert received is not None
    assert received.data.startswith(b"more descriptors than this process may open")
    assert received.data.endswith(b"it is lost 0")


def test_a_link_travels_and_serves_where_it_arrives(pair: Pair) -> None:
    one, other = pair
    here, there = Link.pair()
    one.send(b"yours", [there.fileno()])
    there.close()
    received = other.receive()
    assert received is not None
    with here, Link(received.fds[0]) as arrived:
        arrived.send(b"hello")
        assert here.receive() == (b"hello", ())


def test_nothing_ready_is_not_the_end(pair: Pair) -> None:
    one, other = pair
    assert other.try_receive() is None
    assert not other.is_ended
    one.send(b"last")
    one.close()
    assert other.try_receive() == (b"last", ())
    assert not other.is_ended
    assert other.try_receive() is None
    assert other.receive() is None
    assert [other.is_ended] == [True]


def test_what_was_sent_before_an_end_arrives_though_the_other_left_messages_unread(pair: Pair) -> None:
    one, other = pair
    other.send(b"never read")
    for k in range(3):
        one.send(b"%d" % k)
    one.close()
    assert [other.receive() for _ in range(4)] == [(b"0", ()), (b"1", ()), (b"2", ()), None]


@pytest.mark.parametrize("is_unread", [False, True])
def test_sending_to_one_who_has_gone(pair: Pair, is_unread: bool) -> None:
    one, other = pair
    one.send(b"before")
    if is_unread:
        other.send(b"never read")
    one.close()
    for send in (other.send, other.try_send, other.send):
        with pytest.raises(BrokenPipeError):
            send(b"x")
    assert other.receive() == (b"before", ())
    assert other.receive() is None


def test_an_end_that_reads_nothing_never_holds_its_sender_for_ever(pair: Pair) -> None:
    one, other = pair
    sent = 0
    while one.try_send(b"x"):
        sent += 1
    with pytest.raises(TimeoutError, match=r"took nothing for 0\.05 s"):
        one.send(b"x")
    assert other.receive() is not None
    one.send(b"y")
    assert [other.receive() for _ in range(sent)][-1] == (b"y", ())


@pytest.mark.parametrize("nbytes", [1, 64, 500, 1000, 4000, 8000, 16_000, 17_000, 33_000, 70_000, 163_840, LIMIT])
def test_with_no_more_credits_than_room_sending_never_waits(pair: Pair, nbytes: int) -> None:
    for sender, receiver in (pair, pair[::-1]):  # both ways at once
        mine = Credits(sender.room(nbytes))
        for _ in range(3):
            while mine.take():
                assert sender.try_send(bytes(nbytes))
            half = (mine.in_flight + 1) // 2
            for _ in range(half):
                assert receiver.try_receive() is not None
            mine.give(half)
    assert pair[0].room(64) > 280
    assert pair[0].room(LIMIT) >= 2


def test_a_killed_process_is_noticed_after_all_it_sent() -> None:
    ours, theirs = Link.pair()

    def send_and_wait() -> None:
        ours.close()
        theirs.send(b"one")
        theirs.send(b"two")
        theirs.receive()
        theirs.receive()

    with ours, forked(send_and_wait) as pid, select.epoll() as poller:
        theirs.close()
        poller.register(ours.fileno(), select.EPOLLIN)
        assert poller.poll(30)
        assert ours.receive() == (b"one", ())
        assert ours.receive() == (b"two", ())
        assert ours.try_receive() is None
        kill(pid)
        assert poller.poll(30)
        assert ours.try_receive() is None
        assert ours.is_ended


def test_a_death_ends_a_wait_for_room() -> None:
    ours, theirs = Link.pair(patience_s=30)
    while ours.try_send(b"x"):
        pass
    go_begin, go_end = os.pipe()
    sender = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/stat")

    def die_while_it_waits() -> None:
        ours.close()
        os.read(go_begin, 1)
        while sender.read_text().rpartition(")")[2].split()[0] != "S":
            os.sched_yield()

    with ours, forked(die_while_it_waits):
        theirs.close()
        os.write(go_end, b"!")
        with pytest.raises(BrokenPipeError):
            ours.send(b"x")
        assert ours.receive() is None
    os.close(go_begin)
    os.close(go_end)


def test_another_socket_is_no_link() -> None:
    one, other = socket.socketpair()
    with one, other, pytest.raises(PenstockError, match="a link needs a SOCK_SEQPACKET"):
        Link(one)


def test_a_machine_with_small_buffers_is_told_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _descriptors()
    monkeypatch.setattr(seqpacket, "_BUFFER", 50_000)
    with pytest.raises(PenstockError, match=r"99968 bytes at once, and 200000 are needed; as root: sysctl -w net"):
        Link.pair()
    assert _descriptors() == before


def test_closing_twice_is_closing_once(pair: Pair) -> None:
    one, _ = pair
    one.close()
    one.close()
    assert one.fileno() == -1
