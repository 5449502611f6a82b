"""All stages and sinks of a run as the event builder sees them: who is held, who leaves, who hangs, who has died."""

from collections.abc import Callable
from typing import Final

from penstock.services.builder_course import BuilderCourse
from penstock.services.peer import Peer
from penstock.services.remote_fold import RemoteFold
from penstock.services.remote_map import RemoteMap
from penstock.services.remote_stage import RemoteStage
from penstock.wire.envelopes import Close, Ready
from penstock.wire.supervision import RESTARTED

__all__ = ["WATCH_NS", "RemoteStages"]

WATCH_NS: Final = 250_000_000
"""How often at most it looks for who hangs; deadlines are of seconds."""


class RemoteStages:
    """The stages and sinks of one run.

    Parameters
    ----------
    course
        Of the run.
    kill
        Has a process killed, and says why.
    """

    def __init__(self, course: BuilderCourse, kill: Callable[[str, str], None]) -> None:
        self.by_name: dict[str, RemoteStage] = {}
        self._course, self._kill = course, kill
        self._holdable: list[RemoteStage] = []
        self._leaving: set[RemoteMap] = set()
        """Those of which workers were to leave."""
        self._watched_ns = 0

    def add_stage(self, stage: RemoteStage, *, is_held: bool) -> None:
        """Have a stage, which can be held."""
        self.by_name[stage.name] = stage
        self._holdable.append(stage)
        stage.is_held = is_held

    def add_sink(self, sink: RemoteStage) -> None:
        """Have a sink of items; it takes whatever comes."""
        self.by_name[sink.name] = sink

    def enter(self, peer: Peer, ready: Ready, now: int) -> None:
        """Let a process that is ready take part."""
        stage = self.by_name[peer.of]
        stage.renumbers |= ready.renumbers
        stage.enter(peer, now)

    def hold(self, name: str, *, is_held: bool) -> None:
        """Let a stage take nothing more in, or go on; with an empty name, all of them."""
        for stage in self._holdable:
            if name in ("", stage.name):
                stage.is_held = is_held

    def release(self) -> None:
        """Hold nobody any more: what has come would wait for ever."""
        for stage in self.by_name.values():
            stage.is_held = False

    def discard(self, now: int) -> int:
        """Give up what was given to no process; return how many items that were."""
        return sum(stage.discard(now) for stage in self.by_name.values())

    def renew(self, peer: Peer) -> None:
        """Have a process replaced, if nothing is lost by it."""
        stage = self.by_name[peer.of]
        if stage.can_renew(peer):
            peer.is_renewed = True
            self._kill(peer.name, RESTARTED)
        else:
            for entry in stage.entries.values():
                entry.remark("not restarted", f"{peer.name} keeps something that a successor would not have")

    def leave(self, peer: Peer) -> None:
        """Let a worker go that has done what it has; one that is not ready yet goes when it is."""
        peer.is_leaving = True
        stage = self.by_name[peer.of]
        assert isinstance(stage, RemoteMap), "only workers leave"
        self._leaving.add(stage)
        if peer.name in stage.peers:
            stage.leave(peer.name)

    def lose(self, peer: Peer, why: str, now: int, *, is_replaced: bool) -> None:
        """Take back what a process had that has died, unless it had closed.

        Parameters
        ----------
        is_replaced
            Whether another one follows.
        """
        if peer.is_closed or not (peer.is_ready or self.recorder(peer) is not None):
            return
        stage = self.by_name[peer.of]
        stage.lose(peer, why, now, is_replaced=is_replaced)
        if not is_replaced and stage.peers and not self._course.is_closing:
            for entry in stage.entries.values():
                entry.remark("given up", f"{why}; the others do its work")

    def recorder(self, peer: Peer) -> RemoteFold | None:
        """Return what a process records for, if it does."""
        stage = self.by_name.get(peer.of)
        return stage if isinstance(stage, RemoteFold) and stage.takes_blocks else None

    def advance(self, now: int) -> None:
        """Give out what can be given out."""
        for stage in self.by_name.values():
            stage.advance(now)

    def watch(self, now: int) -> None:
        """Have processes killed that hang, looking for them now and then."""
        if now - self._watched_ns >= WATCH_NS:
            self._watched_ns = now
            for stage in self.by_name.values():
                stage.watch(now)

    def let_go(self, now: int) -> None:
        """Let those close that were to leave and have nothing more."""
        for stage in self._leaving:
            for peer in stage.left(now):
                peer.say(Close())
