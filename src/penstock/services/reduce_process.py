"""The process of a reducer: results come in order, are folded into views, and are published so that they outlive it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from penstock.core import NS_PER_S, Account
from penstock.elements.instance import Instance
from penstock.elements.user_code import Reducer
from penstock.errors import PenstockError, UserCodeError
from penstock.services.flow import Flow, numbers_of
from penstock.services.notes import notes_of
from penstock.services.orders import RoomOrder
from penstock.services.progress import BESIDES
from penstock.services.reduce_room import fold
from penstock.services.room_process import RoomProcess
from penstock.services.user_calls import UserCalls
from penstock.views.shared_tree import TreeReader, TreeWriter
from penstock.wire.envelopes import Begin, Close, Flag, Folded, Give, Ready, Saved

__all__ = ["ReduceProcess", "run"]

WORTH = 10
"""A state is published when folding has taken so many times longer than publishing: a tenth of the time at most."""
MOST_UNSAID = 16
"""Ranges folded at most before the event builder is told, which stops at 64."""
LONGEST_PAUSE_NS = 20_000_000
"""How long at most it waits for more to fold after it has published."""


class ReduceProcess(RoomProcess):
    """Fold what is given, and publish.

    Beside link and progress, its descriptors are the memory files of its views.
    """

    def __init__(self, order: RoomOrder, fds: Sequence[int]) -> None:
        super().__init__(order, fds)
        self._context = self.context()
        self._files = tuple(fds[2:])
        self._writer = TreeWriter(self._files)
        self._reducer: Reducer | None = None
        self._keeps_state = True
        self._is_taken_over = False
        """Whether it has folded nothing since it took a predecessor's state over."""
        self._has_failed = False
        self._is_interrupted = False
        self._folded = 0
        self._saved = 0
        self._version = 0
        self._spent_ns = 0
        self._cost_ns = 0
        self._saved_ns = 0

    def make(self) -> Sequence[Instance]:
        """Make the reducer."""
        ((target, arguments),) = self.elements()
        values = self.start_values()
        reducer = Reducer(target, arguments, parameters=values, stage=self.order.stage, context=self._context)
        self._reducer = reducer
        self._keeps_state = reducer.is_capturable
        return [reducer]

    def ready(self) -> Ready:
        """Say also whether a successor could go on."""
        return Ready(self._keeps_state)

    def contexts(self) -> dict[str, Any]:
        """Return the reducer's context."""
        return self._context

    def handle(self, envelope: Any) -> None:  # one of Envelope
        """Fold, or publish."""
        match envelope:
            case Give():
                self._give(envelope)
            case Begin():
                with self._named():
                    self._take_over()

    def when_quiet(self) -> float | None:
        """Publish what is new while there is nothing else to do, a little later if that was done just now."""
        if self._folded == self._saved:
            return None
        due_ns = self._saved_ns + min(WORTH * self._cost_ns, LONGEST_PAUSE_NS)
        now = time.monotonic_ns()
        if now < due_ns:
            return (due_ns - now) / NS_PER_S
        self._save()
        return None

    def _say_to(self, envelope: Any) -> None:
        if isinstance(envelope, Flag) and 0 < envelope.id <= self._folded:
            return  # a predecessor was told
        super()._say_to(envelope)
        if isinstance(envelope, Flag) and envelope.id:
            self._version += 1
            self._folded = envelope.id
            self._save()

    def _take_over(self) -> None:
        """Go on from the state that a predecessor has published; its start hook was called again before."""
        published = TreeReader(self._files).read()
        if published is None or self._reducer is None:
            return
        try:
            self._reducer.restore(published.tree, published.state)
        except PenstockError as error:
            self._has_failed = True
            self.send_failed(error)
            return
        self._is_taken_over = True
        self._folded = self._saved = published.position
        self._version = published.version
        self.line.send(Saved(self._saved, self._version, True))

    def _give(self, given: Give) -> None:
        if given.id <= self._folded or self._has_failed:
            return
        began_ns = time.monotonic_ns()
        calls = self.calls[given.producer]
        self.progress.begin(given.id)
        try:
            accounts = self._fold(calls, self.line.read(given.flow))
            slots = self.line.slots_of(given.flow)
            kept = self.kept.after(slots) if slots else ()
        except PenstockError as error:
            self.send_failed(error)
            return
        finally:
            self.progress.end()
        self._folded = given.id
        self._version += 1
        folded_ns = time.monotonic_ns()
        took_ns = folded_ns - began_ns
        self._spent_ns += took_ns
        notes = notes_of(calls.failures) if calls.failures and self.order.on_error != "fail" else ()
        gone = self.kept.let_go()
        # Nobody waits for it but those whose slots it lends: it travels with the word that it is safe, soon.
        waiting = self.line.later(Folded(given.id, took_ns, accounts, notes, kept, gone, folded_ns))
        if slots or waiting >= MOST_UNSAID or self._is_interrupted:
            self.line.flush()
        if self._is_interrupted:
            raise KeyboardInterrupt
        if self._is_worth_it():
            self._save()

    def _fold(self, calls: UserCalls, flow: Flow) -> tuple[tuple[int, int], ...]:
        reducer = self._reducer
        assert reducer is not None
        entry = calls.entry
        entry.arrive(len(flow))
        calls.failures.clear()
        calls.dead_letters.clear()
        before = entry.accounts
        if self._is_taken_over:
            self._is_taken_over = False
            self.crew.skip_repeated(int(numbers_of(flow)[0]))
        try:
            for piece in self.cut(flow):
                fold(reducer, calls, piece)
        except UserCodeError as error:
            self._has_failed = True
            self.line.send(self.fail(error, calls, error.event))
        except KeyboardInterrupt:  # what was folded is in the views, and so it must be in the books
            self._is_interrupted = True
        if entry[Account.DONE] - before[Account.DONE] == len(flow):  # as nearly always
            return ((int(Account.DONE), len(flow)),)
        return tuple([(k, n - m) for k, (n, m) in enumerate(zip(entry.accounts, before, strict=True)) if n != m])

    def _is_worth_it(self) -> bool:
        if self._spent_ns >= WORTH * self._cost_ns:
            return True
        return time.monotonic_ns() - self._saved_ns >= self.order.checkpoint_s * NS_PER_S

    def _save(self) -> None:
        reducer = self._reducer
        assert reducer is not None
        self.line.flush()  # how something ended must be known before it may be published: whoever comes after skips it
        began_ns = time.monotonic_ns()
        try:
            with self._named():
                state = reducer.capture() if self._keeps_state else None
                if self._keeps_state and state is None:  # likewise
                    self._keeps_state = False
                    self.line.send(Saved(self._saved, self._version, False))
                self._writer.publish(reducer.views, position=self._folded, version=self._version, state=state or b"")
        except PenstockError as error:
            self.send_failed(error)
            return
        self._saved = self._folded
        self._saved_ns = time.monotonic_ns()
        self._cost_ns, self._spent_ns = self._saved_ns - began_ns, 0
        self.line.send(Saved(self._folded, self._version, self._keeps_state))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say that user code is called, which may end the process."""
        self.progress.begin(BESIDES)
        try:
            yield
        finally:
            self.progress.end()

    def close(self, asked: Close) -> None:
        """Let user code close what it has opened, and publish the last there is, unless a predecessor has."""
        try:
            super().close(asked)
        finally:
            if self._folded or (asked.outcome != "failed" and TreeReader(self._files).version is None):
                self._version += 1
                self._save()


def run(order: RoomOrder, fds: Sequence[int]) -> None:
    """Be a reducer."""
    ReduceProcess(order, fds).live()
