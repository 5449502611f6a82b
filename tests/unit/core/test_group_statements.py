"""What readers that shared messages before expect of a group, statement by statement; the numbers are those of
``spec/asapo.md``, section 3. Where ours differs on purpose, the test says how.

Not here: 2, 3 and 54, about several groups and streams, are tested where groups are kept; 6, 7, 12 and 16 to 18 are of
the stream alone.
"""

import numpy as np
import pytest

from penstock.core.group import GroupState
from penstock.core.group_record import Claim, GroupRules
from penstock.core.id_ranges import of_ids, to_ids
from penstock.core.id_set import IdSet
from penstock.errors import StreamError

S = 1_000_000_000


class Reader:
    """A group, its stream, and a clock; asks for one message at a time, as ``get_next`` does."""

    def __init__(self, *ids: int, attempts: int = 0, order: str = "id", lease_s: float = 3600, gap_wait_s: float = 0):
        self.present = IdSet()
        self.state = GroupState()
        self.now = 0
        self.lease_ns = round(lease_s * S)
        rules = GroupRules(attempts=attempts, order=order, gap_wait_ns=round(gap_wait_s * S))  # type: ignore[arg-type]
        self.state.join("ann", rules, 0, lease_ns=self.lease_ns)
        self.arrive(*ids)

    def arrive(self, *ids: int) -> None:
        for message_id in ids:
            self.present.add(message_id)

    def claim(self, member: str = "ann", size: int = 1) -> Claim:
        return self.state.claim(member, self.present, self.now, size=size, lease_ns=self.lease_ns)

    def next(self, member: str = "ann") -> int:
        """Return the next id; 0 if there is none now, -1 if nothing is left at all."""
        claim = self.claim(member)
        return to_ids(claim.ids)[0] if claim.ids else -claim.is_drained

    def nexts(self, n: int) -> list[int]:
        return [self.next() for _ in range(n)]

    def ack(self, *ids: int) -> list[int]:
        return to_ids(self.state.acknowledge(of_ids(ids)))

    def unacknowledged(self, first: int = 0, last: int = 0) -> list[int]:
        return to_ids(self.state.unacknowledged(self.present, first, last))


def test_01_a_new_group_gets_1_then_2_whatever_the_order_of_arrival() -> None:
    assert Reader(3, 1, 2).nexts(3) == [1, 2, 3]


@pytest.mark.parametrize("order", ["id", "arrival"])
def test_01_in_both_orders_if_all_is_there(order: str) -> None:
    assert Reader(3, 1, 2, order=order).nexts(3) == [1, 2, 3]


def test_04_a_hundred_askers_get_each_of_a_hundred_once() -> None:
    reader = Reader(*range(1, 101))
    assert sorted(reader.next(f"member {i}") for i in range(100)) == list(range(1, 101))


def test_05_the_newest_leaves_the_position() -> None:
    reader = Reader(1, 2, 3)
    reader.state.newest(reader.present)
    assert reader.next() == 1
    reader.state.newest(reader.present)
    assert reader.next() == 2


def test_08_the_newest_is_shown_once() -> None:
    reader = Reader(1, 2)
    reader.nexts(2)
    assert [reader.state.newest(reader.present) for _ in range(2)] == [2, 0]
    reader.arrive(3)
    assert [reader.state.newest(reader.present) for _ in range(2)] == [3, 0]
    assert reader.next() == 3


def test_09_an_older_one_is_never_the_newest() -> None:
    reader = Reader(1, 2, 5)
    assert reader.state.newest(reader.present) == 5
    reader.arrive(4)
    assert reader.state.newest(reader.present) == 0


def test_10_past_the_end_the_largest_id_is_told() -> None:
    reader = Reader(1, 2)
    reader.nexts(2)
    claim = reader.claim()
    assert (claim.ids, claim.last_id) == ([], 2)


def test_11_an_empty_stream_gives_nothing() -> None:
    claim = Reader().claim()
    assert (claim.ids, claim.last_id, claim.is_drained) == ([], 0, True)


def test_13_a_gap_is_told() -> None:
    claim = Reader(2).claim()
    assert (claim.gaps, claim.last_id) == ([(1, 1)], 2)


