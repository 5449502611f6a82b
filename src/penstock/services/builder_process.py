"""The event builder's process: joins, dispatchers, resequencers and the books of one run, in one thread.

It moves descriptors and answers for slots. It never runs user code, never waits for anybody, and reads of payload
nothing but numbers and times.
"""

import select
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.core import NS_PER_S, Ledger
from penstock.core.log_records import MapSet, Ticked
from penstock.core.map_addition import MapAddition
from penstock.core.number_watch import NumberWatch
from penstock.core.run import Outcome, RunState
from penstock.core.trigger_map import TriggerMap
from penstock.errors import PenstockError, RemoteProtocolError
from penstock.formats.event_log import EventLogReader
from penstock.monitor.edge_watch import Watches
from penstock.services.blob import read_blob
from penstock.services.builder_course import BuilderCourse
from penstock.services.builder_log import BuilderLog
from penstock.services.builder_report import BuilderReport
from penstock.services.builder_staffing import BuilderStaffing
from penstock.services.changed_views import ChangedViews
from penstock.services.closing import Closing
from penstock.services.end_watch import EndWatch
from penstock.services.join_clocks import JoinClocks
from penstock.services.merge_room import MergeRoom, merged_traits
from penstock.services.orders import BuilderOrder, StageOrder
from penstock.services.parameter_changes import ParameterChanges
from penstock.services.peer import Peer
from penstock.services.peers import Peers
from penstock.services.pool_register import PoolRegister
from penstock.services.progress import Progress
from penstock.services.remote_fold import RemoteFold
from penstock.services.remote_map import RemoteMap
from penstock.services.remote_sources import RemoteSources
from penstock.services.remote_stage import Floor, RemoteStage
from penstock.services.remote_stages import RemoteStages
from penstock.services.repeated_run import RepeatedRun
from penstock.services.settled_join import SettledJoin, joined_plan
from penstock.services.supervisor_line import SupervisorLine
from penstock.services.wiring import Wiring
from penstock.transport.malloc import KEPT_BYTES, prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.wire import envelopes as wire
from penstock.wire import supervision as say
from penstock.wire.values import decode_value

__all__ = ["BuilderProcess", "run"]

MOST_ROUNDS = 8
"""How often it listens before it goes on with what it has heard."""
OF_STAGES = frozenset(
    {
        wire.Part,
        wire.Yielded,
        wire.BroughtOut,
        wire.Raised,
        wire.Done,
        wire.Folded,
        wire.Saved,
        wire.Flagged,
        wire.Failed,
    }
)
"""What the processes of stages and sinks say of what they were given."""


