"""All sources of a run as the event builder sees them: who reads, who is left alone, what goes on without one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from penstock.core import Ledger
from penstock.core.run import Outcome, RunState
from penstock.services.builder_course import BuilderCourse
from penstock.services.custody import Custody
from penstock.services.peer import Peer
from penstock.services.remote_source import RemoteSource
from penstock.services.resumed_run import missed_text
from penstock.wire import envelopes as wire
from penstock.wire.supervision import GaveUp

__all__ = ["RemoteSources"]


class RemoteSources:
    """The sources of one run.

    Parameters
    ----------
    names
        Theirs, in the order of the pipeline.
    course, state
        Of the run.
    tell
        Says something to the supervisor.
    fail
        Ends the run, with a reason.
    is_held
        Whether their instruments are to be left alone from the beginning.
    """

    def __init__(
        self,
        names: Iterable[str],
        ledger: Ledger,
        custody: Custody,
        course: BuilderCourse,
        state: RunState,
        *,
        tell: Callable[[Any], None],
        fail: Callable[[str], None],
        is_held: bool = False,
    ) -> None:
        self.by_name = {name: RemoteSource(name, ledger, custody) for name in names}
        self._course, self._state = course, state
        self._tell, self._fail = tell, fail
        self._is_reading = False
        for source in self.by_name.values():
            source.is_held = is_held

    def opened(self, peer: Peer, *, is_file: bool) -> None:
        """Learn that a process has opened its instrument; all read once all are open.

        Of a run that cannot begin, nothing is to be found anywhere.
        """
        source = self.by_name[peer.of]
        source.is_file, source.has_opened = is_file, True
        self._let_read()

    def enter(self, peer: Peer, ready: wire.Ready) -> None:
        """Let a process that is ready read, at once if the run has begun."""
        source = self.by_name[peer.of]
        source.enter(peer)
        if ready.traits is not None and not self._course.is_going:
            source.traits = ready.traits
        source.is_repeatable, source.wants_settled = ready.is_repeatable, ready.wants_settled
        if self._course.is_going and source.is_open and not self._course.is_stopping:
            source.begin()

    def begin(self) -> None:
        """Have those read whose process is there."""
        for source in self.by_name.values():
            if source.peer is not None:
                source.begin()

    def note_missed(self, missed: Mapping[str, int]) -> None:
        """Say of a run that goes on what nobody read of instruments that do not repeat it.

        Parameters
        ----------
        missed
            By source, the last message that was kept.
        """
        for name, last_id in missed.items():
            if not self.by_name[name].is_repeatable:
                text = missed_text(name, last_id)
                self.by_name[name].entry.remark("resumed", text)
                self._state.mark(Outcome.INCOMPLETE, text)

    def hold(self, name: str, *, is_held: bool) -> None:
        """Leave the instrument of a source alone, or read it again; with an empty name, all of them."""
        for source in self.by_name.values():
            if name in ("", source.name):
                source.hold(is_held)

    def release(self) -> None:
        """Take it that nobody is held any more."""
        for source in self.by_name.values():
            source.is_held = False

    def stop(self, now: int) -> None:
        """Have nothing more read; a source that nobody reads ends here."""
        for source in self.by_name.values():
            if source.peer is not None and source.is_open:
                source.peer.say(wire.Stop())
            elif source.is_open:
                source.end(now)

    def tell_settled(self) -> None:
        """Tell sources what is accounted for, unless something failed or the end has come, when anything is let go."""
        for source in self.by_name.values():
            settled = source.take_settled() if source.wants_settled else ()
            if settled and source.peer is not None and not self._course.is_failing and not self._course.is_closing:
                source.peer.say(wire.Settled(settled))

    def lose(self, peer: Peer, why: str, now: int, *, is_replaced: bool) -> None:
        """Take it that the process of a source has died.

        Parameters
        ----------
        is_replaced
            Whether another one follows.
        """
        source = self.by_name[peer.of]
        course = self._course
        if course.is_going and source.is_open and not course.is_stopping:
            verdict = source.lose(why, peer.progress.lease)
            if verdict or not is_replaced:
                self._give_up(source, verdict or why, now)
            elif not (source.is_repeatable or source.wants_settled):
                missing = f"{why}: what {peer.of} sent until it was read again is missing"
                self._state.mark(Outcome.INCOMPLETE, missing)
        source.peer = None
        if course.is_stopping or not is_replaced:
            source.end(now)
        self._let_read()

    def _let_read(self) -> None:
        sources = [source for source in self.by_name.values() if source.is_open]
        self._is_reading = self._is_reading or all(source.has_opened for source in sources)
        for source in sources if self._is_reading else ():
            if source.has_opened and source.peer is not None and not source.peer.is_reading:
                source.peer.is_reading = True
                source.peer.say(wire.Go())

    def _give_up(self, source: RemoteSource, why: str, now: int) -> None:
        """Go on without a source that nobody can read, if what it sent is no more to be had anyway and others go on."""
        others = [other for other in self.by_name.values() if other is not source and not other.given_up]
        if source.is_repeatable or source.wants_settled or not others:
            source.given_up = why
            self._state.mark(Outcome.FAILED, why)
            self._fail(why)
            return
        source.give_up(why, now)
        self._state.mark(Outcome.INCOMPLETE, source.given_up)
        self._tell(GaveUp(source.name, why))
