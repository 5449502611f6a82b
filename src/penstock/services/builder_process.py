"""The event builder's process: joins, dispatchers, resequencers and the books of one run, in one thread.

It moves descriptors and answers for slots. It never runs user code, never waits for anybody, and reads of payload
nothing but numbers and times.
"""

import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.core import NS_PER_S, Ledger, Timestamp
from penstock.core.log_records import (
    EventsFormed,
    LogRecord,
    MapSet,
    Merged,
    ParametersSet,
    RangeWorked,
    RunEnded,
    RunResumed,
    Ticked,
)
from penstock.core.log_repeats import Said, ended_at
from penstock.core.map_addition import MapAddition
from penstock.core.number_watch import NumberWatch
from penstock.core.replayed_join import RecordedJoin
from penstock.core.run import Outcome, RunState
from penstock.core.states import State
from penstock.core.stream_address import StreamAddress
from penstock.core.trigger_map import TriggerMap
from penstock.errors import PenstockError, RemoteProtocolError
from penstock.formats.event_log import EventLogReader, LogHeader
from penstock.monitor.edge_watch import Watches
from penstock.services.blob import read_blob
from penstock.services.builder_report import report_of
from penstock.services.builder_staffing import BuilderStaffing
from penstock.services.judge import judge, settle
from penstock.services.log_file import LONGEST_S, LogFile, LogOutlet, LogStream, RunLog
from penstock.services.merge_room import MergeRoom, merged_traits
from penstock.services.orders import BuilderOrder, MergeOrder
from penstock.services.peer import Peer
from penstock.services.pool_register import PoolRegister
from penstock.services.progress import Progress
from penstock.services.recording import note_traits
from penstock.services.remote_fold import RemoteFold
from penstock.services.remote_map import RemoteMap
from penstock.services.remote_source import RemoteSource
from penstock.services.remote_stage import Floor, RemoteStage
from penstock.services.replayed_merge import ReplayedMerge
from penstock.services.resumed_run import missed_text
from penstock.services.room_process import FOR_EVER_S
from penstock.services.settled_join import SettledJoin, joined_plan, merged_plan
from penstock.services.wiring import Wiring
from penstock.streams.opened import opened_store
from penstock.streams.store import Store
from penstock.transport.malloc import KEPT_BYTES, prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.wire import envelopes as wire
from penstock.wire import supervision as say
from penstock.wire.values import decode_value, encode_value

__all__ = ["BuilderProcess", "run"]


LINGER_NS = 50_000_000
"""How long it must be silent after the end until a run is over; nothing of a network on one site takes longer."""
MOST_LINGERING = 20
CLOSE_NS = 10_000_000_000
"""How long processes may need to close."""
ABORT_NS = 500_000_000
"""The same when everything is to end at once."""
WATCH_NS = 250_000_000
"""How often at most it looks for who hangs; deadlines are of seconds."""
TICK_NS = 5_000_000
"""How often at least it is seen whether time has run out for something, while there is always something to do."""
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
RECENTLY_NS = 1_000_000_000
"""Who did nothing for so long, and has nothing to do, is waiting."""
CHANGED_NS = 50_000_000
"""How often at most it is told that views have changed."""


