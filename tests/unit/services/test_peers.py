"""Whom the event builder listens to, and on whose link it waits for room."""

import fcntl
import os
import select
from collections.abc import Iterator

import pytest

from penstock.services.peer import Peer
from penstock.services.peers import Peers
from penstock.services.progress import Progress
from penstock.transport.seqpacket import Link
from penstock.wire.envelopes import Broken, Stop
from tests.unit.services.builder_cases import actors


class Watched:
    """Peers, and who is ready."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.peers = Peers(self.epoll)

    def ready(self) -> dict[int, int]:
        return dict(self.epoll.poll(0))

    def fill(self, peer: Peer) -> None:
        """Say more at once than the link takes."""
        for _ in range(100):
            peer.say(Broken("x" * 60_000))
        self.peers.flush()
        assert peer.has_unsent


@pytest.fixture
def watched() -> Iterator[Watched]:
    found = Watched()
    yield found
    found.epoll.close()


def test_everybody_is_told_and_who_has_gone_is_not_listened_to(watched: Watched) -> None:
    with actors("fit-0", "fit-1") as found:
        for actor in found:
            watched.peers.enter(actor.peer)
        watched.peers.say(Stop())
        watched.peers.flush()
        assert [actor.take(Stop) for actor in found] == [[Stop()], [Stop()]]
        found[0].line.close()
        assert list(watched.ready()) == [found[0].peer.link.fileno()]
        watched.peers.leave_off(found[0].peer)
        assert watched.ready() == {}
        assert list(watched.peers.by_name) == ["fit-0", "fit-1"], "what it had is still to be taken back"
        watched.peers.forget(found[0].peer)
        assert list(watched.peers.by_name) == ["fit-1"]


def test_a_successor_stays_when_its_predecessor_is_forgotten(watched: Watched) -> None:
    with actors("fit-0") as (old,), actors("fit-0") as (new,):
        watched.peers.enter(old.peer)
        watched.peers.enter(new.peer)
        watched.peers.forget(old.peer)
        assert watched.peers.by_name == {"fit-0": new.peer}
        assert watched.peers.by_fd == {new.peer.link.fileno(): new.peer}


def test_room_is_waited_for_also_on_a_link_that_has_the_number_of_one_that_has_gone(watched: Watched) -> None:
    with actors("fit-0") as (old,):
        watched.peers.enter(old.peer)
        watched.fill(old.peer)
        fd = old.peer.link.fileno()
        assert watched.ready() == {}, "nobody has read anything, so there is no room"
        watched.peers.forget(old.peer)
        old.close()
        near, far = Link.pair()
        apart = fcntl.fcntl(near.fileno(), fcntl.F_DUPFD_CLOEXEC, 500)  # it may have got the number by itself
        near.close()
        os.dup2(apart, fd)
        os.close(apart)
        again = Peer("fit-0", "fit", "map", Link(fd), Progress.make("fit-0"))
        watched.peers.enter(again)
        watched.fill(again)
        while again.has_unsent:
            while far.try_receive() is not None:
                pass
            assert watched.ready() == {fd: select.EPOLLOUT}
            watched.peers.flush()
        while far.try_receive() is not None:
            pass
        assert watched.ready() == {}, "nothing waits for room any more"
        far.close()
        again.close()
