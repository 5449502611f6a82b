"""Slots: whatever is lent and released, nobody gets a slot that another has."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.errors import StateError
from penstock.transport.slots import Loan, Slots


class Lending(RuleBasedStateMachine):
    """Lend, release, and try to release what is not out."""

    @initialize(count=st.integers(1, 8))
    def begin(self, count: int) -> None:
        self.count = count
        self.slots = Slots(count)
        self.out: list[Loan] = []
        self.ended: list[Loan] = []

    @rule()
    def lend(self) -> None:
        loan = self.slots.lend()
        if len(self.out) == self.count:
            assert loan is None
            return
        assert loan is not None
        assert loan.slot not in {other.slot for other in self.out}
        assert loan not in self.ended
        self.out.append(loan)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        loan = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.slots.release(loan)
        self.ended.append(loan)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def release_twice(self, data: st.DataObject) -> None:
        with pytest.raises(StateError, match="was released for its loan"):
            self.slots.release(data.draw(st.sampled_from(self.ended)))

    @rule(slot=st.integers(-10, 20), turn=st.integers(-2, 100))
    def release_what_was_never_lent(self, slot: int, turn: int) -> None:
        if Loan(slot, turn) not in self.out:
            with pytest.raises(StateError):
                self.slots.release(Loan(slot, turn))

    @invariant()
    def the_numbers_agree(self) -> None:
        assert len(self.slots) == self.count
        assert self.slots.lent == len(self.out)
        assert self.slots.free == self.count - len(self.out)
        assert self.slots.loans() == sorted(self.out)


TestLending = Lending.TestCase


@given(st.lists(st.booleans(), max_size=60))
def test_the_slot_that_came_back_last_is_lent_first(lends: list[bool]) -> None:
    slots, last = Slots(4), None
    for is_lend in lends:
        if is_lend:
            loan = slots.lend()
            assert last is None or loan is None or loan.slot == last
            last = None
        else:
            with suppress(IndexError):
                loan = slots.loans()[0]
                slots.release(loan)
                last = loan.slot


def test_no_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="0 slots"):
        Slots(0)