class BuilderProcess:
    """Everything that is decided in one run.

    Parameters
    ----------
    order
        The run's.
    fds
        The link to the supervisor, the page of progress, the file of the event log, if there is to be one, and what was
        formed in the run that is replayed, if one is.
    """

    def __init__(self, order: BuilderOrder, fds: Sequence[int]) -> None:
        self.order = order
        self._supervisor = Link(fds[0], patience_s=FOR_EVER_S)
        self._progress = Progress(fds[1])
        self._log_fd = fds[2] if order.event_log else None
        self._formed_fd = fds[-1] if order.replay is not None else None
        self._epoll = select.epoll()
        self._epoll.register(self._supervisor.fileno(), select.EPOLLIN)
        self._started = Timestamp(order.started_ns)
        self.began_ns = time.monotonic_ns()
        self.outputs: dict[str, str] = {}
        """By sink of items, the file that it has written."""
        self.state = RunState(order.run)
        self.ledger = Ledger()
        self.watches = Watches(self.ledger)
        self.peers: dict[int, Peer] = {}
        self.names: dict[str, Peer] = {}
        self._wiring = Wiring(order)
        self.memory = PoolRegister(self.names, self._wiring.readers())
        self.custody = self.memory.custody
        self.floor = Floor(
            custody=self.custody, ledger=self.ledger, state=self.state, kill=self._kill, changed=self._changed,
            fail=self._fail,
        )  # fmt: skip
        self.sources = {name: RemoteSource(name, self.ledger, self.custody) for name in order.sources}
        self.joins: dict[str, SettledJoin] = {}
        self.stages: dict[str, RemoteStage] = {}
        self._log: RunLog | None = None
        self._store: Store | None = None
        self._recorded: dict[str, list[EventsFormed]] = {}
        self._ranges: dict[str, list[RangeWorked]] = {}
        self._turns: dict[str, list[Merged]] = {}
        self._kept_ids: Mapping[str, int] = {}
        """Of a run that goes on, the last message of each source that was kept."""
        self._changes: dict[str, list[wire.Change]] = {}
        """By stage, because what comes from different joins or instruments has different numbers."""
        self._is_going = False
        self._is_reading = False
        self._is_failing = False
        self._is_stopping = False
        self._may_be_held = order.is_held
        """Whether anybody ever was."""
        self._closing_ns: int | None = None
        self._close: wire.Close | None = None
        """What everybody was told at the end."""
        self._close_by_ns = 1 << 62
        self._is_settled = False
        self._linger_ns: int | None = None
        self._lingered = 0
        self._heard_ns: int | None = None
        self._is_finished = False
        self._has_ended = False
        """Whether the run has: not if only the supervisor has gone, behind whom it may be resumed."""
        self._views_changed: dict[str, int] = {}
        self._told_ns = 0
        self._watched_ns = 0
        self._tick_ns = 0
        """When time may have run out for something, unless that is found sooner."""
        self._full_ns: dict[str, int] = {}
        """When all slots of a source were seen to be lent last."""
        self._leaving: set[RemoteMap] = set()
        """Stages of which workers were to leave."""
        self._wanting: set[int] = set()
        """Links on which something waits for room."""

    @property
    def _goes_on(self) -> bool:
        """Whether it repeats what a run has done, and goes on behind that."""
        return self.order.replay is not None and self.order.replay.missed is not None

    def state_of(self, peer: Peer) -> State:
        """Say what a process is at."""
        if not peer.is_ready:
            return State.INITIALISED
        if peer.is_closed:
            return State.STOPPED
        if peer.is_ended:  # how, the supervisor will say
            return State.FAULT
        if peer.is_leaving or self._closing_ns is not None:
            return State.FINISHING
        room = self.sources[peer.of] if peer.role == "source" else self.stages[peer.of]
        if isinstance(room, RemoteSource) and room.is_held:
            return State.WAITING if room.is_left_alone else State.PROCESSING
        if not room.is_held and peer.worked_ns and time.monotonic_ns() - peer.worked_ns < RECENTLY_NS:
            return State.PROCESSING
        is_busy = isinstance(room, RemoteStage) and room.is_busy(peer)
        return State.PROCESSING if is_busy else State.WAITING

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is read."""
        return self._is_stopping or self._is_failing or self._closing_ns is not None

    def live(self) -> None:
        """Work until the run is over and reported, or the supervisor has gone."""
        prefer_reuse(KEPT_BYTES)
        try:
            self._build()
            while not self._is_finished:
                self._turn()
        finally:
            for peer in self.names.values():
                peer.close()
            if self._log is not None:
                self._log.close(is_over=self._has_ended)
            if self._store is not None:
                self._store.close()
            self._epoll.close()
            self._supervisor.close()
            self._progress.close()

    def _build(self) -> None:
        order = self.order
        for source in self.sources.values():
            source.is_held = order.is_held
        records = self._recorded_records()
        self._log = self._new_log(records)
        if self._log is not None:
            values = decode_value(order.parameters)
            self._log.log.append(ParametersSet(revision=0, first=0, values=values))
            for join, tables in decode_value(order.maps).items():
                self._log.log.append(MapSet(join=join, table=encode_value(tables)))
            self.floor.log = self._log.log
        self._take_recorded(records)
        self._maps = {name: TriggerMap.of_tables(tables) for name, tables in decode_value(order.maps).items()}
        self.merges = {merge.name: self._merge_room(merge) for merge in order.merges}
        # The books are opened in the order of the pipeline; joins follow when instruments have said what they are.
        for join in order.joins:
            for stream in join.streams:
                self.ledger.entry(stream, join.name)
        for stage in order.stages:
            kind: Callable[..., RemoteStage] = RemoteFold if stage.kind == "reduce" else RemoteMap
            arguments = () if stage.kind == "reduce" else (self._maps,)
            self.stages[stage.name] = made = kind(stage, *arguments, self.floor)
            made.is_held = order.is_held
            if isinstance(made, RemoteMap) and stage.name in self._ranges:
                made.repeat(self._ranges[stage.name], ended_at(records, stage.name) if self._goes_on else None)
        for sink in order.sinks:
            self.stages[sink.name] = RemoteFold(sink, self.floor)
        by_load = ((self.stages[stage.name], stage.limits) for stage in order.stages if stage.limits is not None)
        self.staffing = BuilderStaffing(
            [(stage, limits) for stage, limits in by_load if isinstance(stage, RemoteMap)], self.names,
            tell=self._tell, leave=self._leave,
        )  # fmt: skip

    def _recorded_records(self) -> list[LogRecord]:
        return [] if self._formed_fd is None else list(EventLogReader(read_blob(self._formed_fd)))

    def _new_log(self, records: Sequence[LogRecord]) -> RunLog | None:
        order = self.order
        outlets: list[LogOutlet] = []
        if order.event_log:
            outlets.append(LogFile(Path(order.event_log), self._log_fd))
        if order.record is not None:
            self._store = opened_store(order.record.store, order.record.folder)
            outlets.append(LogStream(self._store, StreamAddress.parse(order.record.log)))
        header = LogHeader(run=order.run, pipeline=order.pipeline, begun_ns=order.started_ns)
        if not outlets or not self._goes_on:
            return RunLog(header, outlets) if outlets else None
        log = RunLog(header, outlets, Said(records))
        resumed = records[-1]
        assert isinstance(resumed, RunResumed), "it says last from where on it goes on"
        self._kept_ids = resumed.last_ids
        log.log.append(resumed)
        return log

    def _take_recorded(self, records: Sequence[LogRecord]) -> None:
        """Learn what was formed in the run that is replayed, and from where on parameters change."""
        replay = self.order.replay
        if replay is None:
            return
        self._recorded = {join.name: [] for join in self.order.joins}
        self._ranges = {stage.name: [] for stage in self.order.stages if stage.repeats_ranges}
        for record in records:
            if isinstance(record, EventsFormed) and record.join in self._recorded:
                self._recorded[record.join].append(record)
            elif isinstance(record, Merged):
                self._turns.setdefault(record.merge, []).append(record)
            elif isinstance(record, RangeWorked) and record.stage in self._ranges:
                self._ranges[record.stage].append(record)
        for stage in self.order.stages:
            self._changes[stage.name] = [
                wire.Change(revision, firsts.get(stage.name, first), msgspec.Raw(values))
                for revision, first, firsts, values in replay.changes
            ]

    def _merge_room(self, order: MergeOrder) -> MergeRoom:
        if self.order.replay is None:
            return MergeRoom(merged_plan(order), self.ledger, self.floor.log)
        return ReplayedMerge(merged_plan(order), self.ledger, self._turns.get(order.name, ()), self.floor.log)

    def _recorded_join(self, name: str) -> RecordedJoin | None:
        replay = self.order.replay
        if replay is None:
            return None
        return RecordedJoin(
            records=self._recorded[name], first=replay.first, cut_off=replay.cut_off, goes_on=self._goes_on
        )

    def _note_missed(self) -> None:
        """Say of a run that goes on what nobody read of instruments that do not repeat it."""
        missed = {} if self.order.replay is None else self.order.replay.missed or {}
        for name, last_id in missed.items():
            if not self.sources[name].is_repeatable:
                self.sources[name].entry.remark("resumed", missed_text(name, last_id))
                self.state.mark(Outcome.INCOMPLETE, missed_text(name, last_id))

    def _note_traits(self) -> None:
        """Say at the recorded streams what is known of their instruments."""
        record = self.order.record
        if record is None or self._store is None:
            return
        traits = {StreamAddress.parse(address): self.sources[name].traits for name, address in record.sources}
        try:
            note_traits(self._store, self.order.pipeline, self.order.run, traits)
        except (PenstockError, OSError) as error:
            self.state.mark(Outcome.FAILED, f"the recording does not say what its instruments are: {error}")

    def _turn(self) -> None:
        self._progress.beat()
        ready = self._epoll.poll(0) or self._epoll.poll(self._wait_s(time.monotonic_ns()))
        for _ in range(MOST_ROUNDS):
            now = time.monotonic_ns()
            for fd, _ in ready:
                peer = self.peers.get(fd)
                if peer is not None:
                    self._hear(peer, now)
                elif fd == self._supervisor.fileno():
                    self._obey()
            # To ask once whether anybody has said more costs less than to ask everybody.
            ready = self._epoll.poll(0)
            if not ready:
                break
        self._advance()

    def _wait_s(self, now: int) -> float:
        """Return for how long nothing needs to be done, in s, unless somebody says something."""
        due = [now + round(self.order.beat_s * NS_PER_S)]
        due += [moment for join in self._live_joins() if (moment := join.next_deadline()) is not None]
        self._tick_ns = min(due)
        if self._closing_ns is not None:
            due.append(self._close_by_ns)
        elif self._is_going and not self.is_ending and self.staffing.due_ns is not None:
            due.append(self.staffing.due_ns)
        if self._linger_ns is not None:
            due.append(self._linger_ns)
        if self._views_changed:
            due.append(self._told_ns + CHANGED_NS)
        if self._log is not None and self._log.is_waiting:
            due.append(now + round(LONGEST_S * NS_PER_S))
        return max(0.0, (min(due) - now) / NS_PER_S)

    # What the supervisor says.

    def _obey(self) -> None:
        while True:
            received = self._supervisor.try_receive()
            if received is None:
                if self._supervisor.is_ended:
                    self._is_finished = True
                return
            fds = list(received.fds)
            for word in say.open_orders(received.data):
                self._do(word, fds)

    def _do(self, word: Any, fds: list[int]) -> None:
        match word:
            case say.Enter(name, of, role):
                self._enter(Peer(name, of, role, Link(fds.pop(0)), Progress(fds.pop(0))))
            case say.Leave(name) if name in self.names:
                self._leave(self.names[name])
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
                self._set(number, revision, values)
            case say.Hold(name, is_held):
                self._hold(name, is_held)
            case say.Discard(number):
                now = time.monotonic_ns()
                self._tell(say.Discarded(number, sum(stage.discard(now) for stage in self.stages.values())))
            case say.Renew(name):
                self._renew(name)
            case say.Pin(stage, workers):
                self.staffing.pin(stage, workers)
            case say.Drain(reason, outcome):
                if outcome:
                    self.state.mark(Outcome(outcome), reason)
                self._stop_reading()
            case say.Abort(reason, outcome):
                self.state.mark(Outcome(outcome), reason)
                self._finish()
                if self.state.prospect is Outcome.ABORTED:
                    self._close_by_ns = min(self._close_by_ns, time.monotonic_ns() + ABORT_NS)
            case say.Asked(number):
                self._tell(say.Status(number, self._report()))

    def _tell(self, *words: Any) -> None:
        try:
            self._supervisor.send(say.seal_orders(words))
        except BrokenPipeError:
            self._is_finished = True

    def _enter(self, peer: Peer) -> None:
        self.peers[peer.link.fileno()] = peer
        self.names[peer.name] = peer
        self._epoll.register(peer.link.fileno(), select.EPOLLIN)
        if self._close is not None:  # a successor that was started before the end was known
            peer.say(self._close)

    def _go(self) -> None:
        order = self.order
        traits = {name: source.traits for name, source in self.sources.items()}
        joined = {stream for join in order.joins for stream in join.streams}
        for name, source in self.sources.items():
            if source.traits.number and name not in joined:
                source.watch = NumberWatch(source.entry, source.traits)
        for merge in order.merges:
            if not all(stream in traits for stream in merge.streams):
                continue  # of results, which no join reads
            traits[merge.name] = merged_traits([traits[stream] for stream in merge.streams])
        for join in order.joins:
            room = SettledJoin(
                joined_plan(join), traits, self.ledger, self._maps.get(join.name), self.floor.log,
                self._recorded_join(join.name),
            )  # fmt: skip
            room.custody = self.custody
            self.joins[join.name] = room
        self._pause_joins()
        self._note_traits()
        self._note_missed()
        self._wiring.connect({**self.sources, **self.joins, **self.merges, **self.stages})
        self._is_going = True
        for source in self.sources.values():
            if source.peer is not None:
                source.begin()

    def _leave(self, peer: Peer) -> None:
        peer.is_leaving = True
        stage = self.stages[peer.of]
        assert isinstance(stage, RemoteMap), "only workers leave"
        self._leaving.add(stage)
        if peer.name in stage.peers:  # else it is not ready yet, and goes when it is
            stage.leave(peer.name)

    def _hold(self, name: str, is_held: bool) -> None:
        """Let a source or a stage take nothing more in, or go on; once the end is near, nobody is held."""
        if self.is_ending:
            return
        self._may_be_held = True
        for source in self.sources.values():
            if name in ("", source.name):
                source.hold(is_held)
        for stage in self.order.stages:
            if name in ("", stage.name):
                self.stages[stage.name].is_held = is_held
        if self._heard_ns is not None:  # what was held was not silent
            self._heard_ns = time.monotonic_ns()
        self._pause_joins()

    def _pause_joins(self) -> None:
        """Let no deadline of a join pass while a stream of it cannot come."""
        self._stand_still(time.monotonic_ns())
        self._tick_ns = 0

    def _stand_still(self, now: int) -> None:
        """Stop the clock of joins of which a stream cannot come: held, or without room for what it has read."""
        is_busy = not all(stage.is_idle for stage in self.stages.values())
        for join in self.joins.values():
            sources = [self.sources[name] for name in self._wiring.sources_of(join.builder.streams)]
            for source in sources if is_busy else ():  # or else a join has its slots, and waits for another stream
                if self._is_full(source):
                    self._full_ns[source.name] = now
            join.pause(any(each.is_open and (each.is_held or self._was_full(each, now)) for each in sources), now)

    def _was_full(self, source: RemoteSource, now: int) -> bool:
        """Whether a source waits for a slot, or did until a moment ago: it has to fill it first."""
        return now - self._full_ns.get(source.name, now - RECENTLY_NS) < RECENTLY_NS

    def _is_full(self, source: RemoteSource) -> bool:
        if source.peer is None or not source.peer.pools:
            return False
        made, _ = source.peer.pools[max(source.peer.pools)]
        return self.custody.lent()[made.name, made.generation] >= made.slots

    @property
    def _is_anything_held(self) -> bool:
        held = any(source.is_held and source.is_open for source in self.sources.values())
        return held or any(stage.is_held for stage in self.stages.values())

    def _renew(self, name: str) -> None:
        """Have a process replaced, if nothing is lost by it."""
        peer = self.names.get(name)
        if peer is None or peer.role == "source":
            return
        stage = self.stages[peer.of]
        if stage.can_renew(peer):
            peer.is_renewed = True
            self._kill(name, say.RESTARTED)
        else:
            for entry in stage.entries.values():
                entry.remark("not restarted", f"{name} keeps something that a successor would not have")

    def _set(self, number: int, revision: int, values: msgspec.Raw) -> None:
        following = self._following()
        firsts = {}
        renumbering = {name for name, stage in self.stages.items() if stage.renumbers}
        for name, stage in self.stages.items():
            changes = self._changes.setdefault(name, [])
            from_event = max(following[root] for root in self._wiring.roots(name, renumbering))
            change = wire.Change(revision, max(from_event, changes[-1].from_event if changes else 0), values)
            changes.append(change)
            firsts[name] = change.from_event
            for peer in stage.peers.values():
                peer.say(change)
        told = max((following[name] for name in self.joins or self.sources), default=0)
        if self._log is not None:
            plain = decode_value(memoryview(values))
            self._log.log.append(ParametersSet(revision=revision, first=told, values=plain, stages=firsts))
        self._tell(say.WasSet(number, told))

    def _extend(self, number: int, join: str, fd: int) -> None:
        problem = ""
        try:
            table = read_blob(fd)
            addition = MapAddition.of_table(decode_value(table))
            if self._log is not None:
                self._log.log.append(MapSet(join=join, table=table, is_addition=True))
            self.joins[join].extend(addition, time.monotonic_ns())
        except PenstockError as error:
            problem = str(error)
        self._tell(say.Extended(number, problem))

    def _following(self) -> dict[str, int]:
        """Return, for whatever numbers things, a number above all that it has given."""
        sources = {name: max(source.last_id, self._kept_ids.get(name, 0)) + 1 for name, source in self.sources.items()}
        merges = {name: merge.next_number for name, merge in self.merges.items()}
        joins = {join.name: 0 for join in self.order.joins}
        steps = {name: stage.next_number for name, stage in self.stages.items() if stage.renumbers}
        formed = {name: join.builder.next_number for name, join in self.joins.items()}
        return {**sources, **merges, **joins, **formed, **steps}

    # What processes say.

    def _hear(self, peer: Peer, now: int) -> None:
        for envelope, fds in peer.hear(most=1):
            self._take(peer, envelope, fds, now)
        if peer.is_ended:
            self._ended(peer, now)

    def _take(self, peer: Peer, envelope: Any, fds: Sequence[int], now: int) -> None:
        # Nearly everything is said by sources of what they read, or by stages of what they were given.
        kind = type(envelope)
        if kind is wire.Read:
            peer.worked_ns = now
            self._take_read(self.sources[peer.of], envelope, now)
        elif kind in OF_STAGES:
            peer.worked_ns = now
            if not self._is_settled:  # behind that, what was under way is in the books as aborted
                self.stages[peer.of].hear(peer, envelope, now)
            elif kind is wire.Saved:
                self._changed(peer.of, envelope.version)
        else:
            self._take_rest(peer, envelope, fds, now)

    def _take_read(self, source: RemoteSource, read: wire.Read, now: int) -> None:
        if source.hear(read, now):
            self._heard_ns = now
            if self._linger_ns is not None:
                self._linger_ns = now + LINGER_NS
            self._lingered += 1

    def _take_rest(self, peer: Peer, envelope: Any, fds: Sequence[int], now: int) -> None:
        match envelope:
            case wire.PoolMade():
                self.memory.made(peer, envelope, fds[0])
            case wire.PoolGone(name, generation):
                self.memory.gone(peer, name, generation)
            case wire.Ready():
                self._ready(peer, envelope, now)
            case wire.Broken(text, note) if self._is_going and (recorder := self._recorder(peer)) is not None:
                self.floor.note(note)
                recorder.end_recording(f"the recording of {peer.of} ends: {text}")
            case wire.Broken(text, note):
                self._tell(say.Broke(peer.name, text, note))
                self.state.mark(Outcome.FAILED, text)
                self.floor.note(note)
                self._fail(text)
            case wire.Closed():
                self._closed(peer, envelope)
            case wire.TickTold(now_ns, after, flags, step):
                if self._log is not None:
                    tick = Ticked(stage=peer.of, worker=peer.name, now_ns=now_ns, after=after, flags=flags, step=step)
                    self._log.log.append(tick)
            case wire.Obeyed():
                self.sources[peer.of].obey()
            case wire.Opened(is_file):
                source = self.sources[peer.of]
                source.is_file, source.has_opened = is_file, True
                self._let_read()
            case _:
                raise RemoteProtocolError(f"{peer.name} said {type(envelope).__name__}, which is not for the builder")

    def _closed(self, peer: Peer, last: wire.Closed) -> None:
        peer.is_closed = True
        if last.output:
            self.outputs[peer.of] = last.output
        if last.trouble:
            self.state.mark(Outcome.FAILED, last.trouble)
            self.floor.note(last.note)
        self._tell(say.Left(peer.name, last.context))

    def _let_read(self) -> None:
        """Have sources read once all are open: of a run that cannot begin, nothing is to be found anywhere."""
        sources = [source for source in self.sources.values() if source.is_open]
        self._is_reading = self._is_reading or all(source.has_opened for source in sources)
        for source in sources if self._is_reading else ():
            if source.has_opened and source.peer is not None and not source.peer.is_reading:
                source.peer.is_reading = True
                source.peer.say(wire.Go())

    def _ready(self, peer: Peer, ready: wire.Ready, now: int) -> None:
        peer.is_ready, peer.keeps_state = True, ready.keeps_state
        if peer.role == "source":
            source = self.sources[peer.of]
            source.enter(peer)
            if ready.traits is not None and not self._is_going:
                source.traits = ready.traits
            source.is_repeatable, source.wants_settled = ready.is_repeatable, ready.wants_settled
            if self._is_going and source.is_open and not self._is_stopping:
                source.begin()
        else:
            for change in self._changes.get(peer.of, ()):
                peer.say(change)
            self.memory.introduce(peer)
            self.stages[peer.of].renumbers |= ready.renumbers
            self.stages[peer.of].enter(peer, now)
        self._tell(say.Entered(peer.name, ready.keeps_state))

    def _ended(self, peer: Peer, now: int) -> None:
        """Listen no more to a process that has gone; whether it should have, and how, the supervisor says."""
        fd = peer.link.fileno()
        if fd in self.peers:
            self._epoll.unregister(fd)
            del self.peers[fd]
        if peer.is_closed:
            self._bury(peer)

    def _was_lost(self, name: str, text: str, is_replaced: bool) -> None:
        """Take back what a process had whose death the supervisor tells."""
        peer = self.names.get(name)
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
            self._lose_source(peer, text, is_replaced, now)
        elif not peer.is_closed and (peer.is_ready or self._recorder(peer) is not None):
            stage = self.stages[peer.of]
            stage.lose(peer, text, now, is_replaced=is_replaced)
            if not is_replaced and stage.peers and self._closing_ns is None:
                for entry in stage.entries.values():
                    entry.remark("given up", f"{text}; the others do its work")
        self._bury(peer)

    def _recorder(self, peer: Peer) -> RemoteFold | None:
        """Return what a process records for, if it does."""
        stage = self.stages.get(peer.of)
        return stage if isinstance(stage, RemoteFold) and stage.takes_blocks else None

    def _lose_source(self, peer: Peer, text: str, is_replaced: bool, now: int) -> None:
        source = self.sources[peer.of]
        if self._is_going and source.is_open and not self._is_stopping:
            verdict = source.lose(text, peer.progress.lease)
            if verdict or not is_replaced:
                self._give_up(source, verdict or text, now)
            elif not (source.is_repeatable or source.wants_settled):
                missing = f"{text}: what {peer.of} sent until it was read again is missing"
                self.state.mark(Outcome.INCOMPLETE, missing)
        source.peer = None
        if self._is_stopping or not is_replaced:
            source.end(now)
        self._let_read()

    def _give_up(self, source: RemoteSource, why: str, now: int) -> None:
        """Go on without a source that nobody can read, if what it sent is no more to be had anyway and others go on."""
        others = [other for other in self.sources.values() if other is not source and not other.given_up]
        if source.is_repeatable or source.wants_settled or not others:
            source.given_up = why
            self.state.mark(Outcome.FAILED, why)
            self._fail(why)
            return
        source.give_up(why, now)
        self.state.mark(Outcome.INCOMPLETE, source.given_up)
        self._tell(say.GaveUp(source.name, why))

    def _bury(self, peer: Peer) -> None:
        if self.names.get(peer.name) is peer:
            del self.names[peer.name]
        fd = peer.link.fileno()
        if fd in self.peers:
            self._epoll.unregister(fd)
            del self.peers[fd]
        self.memory.bury(peer)
        peer.close()

    # What follows.

    def _advance(self) -> None:
        now = time.monotonic_ns()
        if self.joins and (now >= self._tick_ns or any(join.is_paused for join in self.joins.values())):
            self._stand_still(now)
        if now >= self._tick_ns:
            self._tick_ns = now + TICK_NS
            for join in self._live_joins():
                join.tick(now)
        if self._is_going and self._closing_ns is None:
            for stage in self.stages.values():
                stage.advance(now)
        # Whoever waits for work or for slots is told before anything else is seen to.
        self.memory.give_back()
        self._tell_settled()
        self._flush()
        if self._is_going and self._closing_ns is None:
            self._watch(now)
            self._look_for_end(now)
        elif self._closing_ns is not None:
            self._look_for_closed(now)
        if self._views_changed and now - self._told_ns >= CHANGED_NS:
            self._tell_changed(now)
        self._flush()
        if self._log is not None:
            self._log.flush()
        self.watches.look(now)

    def _watch(self, now: int) -> None:
        """See who hangs, now and then, and who may go."""
        is_due = now - self._watched_ns >= WATCH_NS
        if is_due:
            self._watched_ns = now
            for stage in self.stages.values():
                stage.watch(now)
        if not self.is_ending:
            self.staffing.look(now)
        for stage in self._leaving:
            for peer in stage.left(now):
                peer.say(wire.Close())

    def _flush(self) -> None:
        for peer in self.names.values():
            if peer.has_more:
                peer.flush()
                if peer.has_unsent or self._wanting:
                    self._want_room(peer)

    def _want_room(self, peer: Peer) -> None:
        fd = peer.link.fileno()
        if fd in self.peers and peer.has_unsent != (fd in self._wanting):
            self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if peer.has_unsent else 0))
            (self._wanting.add if peer.has_unsent else self._wanting.discard)(fd)

    def _tell_settled(self) -> None:
        """Tell sources what is accounted for, unless something failed or the end has come, when anything is let go."""
        for source in self.sources.values():
            settled = source.take_settled() if source.wants_settled else ()
            if settled and source.peer is not None and not self._is_failing and self._closing_ns is None:
                source.peer.say(wire.Settled(settled))

    def _live_joins(self) -> list[SettledJoin]:
        """Return the joins whose deadlines count: a file is never late, however long it takes to read."""
        return [
            join
            for join in self.joins.values()
            if not join.is_paused and not any(self._is_file(s) for s in join.builder.streams)
        ]

    def _is_file(self, stream: str) -> bool:
        if stream in self.sources:
            return self.sources[stream].is_file and self.sources[stream].is_open
        merge = next(merge for merge in self.order.merges if merge.name == stream)
        return any(self._is_file(each) for each in merge.streams)

    def _is_over(self) -> bool:
        """Whether nothing more can happen: joins have had their end event, other sources have ended, all is done."""
        if self._is_failing:
            return all(stage.is_settled for stage in self.stages.values())
        if not all(stage.is_idle for stage in self.stages.values()):
            return False
        if not all(join.builder.is_finished for join in self.joins.values()):
            return False
        if (
            self.order.replay is not None and not self._goes_on
        ):  # what was read when the run was recorded is read to its end
            return not any(source.is_open for source in self.sources.values())
        joined = {stream for join in self.joins.values() for stream in self._wiring.sources_of(join.builder.streams)}
        return all(source.has_ended for name, source in self.sources.items() if name not in joined)

    def _look_for_end(self, now: int) -> None:
        silent_ns = round(self.order.silent_s * NS_PER_S)
        if self._may_be_held and not self.is_ending and self._is_anything_held:
            return  # nobody knows what will come when it is released
        if silent_ns and self._heard_ns is not None and now - self._heard_ns >= silent_ns and not self._is_stopping:
            self.state.mark(Outcome.INCOMPLETE, f"nothing has arrived for {self.order.silent_s:g} s")
            self._stop_reading()
        if not self._is_over():
            self._linger_ns = None
            return
        is_live = any(source.is_open and not source.is_file for source in self.sources.values())
        if is_live and not self._is_stopping and not self._is_failing:
            if self._linger_ns is None:
                self._linger_ns, self._lingered = now + LINGER_NS, 0
            if now < self._linger_ns and self._lingered < MOST_LINGERING:
                return
        if not self._is_failing and any(stage.holds for stage in self.stages.values()):
            # Only who knows that nothing more will come brings out the rest.
            if not self._is_stopping:
                self._stop_reading()
            if any(source.is_open for source in self.sources.values()):
                return
        self._finish()

    def _stop_reading(self) -> None:
        """Read nothing more, and form what can be formed."""
        self._is_stopping = True
        for source in self.sources.values():
            source.is_held = False
        for stage in self.stages.values():
            stage.is_held = False  # or what has come would wait for ever
        self._pause_joins()
        for source in self.sources.values():
            if source.peer is not None and source.is_open:
                source.peer.say(wire.Stop())
            elif source.is_open:
                source.end(time.monotonic_ns())
        for join in self.joins.values():
            if not join.builder.is_finished:
                join.complete_map(time.monotonic_ns())

    def _fail(self, text: str) -> None:
        """Bring out what stands before the failure, and end."""
        self._is_failing = True
        self._stop_reading()
        if not self._is_going:
            self._finish()

    def _finish(self) -> None:
        """Close the books, and let everybody close."""
        if self._closing_ns is not None:
            return
        self._linger_ns = None
        self._tell_settled()
        self._closing_ns = time.monotonic_ns()
        self._close_by_ns = self._closing_ns + CLOSE_NS
        for source in self.sources.values():
            if source.trouble:
                self.state.mark(Outcome.INCOMPLETE, source.trouble)
            if self._is_going:
                source.remark_silence()
        for join in self.joins.values():
            if not join.builder.is_finished:
                join.builder.abort()
        if self.state.prospect not in (Outcome.ABORTED, Outcome.FAILED):
            self._settle()
        outcome = self.state.prospect
        self._close = wire.Close(
            outcome is Outcome.FINISHED, str(outcome), "; ".join(self.state.reasons), self.ledger.rows()
        )
        for peer in self.names.values():
            peer.say(self._close)

    def _settle(self) -> None:
        """Close the books: from now on nothing that comes changes them."""
        self._is_settled = True
        settle(self.ledger, self.state)
        judge(self.ledger, self.state, {name: join.builder for name, join in self.joins.items()})

    def _look_for_closed(self, now: int) -> None:
        late = [p.name for p in self.names.values() if p.role != "source" and p.is_ready and not p.is_closed]
        if late and now < self._close_by_ns:
            return
        if late and self.state.prospect is not Outcome.ABORTED:
            self.state.mark(Outcome.FAILED, f"{', '.join(late)} did not close in time")
        if not self._is_settled:
            self._settle()
        self._tell_changed(now)
        if self._log is not None:
            record = RunEnded(
                outcome=str(self.state.prospect), reasons=tuple(self.state.reasons), ended_ns=time.time_ns()
            )
            for trouble in self._log.troubles:
                self.state.mark(Outcome.FAILED, trouble)
            self._log.log.append(record)
            self._log.flush()
        self._has_ended = True
        self._tell(say.Finished(self._report()))
        self._is_finished = True

    def _tell_changed(self, now: int) -> None:
        changed, self._views_changed = self._views_changed, {}
        self._told_ns = now
        if changed:
            self._tell(*(say.Changed(stage, version) for stage, version in changed.items()))

    def _changed(self, stage: str, version: int) -> None:
        self._views_changed[stage] = version

    def _kill(self, name: str, why: str) -> None:
        self._tell(say.Kill(name, why))

    def _report(self) -> msgspec.Raw:
        return msgspec.Raw(msgspec.msgpack.encode(report_of(self)))


def run(order: BuilderOrder, fds: Sequence[int]) -> None:
    """Be the event builder."""
    BuilderProcess(order, fds).live()