class BuilderProcess:
    """Everything that is decided in one run.

    It puts together who decides what, and hands every word on to whom it is for.

    Parameters
    ----------
    order
        The run's.
    fds
        The link to the supervisor, the page of progress, the file of the event log, if there is to be one, and what was
        formed in the run that is replayed, if one is.
    """

    def __init__(self, order: BuilderOrder, fds: Sequence[int]) -> None:
        self._order = order
        self._supervisor = SupervisorLine(fds[0])
        self._progress = Progress(fds[1])
        self._log_fd = fds[2] if order.event_log else None
        self._formed_fd = fds[-1] if order.replay is not None else None
        self._epoll = select.epoll()
        self._epoll.register(self._supervisor.fileno(), select.EPOLLIN)
        self._began_ns = time.monotonic_ns()
        self._beat_ns = round(order.beat_s * NS_PER_S)
        self._course = BuilderCourse()
        self._state = RunState(order.run)
        self._ledger = Ledger()
        self._peers = Peers(self._epoll)
        self._wiring = Wiring(order)
        self._memory = PoolRegister(self._peers.by_name, self._wiring.readers())
        self._views = ChangedViews()
        self._floor = Floor(
            custody=self._memory.custody, ledger=self._ledger, state=self._state, kill=self._kill,
            changed=self._views.note, fail=self._fail,
        )  # fmt: skip
        self._remote_sources = RemoteSources(
            order.sources, self._ledger, self._memory.custody, self._course, self._state,
            tell=self._supervisor.tell, fail=self._fail, is_held=order.is_held,
        )  # fmt: skip
        self._sources = self._remote_sources.by_name
        self._merges: dict[str, MergeRoom] = {}
        self._joins: dict[str, SettledJoin] = {}
        self._remote_stages = RemoteStages(self._course, self._kill)
        self._stages = self._remote_stages.by_name
        self._outputs: dict[str, str] = {}
        self._clocks = JoinClocks(self._stages, self._memory.custody)
        self._log = BuilderLog(order)
        self._closing = Closing(self._course, self._state, self._ledger, self._peers)

    def live(self) -> None:
        """Work until the run is over and reported, or the supervisor has gone."""
        prefer_reuse(KEPT_BYTES)
        try:
            self._build()
            while not (self._course.has_ended or self._supervisor.has_gone):
                self._turn()
        finally:
            self._peers.close()
            self._log.close(is_over=self._course.has_ended)
            self._epoll.close()
            self._supervisor.close()
            self._progress.close()

    def _build(self) -> None:
        order = self._order
        records = [] if self._formed_fd is None else list(EventLogReader(read_blob(self._formed_fd)))
        self._repeated = repeated = RepeatedRun(order, records)
        self._log.open(self._log_fd, repeated)
        self._floor.log = self._log.log
        self._maps = {name: TriggerMap.of_tables(tables) for name, tables in decode_value(order.maps).items()}
        for merge in order.merges:
            self._merges[merge.name] = repeated.merge(merge, self._ledger, self._floor.log)
        # The books are opened in the order of the pipeline; joins follow when instruments have said what they are.
        for join in order.joins:
            for stream in join.streams:
                self._ledger.entry(stream, join.name)
        for stage in order.stages:
            self._remote_stages.add_stage(self._new_stage(stage), is_held=order.is_held)
        for sink in order.sinks:
            self._remote_stages.add_sink(RemoteFold(sink, self._floor))
        self._changes = ParameterChanges(
            wiring=self._wiring, sources=self._sources, merges=self._merges, joins=self._joins, stages=self._stages,
            join_names=[join.name for join in order.joins], kept_ids=repeated.kept_ids,
            by_stage=repeated.changes([stage.name for stage in order.stages]),
        )  # fmt: skip
        self._end = EndWatch(
            self._course, self._state, self._wiring, sources=self._sources, joins=self._joins, stages=self._stages,
            stop=self._stop_reading, silent_s=order.silent_s, reads_all=repeated.is_all, is_held=order.is_held,
        )  # fmt: skip
        by_load = ((self._stages[stage.name], stage.limits) for stage in order.stages if stage.limits is not None)
        self._staffing = BuilderStaffing(
            [(stage, limits) for stage, limits in by_load if isinstance(stage, RemoteMap)], self._peers.by_name,
            tell=self._supervisor.tell, leave=self._remote_stages.leave,
        )  # fmt: skip
        self._report = BuilderReport(
            order=order, began_ns=self._began_ns, course=self._course, state=self._state, ledger=self._ledger,
            watches=Watches(self._ledger), floor=self._floor, memory=self._memory, peers=self._peers.by_name,
            sources=self._sources, joins=self._joins, stages=self._stages, staffing=self._staffing,
            outputs=self._outputs,
        )  # fmt: skip

    def _new_stage(self, order: StageOrder) -> RemoteStage:
        if order.kind == "reduce":
            return RemoteFold(order, self._floor)
        made = RemoteMap(order, self._maps, self._floor)
        self._repeated.cut(made)
        return made

    def _turn(self) -> None:
        self._progress.beat()
        ready = self._epoll.poll(0) or self._epoll.poll(self._wait_s(time.monotonic_ns()))
        for _ in range(MOST_ROUNDS):
            now = time.monotonic_ns()
            for fd, _ in ready:
                peer = self._peers.by_fd.get(fd)
                if peer is not None:
                    self._hear(peer, now)
                elif fd == self._supervisor.fileno():
                    self._supervisor.hear(self._do)
            # To ask once whether anybody has said more costs less than to ask everybody.
            ready = self._epoll.poll(0)
            if not ready:
                break
        self._advance()

    def _wait_s(self, now: int) -> float:
        """Return for how long nothing needs to be done, in s, unless somebody says something."""
        due = [self._clocks.wait_until(now + self._beat_ns), self._views.due_ns, self._log.due_ns(now)]
        if self._course.is_closing:
            due.append(self._closing.due_ns)
        else:
            due.append(self._end.due_ns)
            if self._course.is_going and not self._course.is_ending:
                due.append(self._staffing.due_ns)
        return max(0.0, (min(moment for moment in due if moment is not None) - now) / NS_PER_S)

    # What the supervisor says.

    def _do(self, word: Any, fds: list[int]) -> None:
        match word:
            case say.Enter(name, of, role):
                peer = Peer(name, of, role, Link(fds.pop(0)), Progress(fds.pop(0)))
                self._peers.enter(peer)
                self._closing.tell(peer)
            case say.Leave(name) if name in self._peers.by_name:
                self._remote_stages.leave(self._peers.by_name[name])
            case say.Leave():
                pass  # it had died, which the supervisor knows by now
            case say.Go():
                self._go()
            case say.Extend(number, join):
                self._extend(number, join, fds.pop(0))
            case say.Gone(name, text, is_replaced):
                self._was_lost(name, text, is_replaced)
            case _:
                self._follow(word)

    def _follow(self, word: Any) -> None:
        """Do what somebody commanded."""
        match word:
            case say.SetParameters(number, revision, values):
                told, firsts = self._changes.set(revision, values)
                self._log.note_parameters(revision, told, values, firsts)
                self._supervisor.tell(say.WasSet(number, told))
            case say.Hold(name, is_held):
                self._hold(name, is_held)
            case say.Discard(number):
                self._supervisor.tell(say.Discarded(number, self._remote_stages.discard(time.monotonic_ns())))
            case say.Renew(name):
                peer = self._peers.by_name.get(name)
                if peer is not None and peer.role != "source":
                    self._remote_stages.renew(peer)
            case say.Pin(stage, workers):
                self._staffing.pin(stage, workers)
            case say.Drain(reason, outcome):
                if outcome:
                    self._state.mark(Outcome(outcome), reason)
                self._stop_reading()
            case say.Abort(reason, outcome):
                self._state.mark(Outcome(outcome), reason)
                self._finish()
                if self._state.prospect is Outcome.ABORTED:
                    self._closing.hurry(time.monotonic_ns())
            case say.Asked(number):
                self._supervisor.tell(say.Status(number, self._packed_report()))

    def _go(self) -> None:
        order = self._order
        traits = {name: source.traits for name, source in self._sources.items()}
        joined = {stream for join in order.joins for stream in join.streams}
        for name, source in self._sources.items():
            if source.traits.number and name not in joined:
                source.watch = NumberWatch(source.entry, source.traits)
        for merge in order.merges:
            if not all(stream in traits for stream in merge.streams):
                continue  # of results, which no join reads
            traits[merge.name] = merged_traits([traits[stream] for stream in merge.streams])
        for join in order.joins:
            self._joins[join.name] = room = SettledJoin(
                joined_plan(join), traits, self._ledger, self._maps.get(join.name), self._floor.log,
                self._repeated.join(join.name),
            )  # fmt: skip
            room.custody = self._memory.custody
            self._clocks.add(room, [self._sources[name] for name in self._wiring.sources_of(join.streams)])
        self._clocks.look_anew(time.monotonic_ns())
        if trouble := self._log.note_traits(traits):
            self._state.mark(Outcome.FAILED, trouble)
        self._remote_sources.note_missed(self._repeated.missed)
        self._wiring.connect({**self._sources, **self._joins, **self._merges, **self._stages})
        self._course.is_going = True
        self._remote_sources.begin()

    def _hold(self, name: str, is_held: bool) -> None:
        """Let a source or a stage take nothing more in, or go on; once the end is near, nobody is held."""
        if self._course.is_ending:
            return
        now = time.monotonic_ns()
        self._remote_sources.hold(name, is_held=is_held)
        self._remote_stages.hold(name, is_held=is_held)
        self._end.note_hold(now)
        self._clocks.look_anew(now)

    def _extend(self, number: int, join: str, fd: int) -> None:
        problem = ""
        try:
            table = read_blob(fd)
            addition = MapAddition.of_table(decode_value(table))
            self._log.append(MapSet(join=join, table=table, is_addition=True))
            self._joins[join].extend(addition, time.monotonic_ns())
        except PenstockError as error:
            problem = str(error)
        self._supervisor.tell(say.Extended(number, problem))

    # What processes say.

    def _hear(self, peer: Peer, now: int) -> None:
        for envelope, fds in peer.hear(most=1):
            self._take(peer, envelope, fds, now)
        if peer.is_ended:  # whether it should have gone, and how, the supervisor says
            self._peers.leave_off(peer)
            if peer.is_closed:
                self._bury(peer)

    def _take(self, peer: Peer, envelope: Any, fds: Sequence[int], now: int) -> None:
        # Nearly everything is said by sources of what they read, or by stages of what they were given.
        kind = type(envelope)
        if kind is wire.Read:
            peer.worked_ns = now
            if self._sources[peer.of].hear(envelope, now):
                self._end.hear(now)
        elif kind in OF_STAGES:
            peer.worked_ns = now
            if not self._course.is_settled:  # behind that, what was under way is in the books as aborted
                self._stages[peer.of].hear(peer, envelope, now)
            elif kind is wire.Saved:
                self._views.note(peer.of, envelope.version)
        else:
            self._take_rest(peer, envelope, fds, now)

    def _take_rest(self, peer: Peer, envelope: Any, fds: Sequence[int], now: int) -> None:
        match envelope:
            case wire.PoolMade():
                self._memory.made(peer, envelope, fds[0])
            case wire.PoolGone(name, generation):
                self._memory.gone(peer, name, generation)
            case wire.Ready():
                self._ready(peer, envelope, now)
            case wire.Broken(text, note):
                self._broke(peer, text, note)
            case wire.Closed():
                self._closed(peer, envelope)
            case wire.TickTold(now_ns, after, flags, step):
                self._log.append(
                    Ticked(stage=peer.of, worker=peer.name, now_ns=now_ns, after=after, flags=flags, step=step)
                )
            case wire.Obeyed():
                self._sources[peer.of].obey()
            case wire.Opened(is_file):
                self._remote_sources.opened(peer, is_file=is_file)
            case _:
                raise RemoteProtocolError(f"{peer.name} said {type(envelope).__name__}, which is not for the builder")

    def _broke(self, peer: Peer, text: str, note: wire.Note | None) -> None:
        """End the run, or a recording alone: something of a process cannot be made, or goes no further."""
        self._floor.note(note)
        recorder = self._remote_stages.recorder(peer) if self._course.is_going else None
        if recorder is not None:
            recorder.end_recording(f"the recording of {peer.of} ends: {text}")
            return
        self._supervisor.tell(say.Broke(peer.name, text, note))
        self._state.mark(Outcome.FAILED, text)
        self._fail(text)

    def _closed(self, peer: Peer, last: wire.Closed) -> None:
        peer.is_closed = True
        if last.output:
            self._outputs[peer.of] = last.output
        if last.trouble:
            self._state.mark(Outcome.FAILED, last.trouble)
            self._floor.note(last.note)
        self._supervisor.tell(say.Left(peer.name, last.context))

    def _ready(self, peer: Peer, ready: wire.Ready, now: int) -> None:
        peer.is_ready, peer.keeps_state = True, ready.keeps_state
        if peer.role == "source":
            self._remote_sources.enter(peer, ready)
        else:
            self._changes.tell(peer)
            self._memory.introduce(peer)
            self._remote_stages.enter(peer, ready, now)
        self._supervisor.tell(say.Entered(peer.name, ready.keeps_state))

    def _was_lost(self, name: str, text: str, is_replaced: bool) -> None:
        """Take back what a process had whose death the supervisor tells."""
        peer = self._peers.by_name.get(name)
        if peer is None:
            return
        now = time.monotonic_ns()
        while not peer.is_ended:  # what it said before it died lies here
            heard = peer.hear()
            for envelope, fds in heard:
                self._take(peer, envelope, fds, now)
            if not heard and not peer.is_ended:
                break
        if peer.role == "source":
            self._remote_sources.lose(peer, text, now, is_replaced=is_replaced)
        else:
            self._remote_stages.lose(peer, text, now, is_replaced=is_replaced)
        self._bury(peer)

    def _bury(self, peer: Peer) -> None:
        self._peers.forget(peer)
        self._memory.bury(peer)
        peer.close()

    # What follows.

    def _advance(self) -> None:
        now = time.monotonic_ns()
        course = self._course
        self._clocks.look(now)
        if course.is_going and not course.is_closing:
            self._remote_stages.advance(now)
        # Whoever waits for work or for slots is told before anything else is seen to.
        self._memory.give_back()
        self._remote_sources.tell_settled()
        self._peers.flush()
        if course.is_closing:
            self._look_for_closed(now)
        elif course.is_going:
            self._remote_stages.watch(now)
            if not course.is_ending:
                self._staffing.look(now)
            self._remote_stages.let_go(now)
            if self._end.is_over(now):
                self._finish()
        if changed := self._views.take_due(now):
            self._supervisor.tell(*changed)
        self._peers.flush()
        self._log.flush()
        self._report.watches.look(now)

    def _stop_reading(self) -> None:
        """Read nothing more, and form what can be formed."""
        now = time.monotonic_ns()
        self._course.is_stopping = True
        self._remote_sources.release()
        self._remote_stages.release()
        self._clocks.look_anew(now)
        self._remote_sources.stop(now)
        for join in self._joins.values():
            if not join.builder.is_finished:
                join.complete_map(now)

    def _fail(self, text: str) -> None:
        """Bring out what stands before the failure, and end."""
        self._course.is_failing = True
        self._stop_reading()
        if not self._course.is_going:
            self._finish()

    def _finish(self) -> None:
        """Close the books, and let everybody close."""
        if not self._course.is_closing:
            self._remote_sources.tell_settled()
            self._closing.begin(self._sources, self._joins, time.monotonic_ns())

    def _look_for_closed(self, now: int) -> None:
        if not self._closing.is_done(now):
            return
        if changed := self._views.take(now):
            self._supervisor.tell(*changed)
        self._log.end(self._state)
        self._course.has_ended = True
        self._supervisor.tell(say.Finished(self._packed_report()))

    def _kill(self, name: str, why: str) -> None:
        self._supervisor.tell(say.Kill(name, why))

    def _packed_report(self) -> msgspec.Raw:
        return msgspec.Raw(msgspec.msgpack.encode(self._report.write(time.monotonic_ns())))


def run(order: BuilderOrder, fds: Sequence[int]) -> None:
    """Be the event builder."""
    BuilderProcess(order, fds).live()
