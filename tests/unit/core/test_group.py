"""A group under any interleaving: each message in exactly one place, nobody given what another has, nothing lost."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.core.group import GroupState
from penstock.core.group_record import DeadLetter, GroupRecord, GroupRules, Order, Waiting
from penstock.core.id_ranges import of_ids, to_ids
from penstock.core.id_set import IdSet
from penstock.errors import ConflictError

MEMBERS = ("ann", "ben", "cat")
LEASE = 100


def ids_of(*many: list[tuple[int, int]]) -> list[int]:
    return sorted(message_id for ranges in many for message_id in to_ids(ranges))


@dataclass
class Place:
    """Where the model has a message."""

    kind: str = "unclaimed"
    member: str = ""
    attempts: int = 0
    until: int = 0


class AnyGroup(RuleBasedStateMachine):
    """A group beside a dictionary that says of every single message where it should be."""

    @initialize(
        attempts=st.integers(0, 3), order=st.sampled_from(["arrival", "id"]), wait=st.sampled_from([0, 50, 5000])
    )
    def begin(self, attempts: int, order: Order, wait: int) -> None:
        self.agreed = GroupRules(attempts=attempts, order=order, gap_wait_ns=wait)
        self.state = GroupState()
        self.present = IdSet()
        self.now = 0
        self.places: dict[int, Place] = {}
        self.acknowledged_before_there: set[int] = set()
        for member in MEMBERS:
            self.state.join(member, self.agreed, 0, lease_ns=LEASE)

    @rule(ids=st.sets(st.integers(1, 40), max_size=8))
    def arrive(self, ids: set[int]) -> None:
        for message_id in ids - set(self.places):
            self.present.add(message_id)
            self.places[message_id] = Place("settled" if message_id in self.acknowledged_before_there else "unclaimed")

    @rule(member=st.sampled_from(MEMBERS), size=st.integers(1, 12))
    def claim(self, member: str, size: int) -> None:
        self._expire()
        claim = self.state.claim(member, self.present, self.now, size=size, lease_ns=LEASE)
        ids = to_ids(claim.ids)
        assert len(ids) <= size
        assert ids == sorted(ids)
        for message_id in ids:
            place = self.places[message_id]
            assert place.kind == "unclaimed" or (place.kind == "waiting" and place.until <= self.now)
            assert claim.attempt == place.attempts + 1
            self.places[message_id] = Place("leased", member, claim.attempt, self.now + LEASE)
        if ids and claim.attempt == self.agreed.attempts:
            assert len(ids) == 1
        for message_id in ids_of(claim.gaps):
            assert message_id not in self.places
        if not ids:
            kinds = {place.kind for place in self.places.values()}
            assert not any(p.kind == "waiting" and p.until <= self.now for p in self.places.values())
            assert claim.is_drained == (not kinds & {"unclaimed", "leased", "waiting"})
            if self.agreed.order == "arrival" or not self.agreed.gap_wait_ns:
                assert "unclaimed" not in kinds
            elif "unclaimed" in kinds:
                assert claim.look_again_ns is not None
        if claim.look_again_ns is not None:
            assert claim.look_again_ns >= self.now

    @rule(ids=st.sets(st.integers(1, 45), min_size=1, max_size=12))
    def acknowledge(self, ids: set[int]) -> None:
        before = {message_id for message_id in ids if self._is_settled(message_id)}
        assert set(to_ids(self.state.acknowledge(of_ids(ids)))) == before
        for message_id in ids:
            if message_id in self.places:
                self.places[message_id].kind = "settled"
            else:
                self.acknowledged_before_there.add(message_id)

    @rule(member=st.sampled_from(MEMBERS), share=st.integers(1, 4))
    def acknowledge_what_it_has(self, member: str, share: int) -> None:
        ids = [i for i, place in self.places.items() if (place.kind, place.member) == ("leased", member)][::share]
        if ids:
            self.acknowledge(set(ids))

    @rule(
        member=st.sampled_from(MEMBERS),
        ids=st.sets(st.integers(1, 45), min_size=1, max_size=12),
        delay=st.sampled_from([0, 30, 300]),
    )
    def refuse(self, member: str, ids: set[int], delay: int) -> None:
        held = {i for i in ids if i in self.places and self._is_held(i, member)}
        assert self.state.refuse(member, of_ids(ids), self.now, delay_ns=delay, reason="bad") == len(held)
        self._back(held, self.now + delay)

    @rule(member=st.sampled_from(MEMBERS))
    def renew(self, member: str) -> None:
        self.state.renew(member, self.now, lease_ns=LEASE)
        for place in self.places.values():
            if (place.kind, place.member) == ("leased", member):
                place.until = self.now + LEASE

    @rule(member=st.sampled_from(MEMBERS))
    def leave(self, member: str) -> None:
        self.state.leave(member, self.now)
        for message_id in [i for i in self.places if self._is_held(i, member)]:
            self.places[message_id].attempts -= 1
            self._back({message_id}, self.now)

    @rule(member=st.sampled_from(MEMBERS))
    def come_again(self, member: str) -> None:
        self.state.join(member, self.agreed, self.now, lease_ns=LEASE)
        self._back({i for i in self.places if self._is_held(i, member)}, self.now)

    @rule(passed=st.sampled_from([1, 20, 60, 100, 1000]))
    def wait(self, passed: int) -> None:
        self.now += passed

    @rule(message_id=st.integers(0, 41))
    def seek(self, message_id: int) -> None:
        self.state.seek(message_id)
        for i, place in self.places.items():
            if i > message_id:
                self.places[i] = Place()
            elif i == message_id or place.kind == "unclaimed":
                self.places[i] = Place("settled")
        self.acknowledged_before_there = set(range(1, message_id + 1))

    @rule()
    def revive(self) -> None:
        dead = [i for i, place in self.places.items() if place.kind == "dead"]
        assert self.state.revive(self.now) == len(dead)
        for message_id in dead:
            self.places[message_id] = Place("waiting", "", 0, self.now)

    @rule()
    def begin_anew_elsewhere(self) -> None:
        """What another process reads from the disk is the same group."""
        record = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state.record), type=GroupRecord)
        self.state = GroupState(record, IdSet.from_tables(*self.state.unclaimed.taken.tables()))

    @precondition(lambda self: hasattr(self, "state"))
    @invariant()
    def each_is_where_it_should_be(self) -> None:
        record = self.state.record
        found = {
            "leased": ids_of(*(lease.left for lease in record.leases)),
            "waiting": ids_of(*(back.ids for back in record.waiting)),
            "dead": ids_of(*(letter.ids for letter in record.dead)),
            "unclaimed": to_ids(of_ids(self.state.unclaimed.among(self.present).ids())),
        }
        for kind, ids in found.items():
            assert ids == sorted(i for i, place in self.places.items() if place.kind == kind), kind
        for lease in record.leases:
            for message_id in to_ids(lease.left):
                place = self.places[message_id]
                assert (place.member, place.attempts) == (lease.member, lease.attempt)
                assert place.until == lease.deadline_ns
        not_held: list[Waiting | DeadLetter] = [*record.waiting, *record.dead]
        for back in not_held:
            assert {self.places[message_id].attempts for message_id in to_ids(back.ids)} == {back.attempts}
        seen = self.state.snapshot(self.present)
        counted = [seen.unclaimed, seen.in_flight, seen.waiting, seen.dead]
        assert counted == [len(found[kind]) for kind in ("unclaimed", "leased", "waiting", "dead")]
        assert sum(counted) + seen.settled == len(self.places)
        assert sum(member.in_flight for member in seen.members) == seen.in_flight
        unsettled = [i for i, place in self.places.items() if place.kind != "settled"]
        assert to_ids(self.state.unacknowledged(self.present)) == sorted(unsettled)

    def _is_settled(self, message_id: int) -> bool:
        if message_id in self.places:
            return self.places[message_id].kind == "settled"
        return message_id in self.acknowledged_before_there

    def _is_held(self, message_id: int, member: str) -> bool:
        place = self.places[message_id]
        return (place.kind, place.member) == ("leased", member)

    def _back(self, ids: set[int], due: int) -> None:
        for message_id in ids:
            place = self.places[message_id]
            is_dead = self.agreed.attempts and place.attempts >= self.agreed.attempts
            self.places[message_id] = Place("dead" if is_dead else "waiting", "", place.attempts, due)

    def _expire(self) -> None:
        late = {i for i, place in self.places.items() if place.kind == "leased" and place.until <= self.now}
        self._back(late, self.now)


TestAnyGroup = AnyGroup.TestCase


def group(*ids: int, **rules: Any) -> tuple[GroupState, IdSet]:
    state = GroupState()
    for member in MEMBERS:
        state.join(member, GroupRules(**rules), 0, lease_ns=LEASE)
    return state, IdSet(np.array(ids, np.uint64))


def claimed(state: GroupState, present: IdSet, member: str = "ann", now: int = 0, size: int = 100) -> list[int]:
    return to_ids(state.claim(member, present, now, size=size, lease_ns=LEASE).ids)


def test_a_message_that_kills_takes_no_other_with_it() -> None:
    state, present = group(*range(1, 101), attempts=3)
    now, deaths = 0, 0
    while ids := claimed(state, present, now=now, size=16):
        if 42 in ids:
            deaths += 1
            now += LEASE  # killed by it; all that it had comes back
        else:
            state.acknowledge(of_ids(ids))
    assert deaths == 3
    assert [letter.ids for letter in state.record.dead] == [[(42, 42)]]
    assert state.record.acknowledged == 99


def test_who_leaves_gives_back_without_an_attempt() -> None:
    state, present = group(1, 2, attempts=2)
    for _ in range(5):
        assert claimed(state, present) == [1, 2]
        state.leave("ann", 0)
    assert state.record.redelivered == 0


def test_who_comes_again_by_the_same_name_has_failed_before() -> None:
    state, present = group(1, attempts=2)
    for _ in range(2):
        assert claimed(state, present) == [1]
        state.join("ann", state.record.rules, 0, lease_ns=LEASE)
    assert [(letter.ids, letter.reason) for letter in state.record.dead] == [
        ([(1, 1)], "another ann came in its place")
    ]


def test_an_acknowledgement_that_comes_too_late_still_counts() -> None:
    state, present = group(1, 2)
    claimed(state, present)
    assert claimed(state, present, "ben", now=LEASE) == [1, 2]
    state.acknowledge([(1, 2)])
    assert state.acknowledge([(1, 2)]) == [(1, 2)]
    assert claimed(state, present, now=3 * LEASE) == []


def test_a_lease_that_is_renewed_is_kept() -> None:
    state, present = group(1)
    claimed(state, present)
    state.renew("ann", LEASE - 1, lease_ns=LEASE)
    assert claimed(state, present, "ben", now=2 * LEASE - 2) == []
    assert claimed(state, present, "ben", now=2 * LEASE - 1) == [1]


@pytest.mark.parametrize(("silence", "expected"), [(60, [1, 2]), (61, []), (10_000, [])])
def test_a_silence_of_all_takes_nothing_from_anybody(silence: int, expected: list[int]) -> None:
    state, present = group(1, 2)
    state.resume(5, longest_silence_ns=60)
    claimed(state, present, "ann", now=5 - LEASE + 60)
    state.resume(5 + silence, longest_silence_ns=60)
    assert claimed(state, present, "ben", now=5 + silence) == expected
    for now in range(5 + silence, 5 + silence + 61, 30):
        state.resume(now, longest_silence_ns=60)
    assert claimed(state, present, "ben", now=5 + silence + 60) == [i for i in (1, 2) if not expected]


def test_who_has_nothing_and_says_nothing_is_forgotten() -> None:
    state, present = group(1)
    claimed(state, present, "ann")
    claimed(state, present, "ben", now=LEASE - 1)
    claimed(state, present, "ben", now=2 * LEASE - 1)
    assert [member.name for member in state.snapshot(present).members] == ["ben"]


def test_what_is_no_longer_there_is_dead_not_lost() -> None:
    state, present = group(1, 2, 3, 4)
    claimed(state, present)
    present.discard_range(2, 3)
    assert claimed(state, present, now=LEASE) == [1, 4]
    assert [(letter.ids, letter.reason) for letter in state.record.dead] == [
        ([(2, 3)], "it is no longer in the stream")
    ]


def test_members_agree_on_the_rules() -> None:
    state, _ = group(attempts=3)
    with pytest.raises(ConflictError, match=r"ann, ben, cat read .* attempts=3.*dan asks for attempts=0"):
        state.join("dan", GroupRules(), LEASE - 1, lease_ns=LEASE)
    state.join("dan", GroupRules(attempts=1), LEASE, lease_ns=LEASE)
    assert state.record.rules.attempts == 1


def test_when_the_clock_begins_anew_all_comes_back() -> None:
    state, present = group(1, 2, 3)
    claimed(state, present, now=10**18, size=2)
    state.refuse("ann", [(1, 1)], 10**18, delay_ns=10**12)
    state.restart(5)
    assert claimed(state, present, "ben", now=5) == [1]
    assert claimed(state, present, "ben", now=5) == [2]
    assert [member.name for member in state.snapshot(present).members] == ["ben"]


def test_a_million_old_gaps_cost_one_wait() -> None:
    state = GroupState()
    state.join("ann", GroupRules(order="id", gap_wait_ns=1000), 0, lease_ns=10**9)
    present = IdSet(np.arange(2, 20_002, 2, dtype=np.uint64))
    assert claimed(state, present) == []
    ids = state.claim("ann", present, 1000, size=10_000, lease_ns=LEASE)
    assert len(ids.ids) == len(ids.gaps) == 10_000


def test_the_position_is_the_largest_id_that_was_handed_out() -> None:
    state, present = group(1, 2, 3, 4, 7, 8)
    for size, position in [(2, 2), (3, 7), (5, 8)]:
        claimed(state, present, size=size)
        assert state.record.position == position


@pytest.mark.parametrize("behind", [0, 5000])
def test_late_ids_among_many_gaps_are_found_by_whoever_looks(behind: int) -> None:
    state, present = group()
    present.add_all(np.arange(2, 10_002, 2, dtype=np.uint64))
    assert len(claimed(state, present, size=5000 - behind // 2)) == 5000 - behind // 2
    late = [*range(1, 200, 2), 10_003]
    got: list[int] = []
    for message_id in late:
        present.add(message_id)
        got += claimed(state, present, size=100)
    while ids := claimed(state, present):
        got += ids
    assert sorted(got) == sorted(set(late) | set(range(10_002 - behind, 10_002, 2)))


def test_few_looks_are_kept_however_often_somebody_looks() -> None:
    state = GroupState()
    state.join("ann", GroupRules(order="id", gap_wait_ns=16_000), 0, lease_ns=10**9)
    present = IdSet()
    latest: dict[int, int] = {}
    for now in range(0, 80_000, 70):
        present.add(2 + 2 * (now // 70))
        latest[2 + 2 * (now // 70)] = now
        for message_id in claimed(state, present, now=now):
            assert 16_000 <= now - latest[message_id] <= 17_140
            state.acknowledge([(message_id, message_id)])
        assert len(state.record.looks) <= 19
    assert state.record.position > 2 * (80_000 - 17_140) // 70 - 4
