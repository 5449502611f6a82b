"""Calls on a thread of their own, for coroutines."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from penstock.elements.own_thread import OwnThread

PATIENCE_S = 60.0


def test_one_thread_that_ends() -> None:
    async def ask() -> set[int]:
        thread = OwnThread("asked")
        found = {await thread.call(threading.get_ident) for _ in range(3)}
        thread.close()
        return found

    (ident,) = asyncio.run(ask())
    assert ident != threading.get_ident()
    for thread in [thread for thread in threading.enumerate() if thread.ident == ident]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError("no answer"), OSError), (StopIteration(), RuntimeError), (SystemExit(3), SystemExit)]
)
def test_what_is_raised_comes_back(error: BaseException, kind: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    async def ask() -> None:
        thread = OwnThread("asked")
        try:
            with pytest.raises(kind):
                await thread.call(fail)
            assert await thread.call(lambda: 7) == 7
        finally:
            thread.close()

    asyncio.run(ask())


def test_who_asks_no_more_is_told_nothing() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        assert may_end.wait(PATIENCE_S)
        return 7

    async def ask(then: Callable[[], None]) -> None:
        thread = OwnThread("asked")
        asking = asyncio.create_task(thread.call(wait))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        then()
        if may_end.is_set():
            assert await thread.call(lambda: 8) == 8
        thread.close()

    asyncio.run(ask(may_end.set))
    begun.clear()
    may_end.clear()
    asyncio.run(ask(lambda: None))
    may_end.set()  # its loop is closed by now; the thread ends all the same
    for thread in [thread for thread in threading.enumerate() if thread.name == "asked"]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
