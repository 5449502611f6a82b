"""Windows and batches: what is in each is what a model that looks at everything says."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements.arrival_window import ArrivalWindow
from penstock.elements.count_window import CountWindow
from penstock.elements.event_window import EventWindow
from penstock.elements.shape import StepShape
from penstock.elements.step import Step
from penstock.elements.steps.batch import BatchBuffer, batch
from penstock.elements.steps.flatten import Flatten
from penstock.elements.steps.rate import Rate
from penstock.elements.steps.window import window
from penstock.testing.virtual_loop import run_virtually

S = 1_000_000_000
Comings = list[tuple[float, Any]]
"""How many seconds after the one before each item comes, and the item."""

# Of a count


@given(st.lists(st.integers(), max_size=40), st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_windows_of_a_count(items: list[int], n: int, step: int, rest: bool) -> None:
    step = min(n, step)
    begins = range(0, len(items), step)
    whole = [items[begin : begin + n] for begin in begins if begin + n <= len(items)]
    held = (len(whole) - 1) * step + n if whole else 0
    left = [items[len(whole) * step :]] if rest and held < len(items) else []
    assert list(window(n=n, step=step, rest=rest)(items)) == whole + left  # type: ignore[operator]


@given(st.lists(st.integers(), max_size=60), st.integers(1, 9))
def test_flatten_undoes_a_batch(items: list[int], n: int) -> None:
    batches = list(batch(n)(items))  # type: ignore[operator]
    assert list(Flatten()(batches)) == items
    assert all(len(each) == n for each in batches[:-1])


def test_a_window_is_given_as_soon_as_it_is_full() -> None:
    seen: list[int] = []

    def upstream() -> Any:
        for number in range(10):
            seen.append(number)
            yield number

    windows = CountWindow(3, 2)(upstream())
    assert [(next(windows), len(seen)) for _ in range(2)] == [([0, 1, 2], 3), ([2, 3, 4], 5)]


# Of the time that items say


def model_of_event_windows(times: list[int], every: int, length: int, late: int, empty: bool) -> list[list[int]]:
    """Say what the windows hold, as numbers of items: each time looks at everything there was so far."""
    windows: dict[int, list[int]] = {}
    given_to: list[int] = []
    newest, fresh, kept = None, set(), []

    def first_open(now: int) -> int:
        return next(k for k in range((now - late - length) // every - 1, 10**9) if k * every + length > now - late)

    for number, ns in enumerate(times):
        newest = ns if newest is None else max(newest, ns)
        before = first_open(newest if not number else max(times[:number]))
        members = [
            k for k in range(ns // every - length // every - 1, ns // every + 1) if k * every <= ns < k * every + length
        ]
        if max(members) < before:
            continue
        kept.append(number)
        fresh.add(number)
        for k in members:
            if k >= before:
                windows.setdefault(k, []).append(number)
        for k in sorted(k for k in windows if k < first_open(newest) and k not in given_to):
            given_to.append(k)
            fresh.difference_update(windows[k])
    for k in sorted(k for k in windows if k not in given_to):
        if fresh:
            given_to.append(k)
            fresh.difference_update(windows[k])
    numbers = range(given_to[0], given_to[-1] + 1) if empty and given_to else given_to
    return [sorted(windows.get(k, []), key=lambda number: (times[number], number)) for k in numbers]


@given(
    st.lists(st.integers(-30, 60), max_size=30),
    st.integers(1, 7),
    st.integers(1, 15),
    st.integers(0, 10),
    st.booleans(),
)
def test_windows_of_the_time_items_say(times: list[int], every: int, length: int, late: int, empty: bool) -> None:
    length = max(every, length)
    step = window(every_s=every, length_s=length, time="t", late_s=late, empty=empty)
    items = [{"t": ns * S, "number": number} for number, ns in enumerate(times)]
    found = [[item["number"] for item in each] for each in step(items)]  # type: ignore[operator]
    assert found == model_of_event_windows(times, every, length, late, empty)


@given(st.lists(st.integers(0, 50), max_size=30))
def test_with_enough_patience_every_item_is_in_one_window_whatever_the_order(times: list[int]) -> None:
    step = EventWindow(5, time="t", late_s=50)
    windows = list(step({"t": ns * S} for ns in times))
    assert [item["t"] // S for each in windows for item in each] == sorted(times)
    assert {len({item["t"] // S // 5 for item in each}) for each in windows} <= {1}
    assert step.late == 0


def test_what_comes_too_late_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    step = EventWindow(1, time="t", late_s=1)
    with caplog.at_level(logging.WARNING, "penstock.window"):
        windows = list(step({"t": t} for t in (0.5, 3.5, 2.6, 1.5, 0.6, 3.6)))
    assert [[item["t"] for item in each] for each in windows] == [[0.5], [2.6], [3.5, 3.6]]
    assert step.late == 2
    assert [record.message.partition(" ns")[0] for record in caplog.records] == ["an item of 1500000000"]


def test_windows_that_are_over_are_given_before_more_is_asked_for() -> None:
    def upstream() -> Any:
        yield {"t": 0}
        yield {"t": S}
        raise LookupError("asked too far")

    windows = EventWindow(1, time="t")(upstream())
    assert next(windows) == [{"t": 0}]
    with pytest.raises(LookupError, match="asked too far"):
        next(windows)


def test_without_rest_only_windows_that_are_over_are_given() -> None:
    items = [{"t": 0.5}, {"t": 1.5}]
    assert list(EventWindow(1, time="t", rest=False)(items)) == [[{"t": 0.5}]]
    assert list(EventWindow(1, time="t", rest=False)([])) == []


def test_a_time_far_ahead_makes_no_million_empty_windows() -> None:
    items = [{"t": 1}, {"t": 2**62}]
    assert len(list(EventWindow(1, time="t")(items))) == 2
    with pytest.raises(ValueError, match=r'field "t" goes ahead by \d+ windows of 1\.0 s at once; write empty: false'):
        list(EventWindow(1, time="t", empty=True)(items))


# Of the time at which items come, and batches that do not wait


def given_by(buffer: Any, comings: Comings, *, slow_s: float = 0.0) -> list[tuple[float, Any]]:
    """Return what a buffer gives, and when, in virtual time that takes none."""

    async def puts() -> None:
        for pause_s, item in comings:
            await asyncio.sleep(pause_s)
            await buffer.put(item)
        await buffer.end()

    async def gets() -> list[tuple[float, Any]]:
        found: list[tuple[float, Any]] = []
        while True:
            try:
                got = await buffer.get()
            except StopAsyncIteration:
                return found
            found.append((asyncio.get_running_loop().time(), got))
            await asyncio.sleep(slow_s)

    async def both() -> list[tuple[float, Any]]:
        getting = asyncio.create_task(gets())
        await puts()
        return await getting

    return run_virtually(both())


PAUSES = st.lists(st.integers(0, 12).map(lambda quarters: quarters / 4), max_size=25)


@given(PAUSES, st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([0.0, 0.75, 3.0]), st.booleans(), st.booleans())
def test_windows_of_the_time_items_come(
    pauses: list[float], every_s: float, more_s: float, rest: bool, empty: bool
) -> None:
    length_s = every_s + more_s
    comings = [(pause_s, number) for number, pause_s in enumerate(pauses)]
    times_s = [sum(pauses[: number + 1]) for number in range(len(pauses))]
    end_s = times_s[-1] if pauses else 0.0
    ends = [k * every_s for k in range(1, int(end_s / every_s) + 1)]
    expected = [
        (to_s, [number for number, time_s in enumerate(times_s) if to_s - length_s <= time_s < to_s]) for to_s in ends
    ]
    found = given_by(window(every_s=every_s, length_s=length_s, rest=rest, empty=empty), comings)
    over = [(to_s, numbers) for to_s, numbers in expected if numbers or empty]
    last_s = ends[-1] if ends else 0.0
    left = [number for number, time_s in enumerate(times_s) if time_s >= last_s + every_s - length_s]
    is_fresh = any(time_s >= last_s for time_s in times_s)
    tail = [(end_s, left)] if rest and is_fresh else []
    assert found == over + tail


def test_a_second_in_which_nothing_comes_is_given() -> None:
    assert given_by(window(every_s=1), [(0.5, "a"), (2.7, "b")]) == [
        (1.0, ["a"]), (2.0, []), (3.0, []), (3.2, ["b"]),
    ]  # fmt: skip


def test_an_hour_of_windows_takes_no_time() -> None:
    found = given_by(window(length_s=10, every_s=1), [(0.25, number) for number in range(4 * 3600 - 1)])
    assert [time_s for time_s, _ in found] == [*range(1, 3600), 3599.75]
    assert {len(items) for _, items in found[10:-1]} == {40}


def test_who_fetches_slowly_makes_others_wait_and_loses_nothing() -> None:
    found = given_by(window(every_s=1), [(0.1, number) for number in range(200)], slow_s=2)
    assert [number for _, items in found for number in items] == list(range(200))
    assert found[-1][0] < 100  # windows that were over and empty meanwhile are passed over
    held = ArrivalWindow(1)

    async def nobody_fetches() -> int:
        await held.put(0)
        for number in range(100):
            try:
                async with asyncio.timeout(50):
                    await asyncio.sleep(0.5)
                    await held.put(number)
            except TimeoutError:
                return number
        return -1

    assert run_virtually(nobody_fetches()) == 5  # windows that are over: two and the one that is given next


@given(PAUSES, st.integers(1, 5), st.sampled_from([0.25, 1.0, 2.5]))
def test_batches_that_wait_no_longer(pauses: list[float], n: int, wait_s: float) -> None:
    comings = [(pause_s, number) for number, pause_s in enumerate(pauses)]
    times_s = [sum(pauses[: number + 1]) for number in range(len(pauses))]
    found = given_by(batch(n, wait_s), comings)
    assert [number for _, numbers in found for number in numbers] == list(range(len(pauses)))
    for time_s, numbers in found:
        first_s, last_s = times_s[numbers[0]], times_s[numbers[-1]]
        assert len(numbers) <= n
        if len(numbers) == n:
            assert time_s == last_s
        elif numbers[-1] != len(pauses) - 1:
            assert time_s == first_s + wait_s
        else:
            assert time_s in (first_s + wait_s, times_s[-1])


def test_a_batch_makes_who_puts_wait_for_who_gets() -> None:
    buffer = BatchBuffer(2, 1)

    async def nobody_fetches() -> int:
        for number in range(10):
            try:
                async with asyncio.timeout(50):
                    await buffer.put(number)
            except TimeoutError:
                break
        taken = [await buffer.get(), await buffer.get()]
        assert taken == [[0, 1], [2, 3]]
        return number

    assert run_virtually(nobody_fetches()) == 4
    found = given_by(BatchBuffer(2, 1), [(0, number) for number in range(9)], slow_s=1)
    assert [numbers for _, numbers in found] == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]


def test_who_is_cancelled_while_waiting_loses_nothing() -> None:
    async def main(buffer: Any) -> Any:
        await buffer.put("a")
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await buffer.get()
        return await buffer.get()

    for buffer in (window(every_s=1), batch(5, 1)):
        assert run_virtually(main(buffer)) == ["a"]
    assert run_virtually(main(Rate())) == 1.0


def test_rates() -> None:
    comings = [(0.0, {"counts": 3})] * 5 + [(2.5, {"counts": 1})]
    assert given_by(Rate(), comings) == [(1.0, 5.0), (2.0, 0.0)]
    assert given_by(Rate(every_s=2, field="counts"), comings) == [(2.0, 7.5)]
    # Whoever fetches late gets the rate of the time since the last one, or until the end.
    late = given_by(Rate(), [(0.1, 1.0)] * 75, slow_s=2.75)
    assert [time_s for time_s, _ in late] == pytest.approx([1.0, 3.75, 6.5, 9.25])
    assert all(rate == pytest.approx(10, rel=0.11) for _, rate in late)


# How they are made


@pytest.mark.parametrize(
    ("make", "shape", "kind"),
    [
        (lambda: (window, {"n": 5}), StepShape.GENERATOR, CountWindow),
        (lambda: (window, {"n": 5, "step": 2}), StepShape.GENERATOR, CountWindow),
        (lambda: (window, {"every_s": 1}), StepShape.BUFFER, ArrivalWindow),
        (lambda: (window, {"length_s": 10, "every_s": 1, "empty": False}), StepShape.BUFFER, ArrivalWindow),
        (lambda: (window, {"length_s": 10, "time": "timestamp_ns"}), StepShape.GENERATOR, EventWindow),
        (lambda: (batch, {"n": 5}), StepShape.GENERATOR, CountWindow),
        (lambda: (batch, {"n": 5, "wait_s": 0.5}), StepShape.BUFFER, BatchBuffer),
        (lambda: (Rate, {}), StepShape.BUFFER, Rate),
    ],
)
def test_what_is_made_of_arguments(
    make: Callable[[], tuple[Any, dict[str, Any]]], shape: StepShape, kind: type
) -> None:
    step = Step(*make())
    assert step.shape is shape
    assert isinstance(step.thing, kind)


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (window, {}, "needs a number of items or a time; write n: 100, or every_s: 1"),
        (window, {"n": 0}, "n is 0"),
        (window, {"n": 3, "step": 4}, "would leave out 1 of 4 items; use every"),
        (window, {"n": 3, "every_s": 1}, "every_s does not go with a window by n"),
        (window, {"n": 3, "time": "t"}, "time does not go with"),
        (window, {"every_s": 1, "step": 2}, "step does not go with a window by a time"),
        (window, {"every_s": 1, "late_s": 2}, "late_s does not go with a window by the time at which items come"),
        (window, {"every_s": 2, "length_s": 1}, "would leave something out; swap them"),
        (window, {"every_s": 2, "length_s": 1, "time": "t"}, "would leave something out; swap them"),
        (window, {"every_s": float("inf")}, "write seconds above 0"),
        (window, {"every_s": -1, "time": "t"}, "write seconds above 0"),
        (window, {"every_s": 1, "time": "t", "late_s": -1}, "late_s is -1; write seconds, 0 or more"),
        (batch, {}, "batch needs a number of items; write n: 100"),
        (batch, {"n": -1, "wait_s": 1}, "n is -1"),
        (batch, {"n": 1, "wait_s": 0}, "wait_s is 0"),
        (Rate, {"every_s": 0}, "every_s is 0"),
    ],
)
def test_arguments_that_do_not_go_together(make: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make(**arguments)