def test_14_behind_a_gap_it_goes_on_and_what_comes_late_is_given_late() -> None:
    # There, a missing id was never offered again.
    reader = Reader(2, 4)
    assert [reader.claim().gaps for _ in range(2)] == [[(1, 1)], [(3, 3)]]
    reader.arrive(1, 5)
    assert reader.nexts(3) == [1, 5, 0]
    reader.arrive(3)
    assert reader.next() == 3


def test_14_in_order_of_arrival_no_gap_is_told_and_late_ones_are_given() -> None:
    reader = Reader(2, order="arrival", gap_wait_s=5)
    assert reader.claim().gaps == []
    reader.arrive(1)
    assert reader.next() == 1


def test_15_what_comes_while_a_gap_is_waited_for_comes_in_its_place() -> None:
    reader = Reader(2, gap_wait_s=2)
    claim = reader.claim()
    assert (claim.ids, claim.look_again_ns) == ([], 2 * S)
    reader.now = S
    reader.arrive(1)
    assert reader.nexts(2) == [1, 2]


def test_15_behind_the_wait_the_gap_is_told_and_the_next_is_given() -> None:
    reader = Reader(1, 4, 6, gap_wait_s=2)
    assert reader.nexts(2) == [1, 0]
    reader.now = 2 * S - 1
    assert reader.next() == 0
    reader.now = 2 * S
    claim = reader.claim(size=5)
    assert (claim.ids, claim.gaps) == ([(4, 4), (6, 6)], [(2, 3), (5, 5)])
    reader.arrive(2)
    assert reader.next() == 2


def test_15_a_gap_that_opens_later_is_waited_for_from_then() -> None:
    reader = Reader(2, gap_wait_s=2)
    reader.next()
    reader.now = S
    reader.arrive(4)
    assert reader.next() == 0
    reader.now = 2 * S
    assert reader.nexts(2) == [2, 0]
    reader.now = 3 * S
    assert reader.next() == 4


def test_19_seek_and_reset() -> None:
    reader = Reader(*range(1, 11))
    reader.nexts(2)
    reader.state.seek(4)
    assert reader.next() == 5
    reader.state.seek(0)
    assert reader.nexts(10) == list(range(1, 11))


def test_20_a_seek_forgets_what_is_in_flight_from_there_on() -> None:
    reader = Reader(*range(1, 9), lease_s=1)
    assert reader.nexts(6) == list(range(1, 7))
    reader.state.seek(4)
    assert reader.next() == 5
    reader.now = S
    assert [reader.next() for _ in range(6)] == [1, 2, 3, 5, 6, 7]


def test_20_an_acknowledgement_of_before_a_seek_does_not_count_behind_it() -> None:
    reader = Reader(1, 2)
    old = reader.claim(size=2)
    reader.state.seek(0)
    assert reader.state.acknowledge(old.ids, epoch=old.epoch) == []
    assert reader.nexts(2) == [1, 2]


def test_20_unless_it_is_of_what_is_still_owed() -> None:
    reader = Reader(1, 2, 3, lease_s=1)
    old = reader.claim(size=3)
    reader.state.seek(2)
    reader.state.acknowledge(old.ids, epoch=old.epoch)
    reader.now = S
    assert reader.nexts(2) == [3, 0]


def test_49_before_any_acknowledgement_there_is_no_last_one() -> None:
    reader = Reader(1, 2)
    reader.nexts(2)
    assert reader.state.record.last_acknowledged == 0


def test_50_the_last_acknowledged_is_the_largest() -> None:
    reader = Reader(*range(1, 11))
    reader.nexts(5)
    reader.ack(2, 4)
    reader.ack(3)
    assert reader.state.record.last_acknowledged == 4


@pytest.mark.parametrize(
    ("between", "ids"),
    [((0, 0), range(1, 11)), ((0, 5), range(1, 6)), ((5, 0), range(5, 11)), ((3, 7), range(3, 8)), ((1, 1), [1])],
)
@pytest.mark.parametrize("read", [0, 4, 10])
def test_51_all_are_unacknowledged_read_or_not(between: tuple[int, int], ids: range, read: int) -> None:
    reader = Reader(*range(1, 11))
    reader.nexts(read)
    assert reader.unacknowledged(*between) == list(ids)


def test_51_the_first_comes_first() -> None:
    with pytest.raises(StreamError, match="the first id comes first"):
        Reader(1).unacknowledged(7, 3)


