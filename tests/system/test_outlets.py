"""A TCP server waits for its client's greeting, however slowly it comes, and goes on waiting when asked again."""

import socket
from collections.abc import Iterator

import pytest

from penstock.errors import SourceError
from penstock.services.outlets import TcpOutlet

LONG_S = 20.0


@pytest.fixture
def opened(nothing_left_open: None) -> Iterator[TcpOutlet]:
    opened = TcpOutlet("tcp://127.0.0.1:0", b"ab")
    opened.open()
    yield opened
    opened.close(0)


def client(outlet: TcpOutlet) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(outlet.address.rpartition(":")[2])))


def test_a_greeting_may_come_in_pieces_over_several_waits(opened: TcpOutlet) -> None:
    assert not opened.wait(0)
    with client(opened) as slow:
        assert not opened.wait(0.05)
        assert not opened.wait(0)
        slow.sendall(b"a")
        assert not opened.wait(0.05)
        slow.sendall(b"b")
        assert opened.wait(LONG_S)
        assert opened.send([b"hello"], LONG_S)
        assert slow.recv(5) == b"hello"


def test_a_client_that_goes_before_its_greeting_is_named(opened: TcpOutlet) -> None:
    with client(opened) as short:
        short.sendall(b"a")
    with pytest.raises(SourceError, match=r"the client said b'a' where b'ab' is due"):
        opened.wait(LONG_S)
