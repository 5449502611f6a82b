"""Everybody who takes part in a run, as the event builder has them: heard, told, and forgotten when they have gone."""

import select

from penstock.services.peer import Peer
from penstock.wire.envelopes import Envelope

__all__ = ["Peers"]


class Peers:
    """The processes of one run.

    Parameters
    ----------
    epoll
        Where those are waited for who may say something; the caller's.
    """

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self.by_name: dict[str, Peer] = {}
        self.by_fd: dict[int, Peer] = {}
        """Those who may say something, by the descriptor of their link."""
        self._wanting: set[int] = set()
        """Links on which something waits for room."""

    def enter(self, peer: Peer) -> None:
        """Listen to a process."""
        self.by_fd[peer.link.fileno()] = peer
        self.by_name[peer.name] = peer
        self._epoll.register(peer.link.fileno(), select.EPOLLIN)

    def leave_off(self, peer: Peer) -> None:
        """Listen no more to a process that says nothing more; it stays known by its name."""
        fd = peer.link.fileno()
        if fd in self.by_fd:
            self._epoll.unregister(fd)
            del self.by_fd[fd]
            self._wanting.discard(fd)  # the next one with this number waits for nothing yet

    def forget(self, peer: Peer) -> None:
        """Know a process no more, unless its name is another's by now."""
        if self.by_name.get(peer.name) is peer:
            del self.by_name[peer.name]
        self.leave_off(peer)

    def say(self, envelope: Envelope) -> None:
        """Say something to everybody, with the next ``flush``."""
        for peer in self.by_name.values():
            peer.say(envelope)

    def flush(self) -> None:
        """Send what was said, as far as there is room; for the rest, wait until there is some."""
        for peer in self.by_name.values():
            if peer.has_more:
                peer.flush()
                if peer.has_unsent or self._wanting:
                    self._want_room(peer)

    def close(self) -> None:
        """Close this end of all links."""
        for peer in self.by_name.values():
            peer.close()

    def _want_room(self, peer: Peer) -> None:
        fd = peer.link.fileno()
        if fd in self.by_fd and peer.has_unsent != (fd in self._wanting):
            self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if peer.has_unsent else 0))
            (self._wanting.add if peer.has_unsent else self._wanting.discard)(fd)
