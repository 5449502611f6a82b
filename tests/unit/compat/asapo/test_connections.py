"""Who is connected to a server for ASAPO's clients, and who has to go."""

from typing import Any

from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.connections import Connections
from penstock.compat.asapo.limits import Limits
from penstock.compat.asapo.refusals import Refusals

LIMITS = Limits(most_clients=3, most_strangers=2, hello_s=10, stall_s=60, most_message_bytes=1, most_bytes=1)


class Client(Connection):
    """One without a socket."""

    def __init__(self, name: str, came_at: float = 0.0, *, is_idle: bool = True, has_asked: bool = False) -> None:
        desk: Any = None  # it is asked for nothing here
        super().__init__(desk)
        self.peer, self.came_at, self.active_at, self.has_asked = name, came_at, came_at, has_asked
        self._is_busy = not is_idle
        self.is_dropped = False

    def drop(self) -> None:
        self.is_dropped = True


class Roll:
    """Connections whose time and words are known."""

    def __init__(self, *, are_known: bool = False) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.left: list[Connection] = []
        self.connections = Connections(
            LIMITS,
            Refusals(self.said.append, lambda: 0),
            are_known=are_known,
            left=self.left.append,
            clock=lambda: self.now,
        )


def test_of_too_many_strangers_who_has_asked_for_nothing_goes_first() -> None:
    roll = Roll()
    asked, silent = Client("asked", has_asked=True), Client("silent", came_at=5)
    assert all(map(roll.connections.came, (asked, silent, Client("third"))))
    assert (asked.is_dropped, silent.is_dropped, roll.left) == (False, True, [silent])
    assert (roll.connections.served, roll.connections.refused) == (3, 1)
    assert "too many connections" in roll.said[0]


def test_who_is_busy_stays_and_the_new_one_does_not() -> None:
    roll = Roll(are_known=True)
    busy = [Client(f"{number}", is_idle=False) for number in range(3)]
    assert all(map(roll.connections.came, busy))
    assert not roll.connections.came(Client("late"))
    assert [one.is_dropped for one in busy] == [False] * 3
    assert roll.connections.served == 3


def test_strangers_have_less_time_than_those_who_are_known() -> None:
    roll = Roll()
    silent, asked, known = Client("silent"), Client("asked", has_asked=True), Client("known")
    known_and_stuck = Client("stuck")
    for one in (known, known_and_stuck):
        roll.connections.came(one)
        one.is_known = True
    roll.connections.came(silent)
    known_and_stuck.began_at = 1.0
    roll.now = 11.0
    roll.connections.sweep()
    assert [one.is_dropped for one in (silent, known, known_and_stuck)] == [True, False, False]
    roll.connections.went(silent)
    roll.connections.came(asked)  # who only asked where services are
    roll.now = 62.0
    roll.connections.sweep()
    assert [one.is_dropped for one in (asked, known, known_and_stuck)] == [True, False, True]
    assert [line.split(":")[1] for line in roll.said] == [" silent", " stuck"]
