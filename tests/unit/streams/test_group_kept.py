"""Groups where they are kept: in a file, seen by others as soon as promised, and in memory."""

import random
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from penstock.core.group_record import GroupRules
from penstock.core.id_ranges import to_ids
from penstock.core.id_set import IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError, StateError, StoreFullError, StreamError
from penstock.streams import group_store
from penstock.streams.group_file import GroupFile
from penstock.streams.group_store import StoredGroup, delete_group, delete_groups, list_groups
from penstock.streams.kept_group import KeptGroup
from penstock.streams.member import Member, become_member
from penstock.streams.memory_groups import MemoryGroups

S = 1_000_000_000
Opened = Callable[..., KeptGroup]


@pytest.fixture(params=["file", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Open a group of a stream, anew each time."""
    memory = MemoryGroups()

    def made(address: str = "b/s/one", name: str = "fit") -> KeptGroup:
        if request.param == "memory":
            return memory.group(StreamAddress.parse(address), name)
        return StoredGroup(tmp_path / "groups", address, name)

    return made


@pytest.fixture
def present() -> IdSet:
    ids = IdSet()
    ids.add_range(1, 10)
    return ids


@pytest.fixture
def join(opened: Opened, present: IdSet) -> Iterator[Callable[..., Member]]:
    joined: list[Member] = []

    def made(address: str = "b/s/one", name: str = "fit", **options: object) -> Member:
        joined.append(become_member(opened(address, name), lambda: present, **options))  # type: ignore[arg-type]
        return joined[-1]

    yield made
    for member in joined:
        member.leave()


def ids(member: Member, size: int = 256) -> list[int]:
    return to_ids(member.claim(size).ids)


def until(claim: Callable[[], bool]) -> None:
    """Wait for what others do in the background; the test's own limit of time ends it."""
    while not claim():
        threading.Event().wait(0.001)


def test_02_03_54_groups_and_streams_know_nothing_of_each_other(join: Callable[..., Member]) -> None:
    members = [join(), join(name="other"), join("b/s/two")]
    assert [ids(member) for member in members] == [list(range(1, 11))] * 3
    members[0].acknowledge(*range(1, 11))
    assert [member.unacknowledged() for member in members] == [[], [(1, 10)], [(1, 10)]]


@pytest.mark.parametrize("name", ["$", "a/b", "\\", " ", "ä.%&?*#'", "_", "x" * 5000, "a_b"])
def test_26_any_name(join: Callable[..., Member], name: str) -> None:
    first, second = join(name=name), join(name=name)
    assert (ids(first, 4), ids(second)) == ([1, 2, 3, 4], [5, 6, 7, 8, 9, 10])


def test_members_share(join: Callable[..., Member]) -> None:
    members = [join() for _ in range(3)]
    got = [ids(member, 4) for member in members]
    assert got == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    members[0].leave()
    assert ids(members[1]) == [1, 2, 3, 4]


def test_an_acknowledgement_is_written_in_time_without_another_call(join: Callable[..., Member]) -> None:
    one, other = join(flush_s=0.001), join()
    ids(one)
    one.acknowledge(3)
    until(lambda: other.snapshot().acknowledged == 1)


def test_acknowledgements_wait_for_each_other_and_go_with_the_next_claim(join: Callable[..., Member]) -> None:
    one, other = join(flush_s=3600), join()
    for n in range(1, 11):
        assert ids(one, 1) == [n]
        one.acknowledge(n)
        for _ in range(20):
            assert other.snapshot().acknowledged == n - 1


def test_with_no_interval_it_is_written_when_it_returns(join: Callable[..., Member]) -> None:
    one, other = join(flush_s=0), join()
    ids(one)
    for n in (1, 2, 3):
        one.acknowledge(n)
        assert other.snapshot().acknowledged == n


def test_53_twice_is_told(join: Callable[..., Member]) -> None:
    one, other = join(flush_s=3600), join(flush_s=0)
    ids(one)
    one.acknowledge(1, 2)
    assert one.flush() == []
    other.acknowledge(3)
    one.acknowledge(2)
    one.acknowledge(3)
    assert one.flush() == [(2, 3)]
    assert one.flush() == []


def test_a_member_lives_as_long_as_its_process(join: Callable[..., Member], opened: Opened, present: IdSet) -> None:
    now = [0]
    quiet = Member(
        opened(),
        lambda: present,
        member="quiet",
        rules=GroupRules(),
        lease_s=0.05,
        flush_s=1,
        clock_ns=lambda: now[0],
    )
    with quiet:
        quiet.claim()
        looked_at = opened()
        with looked_at.change() as state:
            lent = state.record.leases[0].deadline_ns
        now[0] = S
        deadline = lent

        def is_renewed() -> bool:
            nonlocal deadline
            with looked_at.change() as state:
                deadline = state.record.leases[0].deadline_ns
            return deadline > lent

        until(is_renewed)
        assert deadline == S + S // 20
    looked_at.close()


def test_what_failed_is_given_to_others_with_its_reason(join: Callable[..., Member]) -> None:
    one, other = join(attempts=2), join(attempts=2)
    assert ids(one, 1) == [1]
    assert one.refuse(1, reason="too dark") == 1
    assert ids(other, 5) == [1]
    assert other.refuse(1, reason="too dark to see") == 1
    assert [(letter.ids, letter.reason) for letter in one.dead()] == [([(1, 1)], "too dark to see")]
    assert one.revive() == 1
    assert ids(one, 1) == [1]


def test_seek_is_everybodys(join: Callable[..., Member]) -> None:
    one, other = join(flush_s=3600), join()
    old = one.claim()
    other.seek(8)
    one.acknowledge(9, 10, epoch=old.epoch)
    assert ids(other) == [9, 10]
    other.seek(0)
    assert ids(one) == list(range(1, 11))
    with pytest.raises(StreamError, match="no id -1 to seek"):
        one.seek(-1)


def test_08_the_newest_is_shown_once_in_the_group(join: Callable[..., Member], present: IdSet) -> None:
    one, other = join(), join()
    assert [one.newest(), other.newest(), one.newest()] == [10, 0, 0]
    present.add(12)
    assert [other.newest(), one.newest()] == [12, 0]


def test_who_has_left_is_told_so(join: Callable[..., Member]) -> None:
    member = join(member="ann")
    member.leave()
    for call in (member.claim, member.flush, lambda: member.acknowledge(1), member.snapshot):
        with pytest.raises(StateError, match="ann has left"):
            call()


def test_a_membership_is_of_one_process(join: Callable[..., Member], monkeypatch: pytest.MonkeyPatch) -> None:
    member = join(lease_s=3600)
    with monkeypatch.context() as patched:
        patched.setattr("os.getpid", lambda: 1)
        with pytest.raises(StateError, match="each process needs its own"):
            member.claim()


def test_members_agree(join: Callable[..., Member]) -> None:
    join(attempts=1)
    with pytest.raises(ConflictError, match="attempts=1"):
        join(attempts=2)


@pytest.mark.parametrize("options", [{"lease_s": 0}, {"attempts": -1}, {"gap_wait_s": -1}, {"lease_s": float("nan")}])
def test_senseless_numbers_are_refused(join: Callable[..., Member], options: dict[str, float]) -> None:
    with pytest.raises(StreamError, match="is too little for a group"):
        join(**options)


def test_what_fails_in_the_background_is_raised_at_the_next_call(present: IdSet, opened: Opened) -> None:
    broken = threading.Event()

    def there() -> IdSet:
        return present

    kept = opened()
    member = become_member(kept, there, flush_s=0.001)
    change = kept.change
    failed = threading.Event()

    def failing() -> object:
        if broken.is_set():
            failed.set()
            raise StoreFullError("no room")
        return change()

    kept.change = failing  # type: ignore[method-assign,assignment]
    ids(member)
    broken.set()
    member.acknowledge(1)
    failed.wait()
    with pytest.raises(StoreFullError, match="no room"):
        until(lambda: bool(member.flush()))
    broken.clear()
    member.flush()
    assert 1 not in to_ids(member.unacknowledged())
    member.leave()


def test_a_file_keeps_it_all(tmp_path: Path, present: IdSet) -> None:
    folder = tmp_path / "groups"
    with become_member(StoredGroup(folder, "b/s/one", "fit"), lambda: present) as member:
        ids(member, 5)
        member.acknowledge(1, 2, 4)
    with become_member(StoredGroup(folder, "b/s/one", "fit"), lambda: present) as member:
        assert [ids(member), ids(member)] == [[3, 5], [6, 7, 8, 9, 10]]
    assert list_groups(folder, "b/s/one") == ["fit"]
    assert list_groups(folder, "b/s/on") == []


def test_09_deletion_is_exact(tmp_path: Path, present: IdSet) -> None:
    folder = tmp_path / "groups"
    for address, name in [("b/s/a", "b_c"), ("b/s/a_b", "c"), ("b/s/A", "c"), ("b/s/a", "c")]:
        become_member(StoredGroup(folder, address, name), lambda: present).leave()
    assert delete_groups(folder, "b/s/a")
    assert not delete_groups(folder, "b/s/a")
    assert delete_group(folder, "b/s/A", "c")
    assert not delete_group(folder, "b/s/A", "c")
    assert [list_groups(folder, address) for address in ("b/s/a", "b/s/A", "b/s/a_b")] == [[], [], ["c"]]


def test_46_a_group_that_was_deleted_begins_anew(join: Callable[..., Member], tmp_path: Path, present: IdSet) -> None:
    folder = tmp_path / "groups"
    with become_member(StoredGroup(folder, "b/s/one", "fit"), lambda: present, attempts=7) as member:
        ids(member)
        delete_group(folder, "b/s/one", "fit")
        assert ids(member) == list(range(1, 11))
        kept = StoredGroup(folder, "b/s/one", "fit")
        with kept.change() as state:
            assert state.record.rules.attempts == 7
        kept.close()


def test_many_gaps_are_written_as_additions_and_read_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_store, "LEAST_REPLACED", 2000)
    dice = random.Random(7)
    folder = tmp_path / "groups"
    kept = [StoredGroup(folder, "b/s/one", "fit") for _ in range(3)]
    present, taken = IdSet(), IdSet()
    grown = []
    for step in range(600):
        for _ in range(20):
            present.add(dice.randrange(1, 40 * (step + 1)))
        with dice.choice(kept).change() as state:
            assert state.unclaimed.taken == taken
            if dice.random() < 0.01:
                state.seek(dice.randrange(0, 5000))
            claim = state.claim("ann", present, step, size=20, lease_ns=10**9)
            state.acknowledge(claim.ids)
            taken = state.unclaimed.taken.copy()
        (path,) = folder.glob("*/*")
        grown.append(path.stat().st_size)
        assert grown[-1] <= 2000 + group_store.WHOLES * (2 * len(taken.tables()[0]) + 1000)
    assert 5 < sum(later < before for before, later in pairwise(grown)) < 300, "written anew now and then"
    fresh = StoredGroup(folder, "b/s/one", "fit")
    with fresh.change() as state:
        assert state.unclaimed.taken == taken
    for group in [*kept, fresh]:
        group.close()


def test_after_the_machine_was_started_anew_times_begin_anew(tmp_path: Path, present: IdSet) -> None:
    folder = tmp_path / "groups"
    before = StoredGroup(folder, "b/s/one", "fit", boot=lambda: "before")
    with before.change() as state:
        state.claim("ann", present, 10**18, size=4, lease_ns=S)
    after = StoredGroup(folder, "b/s/one", "fit", boot=lambda: "after", clock_ns=lambda: 5)
    for _ in range(2):
        with after.change() as state:
            claim = state.claim("ben", present, 5, size=4, lease_ns=S)
            assert claim.attempt == 2 or claim.ids == [(5, 8)]
            assert all(lease.deadline_ns == 5 + S for lease in state.record.leases)
    for group in (before, after):
        group.close()


def test_a_full_disk_loses_nothing(tmp_path: Path, present: IdSet) -> None:
    member = become_member(StoredGroup(tmp_path, "b/s/one", "fit"), lambda: present, flush_s=3600, attempts=3)
    claim = member.claim()
    member.acknowledge(*range(1, 10), epoch=claim.epoch)
    (path,) = tmp_path.glob("*/*")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 300, limits[1]))
    try:
        with pytest.raises(StoreFullError, match="File too large; nothing that was acknowledged is lost"):
            member.refuse(10, reason="dark " * 5000)
        assert path.read_bytes() == before, "nothing is left of what had no room"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert member.refuse(10, reason="dark " * 5000) == 1
    assert member.unacknowledged() == [(10, 10)]
    member.leave()


