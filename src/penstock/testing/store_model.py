"""One stream of a store beside a plain list and set that are told the same: after any steps, both have the same."""

from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StateError
from penstock.streams.store import Store, StreamReader, StreamState, StreamWriter
from penstock.testing.store_cases import arrived, message, numbered, told

__all__ = ["check_against_model"]

IDS = st.integers(1, 60)
ENDS = st.tuples(st.sampled_from(["finish", "abort"]), st.sampled_from(["", "run 2"]))
RANGES = st.tuples(IDS, IDS).map(lambda pair: (min(pair), max(pair)))


def check_against_model(store: Store, *, examples: int = 15, steps: int = 40) -> None:
    """Do steps in any order, with one stream after the other, and compare the stream with the model after each."""
    numbers = count()

    def make() -> _Machine:
        return _Machine(store, StreamAddress("model", "any", f"run {next(numbers)}"))

    # It takes whatever makes one, though it says a class.
    factory: Any = make
    run_state_machine_as_test(factory, settings=settings(max_examples=examples, stateful_step_count=steps))


class _Machine(RuleBasedStateMachine):
    def __init__(self, store: Store, address: StreamAddress) -> None:
        super().__init__()
        self._store = store
        self._address = address
        self._writer: StreamWriter | None = None
        self._reader: StreamReader = store.read(address)
        self._ids: list[int] = []  # in their order of arrival
        self._end: tuple[str, str] | None = None
        self._was_written = False

    def teardown(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader.close()

    @precondition(lambda self: self._writer is None)
    @rule()
    def write(self) -> None:
        if self._end is not None:
            _raises(StateError, self._store.write, self._address)
            return
        self._writer = self._store.write(self._address)
        self._was_written = True

    @precondition(lambda self: self._writer is not None)
    @rule()
    def close(self) -> None:
        assert self._writer is not None
        self._writer.close()
        self._writer = None

    @precondition(lambda self: self._writer is not None)
    @rule(ids=st.sets(IDS, max_size=6), is_new=st.booleans())
    def append(self, ids: set[int], is_new: bool) -> None:
        assert self._writer is not None
        ids = ids - set(self._ids) if is_new else ids
        if not ids:
            return
        block = numbered(*sorted(ids))
        expected = [number in self._ids for number in sorted(ids)]
        assert self._writer.present(block.ids).tolist() == expected
        if self._end is not None:
            _raises(StateError, self._writer.append, block)
        elif any(expected):
            _raises(ConflictError, self._writer.append, block)
        else:
            self._writer.append(block)
            self._ids += sorted(ids)

    @precondition(lambda self: self._writer is not None)
    @rule(end=ENDS)
    def end(self, end: tuple[str, str]) -> None:
        assert self._writer is not None
        if self._end in (None, end):
            getattr(self._writer, end[0])(end[1])
            self._end = end
        else:
            _raises(ConflictError, getattr(self._writer, end[0]), end[1])

    @rule()
    def read_anew(self) -> None:
        self._reader.close()
        self._reader = self._store.read(self._address)

    @rule()
    def delete(self) -> None:
        if self._writer is not None:
            _raises(ConflictError, self._store.delete, self._address)
            return
        assert self._store.delete(self._address) == self._was_written
        self._ids, self._end, self._was_written = [], None, False
        self.read_anew()

    @rule(position=st.integers(0, 70))
    def follow(self, position: int) -> None:
        assert arrived(self._reader.blocks(position)) == _messages(self._ids[position:])
        assert self._reader.wait(position, 0) == (len(self._ids) > position or self._end is not None)

    @rule(ids=RANGES)
    def get(self, ids: tuple[int, int]) -> None:
        first, last = ids
        there = sorted(number for number in self._ids if first <= number <= last)
        assert arrived(self._reader.get(first, last)) == _messages(there)
        assert arrived(self._reader.get(first)) == _messages([first] if first in self._ids else [])
        assert self._reader.ids(first, 5).tolist() == sorted(number for number in self._ids if number >= first)[:5]

    @rule(ids=RANGES)
    def between(self, ids: tuple[int, int]) -> None:
        first_ns, last_ns = (message(number).timestamp_ns for number in ids)
        there = [number for number in self._ids if ids[0] <= number <= ids[1]]
        assert arrived(self._reader.between(first_ns, last_ns)) == _messages(there)

    @invariant()
    def is_as_it_should_be(self) -> None:
        info = self._reader.info
        assert info == self._store.info(self._address)
        last = max(self._ids, default=0)
        counts = (info.count, info.removed, info.first_id, info.last_id, info.missing)
        assert counts == (len(self._ids), 0, min(self._ids, default=0), last, last - len(self._ids))
        assert (info.state, info.next_stream or info.reason) == (self._state(), self._end[1] if self._end else "")
        if self._writer is not None:
            assert (self._writer.last_id, self._writer.written) == (last, len(self._ids))
            assert self._writer.synced <= self._writer.written
        assert [found.address for found in self._store.streams(self._address)] == [self._address] * self._was_written

    def _state(self) -> StreamState:
        if self._end is not None:
            return StreamState.FINISHED if self._end[0] == "finish" else StreamState.ABORTED
        return StreamState.STALLED if self._was_written and self._writer is None else StreamState.OPEN


def _messages(ids: list[int]) -> list[Any]:
    return told(message(number) for number in ids)


def _raises(error: type[Exception], call: Any, *arguments: Any) -> None:
    """Check that a call is refused."""
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"{call} did not raise {error.__name__}")
