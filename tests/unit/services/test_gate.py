"""A gate between items and those who work on them: it costs nothing, and what waits at it is known exactly."""

import asyncio
import threading
from itertools import compress, repeat
from typing import Any

import pytest

from penstock.services.strands.gate import Gate, GivenUpError


class Waiting:
    """A gate, and a thread that takes items through it."""

    def __init__(self, items: Any) -> None:
        self.event = threading.Event()
        self.took: list[Any] = []
        self.raised: list[BaseException] = []
        self.came = threading.Event()
        self.gate = Gate(self.wait, self.event.set, is_of_feed=True)
        self.thread = threading.Thread(target=self.live, args=(items,))

    def wait(self) -> None:
        self.came.set()
        self.event.wait()
        self.event.clear()

    def live(self, items: Any) -> None:
        self.gate.ident = threading.get_ident()
        try:
            for item in compress(items, repeat(self.gate)):
                self.took.append(item)
        except GivenUpError as error:
            self.raised.append(error)


def test_it_is_open_at_first_and_lets_everything_through() -> None:
    waiting = Waiting([0, None, "", 5])
    waiting.live([0, None, "", 5])
    assert waiting.took == [0, None, "", 5]
    assert not waiting.gate.has_item()


@pytest.mark.timeout(30)
def test_the_item_that_has_come_waits_and_is_lost_for_nobody() -> None:
    waiting = Waiting(range(3))
    gate = waiting.gate
    gate.shut()
    assert gate.is_shut
    waiting.thread.start()
    waiting.came.wait()
    assert (gate.has_item(), gate.has_first, waiting.took) == (True, True, [])
    waiting.came.clear()
    waiting.event.set()  # somebody else wakes the thread
    waiting.came.wait()
    assert waiting.took == []
    gate.open()
    waiting.thread.join()
    assert (waiting.took, gate.has_item(), gate.has_first, gate.given_up) == ([0, 1, 2], False, False, 0)


@pytest.mark.timeout(30)
def test_who_halts_has_the_item_given_up() -> None:
    waiting = Waiting(range(3))
    waiting.gate.shut()
    waiting.thread.start()
    waiting.came.wait()
    waiting.gate.halt()
    waiting.thread.join()
    assert len(waiting.raised) == 1
    assert (waiting.took, waiting.gate.given_up, waiting.gate.has_first) == ([], 1, False)


@pytest.mark.timeout(30)
def test_who_waits_on_a_loop_is_woken_from_another_thread() -> None:
    gate = Gate(lambda: None, lambda: None, is_of_feed=True)

    async def wait() -> bool:
        gate.shut()
        task = asyncio.ensure_future(gate.pass_awaiting())
        while not gate.has_first:
            await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, gate.open)
        await task
        return gate.has_first

    assert asyncio.run(wait()) is False
    assert gate.given_up == 0


@pytest.mark.timeout(30)
def test_who_halts_has_it_given_up_on_a_loop_too() -> None:
    gate = Gate(lambda: None, lambda: None, is_of_feed=True)

    async def wait() -> None:
        gate.shut()
        task = asyncio.ensure_future(gate.pass_awaiting())
        while not gate.has_first:
            await asyncio.sleep(0)
        gate.halt()
        with pytest.raises(GivenUpError):
            await task

    asyncio.run(wait())
    assert (gate.left, gate.has_first) == (1, False)


@pytest.mark.timeout(30)
def test_who_is_cancelled_on_a_loop_gives_the_item_up() -> None:
    gate = Gate(lambda: None, lambda: None, is_of_feed=True)

    async def wait() -> None:
        gate.shut()
        task = asyncio.ensure_future(gate.pass_awaiting())
        while not gate.has_first:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(wait())
    assert (gate.given_up, gate.has_first) == (1, False)
