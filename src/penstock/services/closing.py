"""The closing of a run in its event builder: the books first, then everybody."""

from collections.abc import Mapping
from typing import Final

from penstock.core import Ledger
from penstock.core.run import Outcome, RunState
from penstock.services.builder_course import BuilderCourse
from penstock.services.judge import judge, settle
from penstock.services.peer import Peer
from penstock.services.peers import Peers
from penstock.services.remote_source import RemoteSource
from penstock.services.settled_join import SettledJoin
from penstock.wire.envelopes import Close

__all__ = ["ABORT_NS", "CLOSE_NS", "Closing"]

CLOSE_NS: Final = 10_000_000_000
"""How long processes may need to close."""
ABORT_NS: Final = 500_000_000
"""The same when everything is to end at once."""


class Closing:
    """Closes the books of a run, has everybody close, and says when they have.

    Parameters
    ----------
    course, state, ledger, peers
        Of the run.
    """

    def __init__(self, course: BuilderCourse, state: RunState, ledger: Ledger, peers: Peers) -> None:
        self._course, self._state, self._ledger, self._peers = course, state, ledger, peers
        self._joins: Mapping[str, SettledJoin] = {}
        self._word: Close | None = None
        """What everybody was told."""
        self._close_by_ns = 1 << 62

    @property
    def due_ns(self) -> int:
        """When whoever has not closed is late."""
        return self._close_by_ns

    def begin(self, sources: Mapping[str, RemoteSource], joins: Mapping[str, SettledJoin], now: int) -> None:
        """Tell everybody to close; before that close the books, unless what is under way may be brought out yet."""
        self._course.is_closing = True
        self._close_by_ns = now + CLOSE_NS
        self._joins = joins
        for source in sources.values():
            if source.trouble:
                self._state.mark(Outcome.INCOMPLETE, source.trouble)
            if self._course.is_going:
                source.remark_silence()
        for join in joins.values():
            if not join.builder.is_finished:
                join.builder.abort()
        if self._state.prospect not in (Outcome.ABORTED, Outcome.FAILED):
            self._settle()
        outcome = self._state.prospect
        why = "; ".join(self._state.reasons)
        self._word = Close(outcome is Outcome.FINISHED, str(outcome), why, self._ledger.rows())
        self._peers.say(self._word)

    def hurry(self, now: int) -> None:
        """Give everybody little time only."""
        self._close_by_ns = min(self._close_by_ns, now + ABORT_NS)

    def tell(self, peer: Peer) -> None:
        """Let a process close that was started before the end was known."""
        if self._word is not None:
            peer.say(self._word)

    def is_done(self, now: int) -> bool:
        """Whether everybody has closed, or had the time to; then the books are closed too."""
        late = [
            peer.name
            for peer in self._peers.by_name.values()
            if peer.role != "source" and peer.is_ready and not peer.is_closed
        ]
        if late and now < self._close_by_ns:
            return False
        if late and self._state.prospect is not Outcome.ABORTED:
            self._state.mark(Outcome.FAILED, f"{', '.join(late)} did not close in time")
        if not self._course.is_settled:
            self._settle()
        return True

    def _settle(self) -> None:
        """Close the books: from now on nothing that comes changes them."""
        self._course.is_settled = True
        settle(self._ledger, self._state)
        judge(self._ledger, self._state, {name: join.builder for name, join in self._joins.items()})
