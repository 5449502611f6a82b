"""The process of a sink of items: they come in order and are written; views are written by the supervisor."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.core import Account, Block, EventBatch, Kind
from penstock.core.result_range import ResultRange
from penstock.core.timestamp import Timestamp
from penstock.elements.instance import Instance
from penstock.elements.sink import RunFacts, Sink, Written
from penstock.errors import PenstockError, UserCodeError
from penstock.services.chooser import Chooser, Chosen, messages_of
from penstock.services.flow import Flow, is_counted, items_of, kind_of, numbers_of, with_values
from penstock.services.made import made_sink
from penstock.services.orders import RoomOrder
from penstock.services.room_process import RoomProcess
from penstock.services.sink_books import change_told, ledger_told
from penstock.wire.envelopes import Begin, Change, Close, Folded, Give, NoResults, Note, Saved
from penstock.wire.values import decode_value

__all__ = ["SinkProcess", "run"]


class SinkProcess(RoomProcess):
    """Write what is given."""

    def __init__(self, order: RoomOrder, fds: Sequence[int]) -> None:
        super().__init__(order, fds)
        self._sink: Sink | None = None
        self._is_open = False
        self._has_dropped = False
        by, field, part = order.choose
        self._chooser = Chooser(field, part) if by else None
        self._given: dict[int, Give] = {}
        """What is held, by id."""
        self._input = order.producers[0][1]
        self._changes: list[dict[str, Any]] = []
        """Of parameters, as they are told."""

    def make(self) -> Sequence[Instance]:
        """Make the sink, and open it."""
        ((target, arguments),) = self.elements()
        self._sink = made_sink(target, arguments, self.order.elements[0].name, self.order.stage)
        facts = decode_value(self.order.facts)
        started = Timestamp(facts.pop("started"))
        goes_on = facts.pop("goes_on") or self.order.generation > 1
        self._changes.append(change_told(values=facts["about"].get("parameters", {}), when=started))
        self._calling(lambda sink: sink.open(RunFacts(started=started, goes_on=goes_on, **facts)))
        self._is_open = True
        return ()

    def handle(self, envelope: Any) -> None:  # one of Envelope
        """Write; a successor is told to begin where its predecessor was, which is with what it is given."""
        if isinstance(envelope, Begin):
            return
        if self._chooser is not None:
            self._choose(envelope, self._chooser)
            return
        assert isinstance(envelope, Give), envelope
        self.progress.begin(envelope.id)
        began_ns = time.monotonic_ns()
        accounts = [0] * len(Account)
        notes: tuple[Note, ...] = ()
        try:
            notes = self._write(envelope, accounts)
        except PenstockError as error:
            self.send_failed(error)
        self.progress.end()
        took_ns = time.monotonic_ns() - began_ns
        kept = self.kept.after(self.line.slots_of(envelope.flow))
        counted = tuple([(k, n) for k, n in enumerate(accounts) if n])
        self.line.send(
            Folded(envelope.id, took_ns, counted, notes, kept, self.kept.let_go()), Saved(envelope.id, 0, True)
        )

    def _choose(self, envelope: Give | NoResults, chooser: Chooser) -> None:
        """Hold what came until its results are known, and write what is known to be wanted."""
        self.progress.begin(envelope.id)
        began_ns = time.monotonic_ns()
        by, _, _ = self.order.choose
        if isinstance(envelope, NoResults):
            numbers = envelope.numbers.array()
            chooser.learn(ResultRange(stage=by, numbers=numbers, values=None))
        else:
            flow = self.line.read(envelope.flow)
            if envelope.producer == by:
                chooser.learn(flow)
            if envelope.producer != by or by == self._input:
                self._given[envelope.id] = envelope
                chooser.hold(envelope.id, flow)
        self.line.send(Folded(envelope.id, time.monotonic_ns() - began_ns, ()))
        for chosen in chooser.ready():
            given = self._given.pop(chosen.mark)
            accounts = [0] * len(Account)
            accounts[Account.FILTERED] += chosen.filtered
            notes: tuple[Note, ...] = ()
            try:
                if chosen.flow is not None:
                    notes = self._write_chosen(chosen, given.producer, accounts)
            except PenstockError as error:
                self.send_failed(error)
            counted = tuple([(k, n) for k, n in enumerate(accounts) if n])
            self.line.send(Folded(chosen.mark, 0, counted, notes))
        self.progress.end()
        first = chooser.first_held
        self.line.send(Saved(envelope.id if first is None else first - 1, 0, True))

    def _write_chosen(self, chosen: Chosen, producer: str, accounts: list[int]) -> tuple[Note, ...]:
        assert chosen.flow is not None
        is_counted_whole = kind_of(chosen.given) is not Kind.DATA
        if self._sink is not None and self._sink.takes_flows:
            self._calling(lambda sink: sink.write_flow(chosen.flow))
            wanted = len(chosen.given) - chosen.filtered
            accounts[Account.DONE] += wanted if not is_counted_whole or is_counted(chosen.given, producer) else 0
            return ()
        return self._write_flow_or_items(messages_of(chosen.flow), producer, accounts)

    def _write(self, given: Give, accounts: list[int]) -> tuple[Note, ...]:
        return self._write_flow_or_items(with_values(self.line.read(given.flow)), given.producer, accounts)

    def _write_flow_or_items(self, flow: Flow, producer: str, accounts: list[int]) -> tuple[Note, ...]:
        if self._sink is not None and self._sink.takes_flows:
            return self._write_flow(flow, producer, accounts)
        if isinstance(flow, EventBatch) and flow.kind is not Kind.DATA:
            return ()
        if isinstance(flow, Block) and self._sink is not None and self._sink.takes_blocks:
            return self._record(flow, accounts)
        if kind_of(flow) is not Kind.DATA:
            accounts[Account.FILTERED] += len(flow)
            return ()
        if self._sink is not None and self._sink.takes_numbers:
            return self._write_numbered(flow, accounts)
        for item in items_of(flow):
            self._calling(lambda sink, item=item: sink.write(item))
            accounts[Account.DONE] += 1
        return ()

    def _write_numbered(self, flow: Flow, accounts: list[int]) -> tuple[Note, ...]:
        found: list[Written] = []
        self._calling(lambda sink: found.append(sink.write_numbered(numbers_of(flow), items_of(flow))))
        accounts[Account.DONE] += found[0].done
        accounts[Account.DUPLICATE] += found[0].duplicates
        accounts[Account.DROPPED] += found[0].dropped
        return self._note_dropped(found[0].why)

    def _write_flow(self, flow: Flow, producer: str, accounts: list[int]) -> tuple[Note, ...]:
        found: list[Written] = []
        self._calling(lambda sink: found.append(sink.write_flow(flow)))
        if kind_of(flow) is not Kind.DATA:  # an instrument's own is a message like others; no start event is an item
            accounts[Account.DONE] += len(flow) if is_counted(flow, producer) else 0
            return ()
        accounts[Account.DONE] += found[0].done
        accounts[Account.DUPLICATE] += found[0].duplicates
        return ()

    def _record(self, block: Block, accounts: list[int]) -> tuple[Note, ...]:
        dropped: list[str] = []
        self._calling(lambda sink: dropped.append(sink.write_block(block)))
        accounts[Account.DROPPED if dropped[0] else Account.DONE] += len(block)
        return self._note_dropped(dropped[0])

    def _note_dropped(self, why: str) -> tuple[Note, ...]:
        """Return what is said, once, of something that is given up."""
        if not why or self._has_dropped:
            return ()
        self._has_dropped = True
        return (Note(self.order.stage, None, why, ""),)

    def _say_to(self, envelope: Any) -> None:
        """Note what parameters change on the way."""
        if isinstance(envelope, Change):
            values = decode_value(memoryview(envelope.values))
            now = Timestamp(time.time_ns())
            self._changes.append(
                change_told(revision=envelope.revision, from_event=envelope.from_event, values=values, when=now)
            )
            return
        super()._say_to(envelope)

    def live(self) -> None:
        """Write until told to end; if its event builder dies, it finishes its output or leaves it to a resume."""
        try:
            super().live()
        finally:
            if self._is_open:
                self._is_open = False
                with suppress(PenstockError):
                    self._calling(lambda sink: sink.let_go())

    def close(self, asked: Close) -> None:
        """Finish the output."""
        self._is_open = False
        if self._sink is not None:
            self._sink.trouble = asked.trouble
            if self._sink.tells_all:
                self._sink.books = {"ledger": ledger_told(asked.ledger), "parameters": self._changes}
        self._calling(lambda sink: sink.close(asked.ended_well, asked.outcome))

    def output(self) -> str:
        """Return the file, if it is there."""
        path = "" if self._sink is None else self._sink.path
        return path if path and Path(path).exists() else ""

    def _calling(self, call: Any) -> None:
        """Name the sink in whatever its own code raises unexpectedly."""
        name = self.order.stage
        try:
            call(self._sink)
        except PenstockError:
            raise
        except (Exception, SystemExit) as error:  # a sink may be user code
            raise UserCodeError(f"sink {name}: {type(error).__name__}: {error}", stage=name) from error


def run(order: RoomOrder, fds: Sequence[int]) -> None:
    """Be a sink."""
    SinkProcess(order, fds).live()
