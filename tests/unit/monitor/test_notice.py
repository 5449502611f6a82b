"""Raising notices: from any thread and task, bounded, never waiting, and to Python's logging where nothing runs."""

import asyncio
import logging
import threading
import time

import pytest

from penstock.core.notice import Level, Notice
from penstock.core.notice_limit import BURST, SAME
from penstock.monitor import notice as notices
from penstock.monitor.notice import Outlet, close_outlet, notice, open_outlet, use_outlet


def test_where_nothing_runs_it_goes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="penstock"):
        notice("a line", level="log")
        notice("pedestal drifts", level="alarm", pixel=7)
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("DEBUG", "a line"),
        ("ERROR", "pedestal drifts {'pixel': 7}"),
    ]


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'loud' is no level"):
        notice("a line", level="loud")


def test_it_says_which_thread_or_task_works_there() -> None:
    outlet = Outlet()

    async def task() -> None:
        notice("of a task")

    async def tasks() -> None:
        await asyncio.create_task(task(), name="ask-3")

    def thread(name: str, call: object) -> None:
        worker = threading.Thread(target=call, name=name)  # type: ignore[arg-type]  # a callable
        worker.start()
        worker.join()

    open_outlet(outlet)  # threads do not have what is used in the one that started them
    try:
        thread("penstock fit-1", lambda: notice("of a worker"))
        thread("penstock loop", lambda: asyncio.run(tasks()))
        thread("somebody's", lambda: notice("of nobody"))
        thread("somebody's", lambda: notice("of the pump", source="pump"))
    finally:
        close_outlet(outlet)
    said, lost = outlet.take()
    assert [(each.text, each.source) for each in said] == [
        ("of a worker", "fit-1"), ("of a task", "ask-3"), ("of nobody", ""), ("of the pump", "pump"),
    ]  # fmt: skip
    assert not lost


def test_an_outlet_in_use_comes_before_those_of_other_runs() -> None:
    own, other = Outlet(), Outlet()
    open_outlet(other)
    try:
        with use_outlet(own):
            notice("mine")
        notice("of whoever runs")
    finally:
        close_outlet(other)
        close_outlet(other)  # nothing
    assert [each.text for each in own.take()[0]] == ["mine"]
    assert [each.text for each in other.take()[0]] == ["of whoever runs"]


def test_what_nobody_takes_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_WAITING", 30)
    outlet = Outlet("fit-0")
    with use_outlet(outlet):
        for k in range(BURST + 50):
            notice(f"event {k}")
    said, lost = outlet.take()
    assert [each.text for each in said] == [f"event {k}" for k in range(30)]
    assert lost == {"fit-0": BURST + 20}


def test_the_same_again_and_again_is_told_with_its_count_though_nothing_more_is_raised() -> None:
    outlet = Outlet()
    with use_outlet(outlet):
        for _ in range(SAME + 95):
            notice("too hot")
    said: list[Notice] = []
    deadline = time.monotonic() + 60
    while len(said) <= SAME and time.monotonic() < deadline:
        said += outlet.take()[0]
    assert [each.times for each in said] == [1] * SAME + [95]


def test_a_link_without_room_loses_counts_and_tells_later() -> None:
    room: list[bool] = [True, False, False]
    sent: list[Notice] = []
    told: list[tuple[str, int]] = []

    def send(said: Notice) -> bool:
        if room.pop(0):
            sent.append(said)
            return True
        return False

    def tell(source: str, count: int) -> bool:
        told.append((source, count))
        return len(told) > 1

    outlet = Outlet("fit-0", send, tell)
    for k in range(3):
        outlet.put(Notice(text=f"event {k}", level=Level.INFO, source="fit-0", time_ns=0))
    outlet.flush()
    outlet.flush()
    outlet.flush()
    assert [each.text for each in sent] == ["event 0"]
    assert told == [("fit-0", 2), ("fit-0", 2)], "once without room, then said, then nothing"


def test_threads_that_raise_at_once_lose_nothing_uncounted() -> None:
    outlet = Outlet()

    def raise_many(k: int) -> None:
        for n in range(500):
            notice(f"{k} {n % 50}")

    open_outlet(outlet)
    try:
        threads = [threading.Thread(target=raise_many, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        close_outlet(outlet)
    outlet.flush(all_of_it=True)
    said, lost = outlet.take()
    assert sum(each.times for each in said) + sum(lost.values()) == 2000
