"""Everybody who takes part: what is started for them, how they are introduced, and what their deaths leave."""

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest

from penstock.errors import ProcessError
from penstock.services.child import Child, Death
from penstock.services.members import FUNCTIONS, GENERATIONS, Member, Members
from penstock.services.orders import ElementOrder, RoomOrder, SourceOrder
from penstock.services.progress import Progress
from penstock.transport.seqpacket import Link
from penstock.wire.supervision import Enter

ELEMENT = ElementOrder(name="code", reference="module:code")


class Started:
    """What one process was started with; it has its descriptors as a process would."""

    def __init__(self, name: str, function: str, order: Any, fds: Sequence[int], cpus: Collection[int]) -> None:
        self.name, self.function, self.order, self.cpus = name, function, order, tuple(cpus)
        self.fds = [os.dup(fd) for fd in fds]


class Nobody:
    """Starts no processes, and notes what they would be."""

    def __init__(self) -> None:
        self.started: list[Started] = []
        self.killed: list[Child] = []
        self.refuses = False

    def start(
        self, name: str, function: str, arguments: Any, fds: Sequence[int], *, cpus: Collection[int] = ()
    ) -> Child:
        if self.refuses:
            raise ProcessError("no room for another process")
        self.started.append(Started(name, function, arguments, fds, cpus))
        return Child(number=len(self.started), name=name, pid=1000 + len(self.started))

    def kill(self, child: Child) -> None:
        self.killed.append(child)


class Case:
    """Members, and what the event builder is told of them."""

    def __init__(self) -> None:
        self.processes = Nobody()
        self.told: list[tuple[Enter, list[int]]] = []
        self.members = Members(self.processes, self.hear)  # type: ignore[arg-type]  # it starts nobody

    def hear(self, enter: Enter, fds: Sequence[int]) -> None:
        self.told.append((enter, [os.dup(fd) for fd in fds]))

    def add(self, name: str = "fit-0", of: str = "fit", role: str = "map", **more: Any) -> Member:
        order: Any = RoomOrder(name=name, stage=of, kind=role, elements=(ELEMENT,), folder=".", producers=())
        if role == "source":
            order = SourceOrder(name=name, element=ELEMENT, folder=".", slots=4)
        member = Member(name=name, of=of, role=role, order=order, **more)
        self.members.add(member)
        return member

    def death(self, number: int) -> Death:
        started = self.processes.started[number - 1]
        return Death(child=Child(number=number, name=started.name, pid=1000 + number), signal=9)

    def close(self) -> None:
        self.members.close()
        for fds in [*(started.fds for started in self.processes.started), *(fds for _, fds in self.told)]:
            for fd in fds:
                os.close(fd)


@pytest.fixture
def case() -> Iterator[Case]:
    found = Case()
    yield found
    found.close()


@pytest.mark.parametrize("role", FUNCTIONS)
def test_each_is_started_as_what_it_is(role: str, case: Case) -> None:
    member = case.add(role=role, cpus=(2, 3))
    (started,) = case.processes.started
    assert (started.name, started.function, started.cpus) == ("fit-0", FUNCTIONS[role], (2, 3))
    assert started.order == member.order
    assert started.order.generation == 1
    ((enter, _),) = case.told
    assert enter == Enter("fit-0", "fit", role)
    assert member.child is not None
    assert case.members.pids() == {"fit-0": 1001}


def test_it_and_the_event_builder_have_the_two_ends_of_one_link_and_one_page(case: Case) -> None:
    reading, writing = os.pipe()
    case.add(fds=(writing,))
    ((link, page, beside),) = [started.fds for started in case.processes.started]
    ((_, (other, other_page)),) = case.told
    with Link(os.dup(link)) as its, Link(os.dup(other)) as builders:
        its.send(b"ready")
        received = builders.receive()
        assert received is not None
        assert received.data == b"ready"
    process, watcher = Progress(os.dup(page)), Progress(os.dup(other_page))
    process.begin(7)
    assert watcher.state[0] == 7
    process.close()
    watcher.close()
    os.write(beside, b"!")
    assert os.read(reading, 1) == b"!"
    os.close(reading)
    os.close(writing)


def test_the_supervisor_keeps_no_end_so_that_deaths_are_noticed(case: Case) -> None:
    case.add()
    ((link, *_),) = [started.fds for started in case.processes.started]
    ((_, (other, _)),) = case.told
    with Link(os.dup(other)) as builders:
        os.close(link)
        case.processes.started[0].fds.remove(link)
        assert builders.receive() is None
        assert builders.is_ended


def test_who_follows_writes_pools_with_higher_numbers(case: Case) -> None:
    member = case.add()
    case.members.start(member)
    case.members.start(member)
    generations = [started.order.generation for started in case.processes.started]
    assert generations == [1, GENERATIONS + 1, 2 * GENERATIONS + 1]


def test_also_another_member_of_a_name_that_was_used(case: Case) -> None:
    case.add()
    case.add()
    assert case.processes.started[1].order.generation == GENERATIONS + 1
    assert len(case.members.by_name) == 1


def test_who_is_started_again_has_yet_to_enter(case: Case) -> None:
    member = case.add()
    assert [case.members.are_ready] == [False]
    member.is_entered, member.killed_for = True, "it hung"
    assert [case.members.are_ready] == [True]
    case.members.start(member)
    assert [case.members.are_ready] == [False]
    assert member.killed_for == ""


def test_those_who_leave_are_counted_no_more(case: Case) -> None:
    one, two = case.add("fit-0"), case.add("fit-1")
    case.add("image", of="image", role="reduce")
    assert case.members.of("fit") == [one, two]
    one.is_leaving = True
    assert case.members.of("fit") == [two]
    assert [member.name for member in case.members] == ["fit-0", "fit-1", "image"]


def test_a_death_is_of_whom_it_was(case: Case) -> None:
    one, two = case.add("fit-0"), case.add("fit-1")
    assert case.members.bury(case.death(2)) is two
    assert (two.child, case.members.pids()) == (None, {"fit-0": 1001})
    assert case.members.bury(case.death(2)) is None
    assert case.members.bury(case.death(1)) is one
    assert case.members.pids() == {}


def test_a_late_word_of_an_earlier_death_does_not_bury_the_successor(case: Case) -> None:
    member = case.add()
    case.members.start(member)
    assert case.members.bury(case.death(1)) is member
    assert case.members.pids() == {"fit-0": 1002}
    assert case.members.bury(case.death(2)) is member
    assert member.child is None


def test_who_hangs_is_killed_and_it_is_remembered_why(case: Case) -> None:
    member = case.add()
    case.members.kill("fit-0", "it got on with nothing")
    case.members.kill("fit-7", "nobody of this name")
    assert [child.name for child in case.processes.killed] == ["fit-0"]
    assert member.killed_for == "it got on with nothing"
    case.members.bury(case.death(1))
    case.members.kill("fit-0", "it is dead already")
    assert len(case.processes.killed) == 1


def test_without_a_process_nobody_is_introduced_and_nothing_stays_open(case: Case) -> None:
    case.processes.refuses = True
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    with pytest.raises(ProcessError, match="no room"):
        case.add()
    case.members.close()
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    assert (case.told, case.members.pids()) == ([], {})
