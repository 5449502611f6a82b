"""The queue between a library's threads and the reader: bounds, counts and the descriptor."""

import select
import threading

from hypothesis import given
from hypothesis import strategies as st

from penstock.elements.arrivals import Arrivals


def is_ready(arrivals: Arrivals[int]) -> bool:
    return bool(waited(arrivals, 0))


def waited(arrivals: Arrivals[int], timeout_s: float) -> list[int]:
    assert arrivals.pollable is not None
    return select.select([arrivals.pollable], [], [], timeout_s)[0]


@given(st.lists(st.one_of(st.integers(0, 40), st.none()), max_size=60), st.integers(1, 5), st.integers(1, 60))
def test_nothing_is_lost_unseen_and_the_descriptor_tells(sizes: list[int | None], most: int, ahead: int) -> None:
    arrivals = Arrivals[int](ahead, most)
    lay: list[int] = []
    lost = came = 0
    for size in sizes:
        if size is None:
            assert arrivals.take() == lay
            lay = []
        else:
            has_room = not lay or (len(lay) < most and sum(lay) + size <= ahead)
            came, lost = came + 1, lost + (not has_room)
            lay += [size] if has_room else []
            arrivals.put(size, size)
        assert is_ready(arrivals) == bool(lay) or lost
    assert arrivals.take(1) == lay[:1]
    assert arrivals.take() == lay[1:]
    assert not is_ready(arrivals)
    assert arrivals.new_losses() == lost
    arrivals.close()


def test_many_threads_put_while_one_takes() -> None:
    arrivals = Arrivals[int](1 << 30, 1 << 20)

    def put() -> None:
        for number in range(1000):
            arrivals.put(number)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken: list[int] = []
    while len(taken) < 4000:
        waited(arrivals, 10)
        taken += arrivals.take(77)
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(list(range(1000)) * 4)
    arrivals.close()


def test_who_is_late_disturbs_nothing() -> None:
    arrivals = Arrivals[int](10)
    arrivals.put(1)
    arrivals.close()
    arrivals.close()
    arrivals.put(2)
    arrivals.wake()
    assert (arrivals.take(), arrivals.pollable) == ([], None)