def a_group(folder: Path, changes: int = 3) -> Path:
    """Change a group so often, one message acknowledged each time, and return its file."""
    kept, present = StoredGroup(folder, "b/s/one", "fit"), IdSet()
    present.add_range(1, 100)
    for step in range(changes):
        with kept.change() as state:
            state.acknowledge(state.claim("ann", present, step, size=1, lease_ns=S).ids)
    kept.close()
    (path,) = folder.glob("*/*")
    return path


def acknowledged(folder: Path, boot: Callable[[], str] = group_store.boot_id) -> int:
    kept = StoredGroup(folder, "b/s/one", "fit", boot=boot)
    try:
        with kept.change() as state:
            assert state.unclaimed.taken.count == state.record.acknowledged
            return state.record.acknowledged
    finally:
        kept.close()


def test_a_change_that_is_cut_off_anywhere_has_not_been(tmp_path: Path) -> None:
    path = a_group(tmp_path)
    whole = path.read_bytes()
    seen = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert list_groups(tmp_path, "b/s/one") == (["fit"] if acknowledged(tmp_path) else [])
        seen.append(acknowledged(tmp_path))
    assert sorted(set(seen)) == [0, 1, 2]
    assert seen == sorted(seen)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = a_group(tmp_path)
    whole = path.read_bytes()

    def found(damaged: bytes) -> int | str:
        path.write_bytes(damaged)
        try:
            return acknowledged(tmp_path)
        except IntegrityError as error:
            return str(error)

    for at in range(len(whole)):
        said = found(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        # A length that is too large by it makes a piece look as if it had been cut off.
        assert said in (0, 1, 2) or str(said).startswith("group 'fit' of b/s/one cannot be read: "), at


def test_what_did_not_reach_the_disk_is_handed_out_again(tmp_path: Path) -> None:
    path = a_group(tmp_path, 4)
    damaged = bytearray(path.read_bytes())
    middle = 2 * len(damaged) // 3
    damaged[middle : middle + 20] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(IntegrityError, match="is not what was written"):
        acknowledged(tmp_path)
    found = acknowledged(tmp_path, lambda: "another start of the machine")
    assert 0 < found < 4
    assert acknowledged(tmp_path, lambda: "another start of the machine") == found


def test_the_length_reached_the_disk_and_nothing_else(tmp_path: Path) -> None:
    path = a_group(tmp_path)
    path.write_bytes(bytes(path.stat().st_size))
    assert acknowledged(tmp_path, lambda: "another start of the machine") == 0


def test_what_is_no_group_is_said_so(tmp_path: Path) -> None:
    path = a_group(tmp_path)
    path.write_bytes(b"no group")
    with pytest.raises(IntegrityError, match=r"cannot be read: .*no file of a group"):
        acknowledged(tmp_path)
    assert delete_group(tmp_path, "b/s/one", "fit")
    with closing(GroupFile(path)) as file:
        file.lock()
        file.append(b"no group either")
    with pytest.raises(IntegrityError, match="'fit' of b/s/one cannot be read"):
        acknowledged(tmp_path)


def test_looking_at_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with closing(StoredGroup(tmp_path, "b/s/one", "fit")) as kept, kept.look() as state:
        assert state is None
    assert not list(tmp_path.iterdir())


def test_who_is_held_up_while_it_holds_the_group_takes_nothing_from_others(opened: Opened, present: IdSet) -> None:
    now = [S]
    held_up_ns = 0

    def there() -> IdSet:
        now[0] += held_up_ns  # a disk that keeps it waiting, or a machine that sleeps
        return present

    def member(name: str) -> Member:
        rules = GroupRules()
        return Member(opened(), there, member=name, rules=rules, lease_s=30, flush_s=9, clock_ns=lambda: now[0])

    with member("ann") as ann, member("ben") as ben, member("eve") as eve:
        assert [ids(one, 2) for one in (ann, ben)] == [[1, 2], [3, 4]]
        held_up_ns = 60 * S
        assert ids(eve, 2) == [5, 6]
        held_up_ns = 0
        assert ids(eve, 2) == [7, 8]
        assert (eve.snapshot().in_flight, eve.snapshot().redelivered) == (8, 0)
