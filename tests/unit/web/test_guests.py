"""Who may stay: nobody locks others out, and nobody takes for ever."""

from typing import Any

import pytest

from penstock.web import guests as limits
from penstock.web.guests import Guests


class Transport:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.unsent = 0
        self.ended = ""

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


def entered(guests: Guests, address: str, now_s: float = 0.0, doing: Any = "waiting") -> Any:
    transport: Any = Transport()
    assert guests.enter(transport, address, now_s) == ""
    guest = guests.guest(transport)
    assert guest is not None
    guest.turns(doing, now_s)
    return transport


def test_who_only_waits_gives_way_the_longest_first() -> None:
    guests = Guests(most=4, most_of_one=3)
    first = entered(guests, "greedy", 0)
    second = entered(guests, "greedy", 1)
    busy = entered(guests, "greedy", -1, "served")
    third = entered(guests, "greedy", 2)
    assert (first.ended, second.ended, busy.ended) == ("closed", "", "")
    other = entered(guests, "other", 0)
    another = entered(guests, "another", 3)
    assert (other.ended, second.ended, third.ended) == ("closed", "", "")
    assert len(guests) == 4
    guests.leave(other)  # it is told again when it has gone
    guests.leave(another)
    assert len(guests) == 3


def test_of_the_greedy_no_more_are_let_in_and_others_are() -> None:
    guests = Guests(most=5, most_of_one=3)
    greedy = [entered(guests, "greedy", k, "following") for k in range(3)]
    refused: Any = Transport()
    assert guests.enter(refused, "greedy", 4) == (
        "greedy has 3 connections, all in use; close one of them, and try again"
    )
    assert refused.ended == "", "it is told so first"
    entered(guests, "other", 4, "served")
    entered(guests, "another", 4, "served")
    assert guests.enter(Transport(), "one more", 4) == "there are 5 connections, all in use; try again"  # type: ignore[arg-type]
    assert [each.ended for each in greedy] == [""] * 3
    guests.leave(greedy[0])
    guests.leave(refused)
    entered(guests, "greedy", 5, "served")
    assert len(guests) == 5


def test_an_answer_that_is_still_taken_does_not_give_way() -> None:
    guests = Guests(most_of_one=1)
    slow = entered(guests, "a")
    slow.unsent = 1
    assert "all in use" in guests.enter(Transport(), "a", 1)  # type: ignore[arg-type]
    slow.unsent = 0
    entered(guests, "a", 1)
    assert slow.ended == "closed"


def test_not_many_wait_to_be_refused() -> None:
    guests = Guests(most_of_one=1)
    entered(guests, "a", 0, "served")
    refused: list[Any] = [Transport() for _ in range(limits.MOST_REFUSED + 1)]
    for each in refused:
        assert guests.enter(each, "a", 0)
    assert [each.ended for each in refused] == [""] * limits.MOST_REFUSED + ["aborted"]
    guests.sweep(limits.REFUSED_S + 0.1)
    assert all(each.ended == "aborted" for each in refused)


@pytest.mark.parametrize(
    ("doing", "patience_s"), [("waiting", limits.HEAD_S), ("asking", limits.BODY_S), ("refused", limits.REFUSED_S)]
)
def test_a_request_must_come_in_time(doing: Any, patience_s: float) -> None:
    guests = Guests()
    slow = entered(guests, "a", 100.0, doing)
    guests.sweep(100.0 + patience_s)
    assert slow.ended == ""
    guests.sweep(100.1 + patience_s)
    assert slow.ended == "aborted"


@pytest.mark.parametrize("doing", ["served", "following"])
def test_who_is_served_may_stay(doing: Any) -> None:
    guests = Guests()
    calm = entered(guests, "a", 0, doing)
    for now_s in range(0, 100_000, 100):
        guests.sweep(now_s)
    assert calm.ended == ""


@pytest.mark.parametrize(("bytes_per_s", "ends"), [(1000, True), (60_000, True), (70_000, False)])
def test_a_reader_must_take_what_it_asked_for(bytes_per_s: int, ends: bool) -> None:
    guests = Guests()
    reader = entered(guests, "a", 0, "served")
    left = 80_000_000
    for now_s in range(60):
        reader.unsent = left - now_s * bytes_per_s
        assert guests.unsent_bytes == reader.unsent
        guests.sweep(now_s)
        if reader.ended:
            break
    assert (reader.ended == "aborted") == ends
    assert not ends or now_s <= limits.WINDOW_S + 1


def test_a_viewer_that_is_up_to_date_now_and_then_is_not_slow() -> None:
    guests = Guests()
    viewer = entered(guests, "a", 0, "following")
    for now_s in range(200):
        viewer.unsent = 0 if now_s % 5 == 0 else 500_000
        guests.sweep(now_s)
    assert viewer.ended == ""