def test_51_of_no_stream_nothing() -> None:
    assert Reader().unacknowledged() == []


@pytest.mark.parametrize("read", [0, 4, 10])
def test_52_what_was_acknowledged_is_not_listed(read: int) -> None:
    reader = Reader(*range(1, 11))
    reader.nexts(read)
    reader.ack(2, 3, 4)
    assert reader.unacknowledged() == [1, 5, 6, 7, 8, 9, 10]
    assert reader.unacknowledged(2, 4) == []
    assert reader.unacknowledged(1, 4) == [1]


def test_53_twice_is_told() -> None:
    reader = Reader(1, 2, 3)
    reader.nexts(3)
    assert [reader.ack(1), reader.ack(1), reader.ack(1, 2)] == [[], [1], [1]]
    assert reader.state.record.acknowledged == 2


def test_55_any_id_can_be_acknowledged() -> None:
    reader = Reader(1, 2, 3)
    assert reader.ack(2, 9) == []
    assert reader.nexts(3) == [1, 3, 0]
    reader.arrive(9)
    assert reader.next() == 0
    assert reader.ack(2) == [2]


def test_56_one_more_attempt() -> None:
    # "attempts" there did not count the first.
    assert Reader(1, 2, attempts=2, lease_s=0).nexts(3) == [1, 1, 2]


def test_57_three_more_of_the_first_before_the_second() -> None:
    assert Reader(1, 2, attempts=4, lease_s=0).nexts(5) == [1, 1, 1, 1, 2]


def test_57_58_not_before_the_time_is_up() -> None:
    reader = Reader(1, 2, 3, attempts=4, lease_s=1)
    assert reader.nexts(2) == [1, 2]
    reader.now = S - 1
    assert reader.next() == 3
    reader.now = S
    assert reader.next() == 1


def test_59_when_the_attempts_are_used_up_the_message_is_dead_and_the_reason_known() -> None:
    reader = Reader(1, attempts=2, lease_s=0)
    assert reader.nexts(3) == [1, 1, -1]
    (letter,) = reader.state.record.dead
    assert (letter.ids, letter.attempts, letter.reason) == ([(1, 1)], 2, "ann did not acknowledge it in time")


def test_60_what_is_acknowledged_does_not_come_again() -> None:
    reader = Reader(1, 2, lease_s=1)
    reader.nexts(2)
    reader.ack(1)
    reader.now = S
    assert reader.next() == 2


def test_61_the_end_is_told_only_when_nothing_can_come_again() -> None:
    reader = Reader(1, 2, lease_s=1)
    assert reader.nexts(3) == [1, 2, 0]
    reader.ack(1)
    reader.state.refuse("ann", [(2, 2)], 0, delay_ns=5 * S)
    assert reader.next() == 0
    reader.now = 5 * S
    assert reader.next() == 2
    reader.ack(2)
    assert reader.next() == -1


def test_62_63_what_is_refused_comes_next_once_for_each_refusal() -> None:
    reader = Reader(1, 2, 3)
    assert reader.next() == 1
    reader.state.refuse("ann", [(1, 1)], 0)
    assert reader.nexts(2) == [1, 2]
    reader.state.refuse("ann", [(1, 1)], 0)
    assert reader.nexts(3) == [1, 3, 0]


def test_62_after_its_delay() -> None:
    reader = Reader(1, 2)
    reader.next()
    reader.state.refuse("ann", [(1, 1)], 0, delay_ns=S)
    assert reader.claim().look_again_ns == S
    reader.now = S
    assert reader.next() == 1


def test_64_a_hundred_members_that_let_all_run_out_get_each_once_a_round() -> None:
    reader = Reader(*range(1, 101), lease_s=1)
    for a_round in range(3):
        reader.now = a_round * S
        assert sorted(reader.next(f"member {i}") for i in range(100)) == list(range(1, 101))


def test_65_no_limit_is_no_limit() -> None:
    assert Reader(1, 2, lease_s=0).nexts(50) == [1] * 50


def test_ids_beyond_the_32_bits_and_the_largest() -> None:
    reader = Reader(order="arrival")
    reader.present.add_all(np.array([2**40, 2**64 - 1], np.uint64))
    assert reader.nexts(2) == [2**40, 2**64 - 1]
    reader.ack(2**40, 2**64 - 1)
    assert reader.next() == -1
