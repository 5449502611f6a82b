"""The warmed process, without a fork: what it does when nobody reads, or nobody is there."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from penstock.services.warm import WarmProcess
from penstock.transport.seqpacket import Link
from penstock.wire.requests import Ended, decode, encode


@dataclass
class Ends:
    warm: WarmProcess
    requests: Link
    deaths: Link


@pytest.fixture
def ends() -> Iterator[Ends]:
    with ExitStack() as stack:
        requests, deaths = Link.pair(), Link.pair()
        for link in (*requests, *deaths):
            stack.enter_context(link)
        yield Ends(WarmProcess(requests[0], deaths[0], os.pidfd_open(os.getpid())), requests[1], deaths[1])


def test_deaths_that_nobody_reads_wait_and_come_in_order(ends: Ends) -> None:
    count = 3 * ends.deaths.room(16)
    for number in range(count):
        ends.warm.tell(Ended(number))
    heard: list[int] = []
    while len(heard) < count:
        while (message := ends.deaths.try_receive()) is not None:
            heard.append(decode(message.data, Ended).number)
        if len(heard) < count:
            assert ends.warm.turn() is None
    assert heard == list(range(count))
    ends.requests.close()
    assert ends.warm.serve() is None


@pytest.mark.parametrize("link", ["requests", "deaths"])
def test_it_ends_when_its_supervisor_has_gone(ends: Ends, link: str) -> None:
    getattr(ends, link).close()
    assert ends.warm.serve() is None


def test_deaths_that_nobody_will_read_are_no_error(ends: Ends) -> None:
    ends.deaths.close()
    ends.warm.tell(Ended(1))
    assert ends.warm.serve() is None


def test_an_unread_end_takes_less_than_a_hundred_bytes() -> None:
    assert len(encode(Ended(2**62, signal=64))) < 100
