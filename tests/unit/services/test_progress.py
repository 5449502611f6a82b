"""The page that says what a process is at, read by others also after its end."""

import mmap
import os
import time
from collections.abc import Iterator

import pytest

from penstock.services.progress import MOST_NOTED_BYTES, Progress


@pytest.fixture
def pages() -> Iterator[tuple[Progress, Progress]]:
    """The same page, as the watcher and as the process have it."""
    watcher = Progress.make("fit-0")
    process = Progress(os.dup(watcher.fd))
    yield watcher, process
    watcher.close()
    process.close()


def test_at_first_nothing_is_worked_on(pages: tuple[Progress, Progress]) -> None:
    watcher, _ = pages
    assert (watcher.event, watcher.beat_ns, watcher.state[0]) == (None, 0, 0)


def test_what_the_process_says_is_seen_and_survives_it(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    process.begin(7)
    assert (watcher.state[0], watcher.event) == (7, None)
    marks = process.marks([10, 11, 12])
    next(marks)
    next(marks)
    assert watcher.event == 11
    process.close()
    assert (watcher.state[:2], watcher.event) == ((7, 11), 11)


def test_numbers_are_told_one_before_each_item_and_no_sooner(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    seen = [(watcher.event, item) for item, _ in zip("abc", process.marks([4, 5, 9]), strict=True)]
    assert seen == [(4, "a"), (5, "b"), (9, "c")]


def test_event_zero_is_an_event(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    list(process.marks([0]))
    assert watcher.event == 0
    process.end()
    assert watcher.event is None


def test_a_new_lease_is_at_no_event_yet(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    process.begin(1)
    list(process.marks([3]))
    before = watcher.state
    process.begin(2)
    assert (watcher.state[0], watcher.event) == (2, None)
    assert watcher.state != before


def test_a_beat_is_of_the_machines_clock(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    before = time.monotonic_ns()
    process.beat()
    assert before <= watcher.beat_ns <= time.monotonic_ns()


def test_a_closed_page_can_still_be_asked_and_written(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    process.begin(3)
    watcher.close()
    watcher.close()
    watcher.beat()
    assert watcher.state[0] == 0
    assert process.state[0] == 3


def test_nobody_can_change_its_size(pages: tuple[Progress, Progress]) -> None:
    for page in pages:
        with pytest.raises(PermissionError):
            os.ftruncate(page.fd, 1)


def test_what_is_noted_is_read_whole_or_not_at_all(pages: tuple[Progress, Progress]) -> None:
    watcher, process = pages
    assert watcher.noted == b""
    for data in (b"a" * MOST_NOTED_BYTES, b"a few files"):
        process.begin(3)
        process.note(data)
        assert (watcher.noted, watcher.lease) == (data, 3)
    with pytest.raises(ValueError, match="there is room for"):
        process.note(bytes(MOST_NOTED_BYTES + 1))
    process.close()
    assert (watcher.noted, process.noted) == (b"a few files", b"")
    with mmap.mmap(watcher.fd, 0) as torn:  # the writer was killed in the middle
        torn[torn.find(b"few")] = ord("F")
    assert watcher.noted == b""
