"""Time that jumps: timers in order, the clock with them, threads waited for, deadlocks found."""

import asyncio
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements import clock
from penstock.testing.virtual_loop import VirtualLoop, run_virtually

HOUR_S = 3600.0


def now_s() -> float:
    return asyncio.get_running_loop().time()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_timers_end_in_order_and_at_their_time(delays: list[float]) -> None:
    woken: list[tuple[float, float]] = []

    async def sleeps(delay: float) -> None:
        await asyncio.sleep(delay)
        woken.append((delay, now_s()))

    async def main() -> None:
        await asyncio.gather(*map(sleeps, delays))

    run_virtually(main())
    assert [delay for delay, _ in woken] == sorted(delays)
    assert all(abs(delay - time_s) < 1e-6 for delay, time_s in woken)


@given(st.floats(1e-3, 10), st.floats(1e-3, 10))
def test_who_waits_until_a_time_finds_it_come(pause_s: float, until_s: float) -> None:
    async def sleeps() -> None:
        for _ in range(20):
            await asyncio.sleep(pause_s)

    async def main() -> float:
        sleeping = asyncio.create_task(sleeps())
        turns = 0
        while now_s() < until_s:
            turns += 1
            assert turns < 3
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until_s):
                    await asyncio.Event().wait()
        found = now_s()
        await sleeping
        return found

    assert run_virtually(main()) == pytest.approx(until_s)


def test_the_clock_says_the_loops_time() -> None:
    async def main() -> tuple[int, float, float]:
        await asyncio.sleep(HOUR_S)
        clock.sleep(1)  # in a step that is no coroutine
        return clock.utc_ns(), clock.monotonic_s(), await asyncio.create_task(later())

    async def later() -> float:
        await asyncio.sleep(1)
        return clock.monotonic_s()

    assert run_virtually(main(), begin_ns=5) == (3601_000_000_005, 3601.0, 3602.0)


def test_outside_it_is_another_time() -> None:
    before_s = clock.monotonic_s()
    run_virtually(asyncio.sleep(100 * HOUR_S))
    assert 0 <= clock.monotonic_s() - before_s < HOUR_S


def test_time_stands_still_while_something_can_be_done() -> None:
    async def main() -> float:
        for _ in range(100):
            await asyncio.sleep(0)
        return now_s()

    assert run_virtually(main()) == 0


def test_what_runs_in_a_thread_is_waited_for() -> None:
    async def main() -> tuple[bool, float]:
        slept = asyncio.create_task(asyncio.sleep(HOUR_S))
        go, at = threading.Event(), asyncio.get_running_loop()
        at.call_soon(go.set)
        there = await at.run_in_executor(None, go.wait, 60)
        time_s = now_s()
        await slept
        return there, time_s

    assert run_virtually(main()) == (True, 0.0)


def test_a_deadlock_is_found() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"not done after 60 s of virtual time; what it waits for may never come"):
        run_virtually(main(), within_s=60)


def test_a_timeout_of_ones_own_stays_ones_own() -> None:
    async def main() -> None:
        async with asyncio.timeout(1):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as raised:
        run_virtually(main())
    assert "virtual" not in str(raised.value)


def test_what_a_coroutine_raises_comes_out_and_others_are_cancelled() -> None:
    cancelled: list[str] = []

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("other")
            raise

    async def main() -> None:
        task = asyncio.create_task(other())
        await asyncio.sleep(1)
        assert not task.done()
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run_virtually(main())
    assert cancelled == ["other"]


def test_sockets_are_served() -> None:
    async def main() -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"here\n")
        line = await reader.readline()
        writer.close()
        server.close()
        return line

    loop = VirtualLoop()
    try:
        assert loop.run_until_complete(main()) == b"here\n"
    finally:
        loop.close()
