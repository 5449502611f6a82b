"""Data are opened by users' hooks, as pairs of priority and data; what cannot be opened is counted."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from queue import Empty, Full
from typing import Any

import pytest
import zmq

from penstock.compat.rtadp.data import Data, Queued
from penstock.compat.rtadp.lane_queue import LaneQueue
from penstock.compat.rtadp.messages import encode_data
from tests.unit.compat.rtadp.test_crew import _nobody_left, process

__all__ = ["_nobody_left"]


async def first(chunks: AsyncIterator[list[Any]], count: int) -> list[Any]:
    found: list[Any] = []
    async for chunk in chunks:
        found += chunk
        if len(found) >= count:
            break
    return found


def received(source: Data, messages: list[Any], count: int) -> list[Any]:
    """Return what a source gives of what is pushed to it."""
    chunks = aiter(source)
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.connect(source.addresses[0])
        for parts in messages:
            socket.send_multipart(parts if isinstance(parts, list) else [parts])

        async def get() -> list[Any]:
            return await asyncio.wait_for(first(chunks, count), 30)

        found = asyncio.run(get())
    source.close()
    return found


def data(folder: Path, flow: Any, lane: Any = "low", supervisor: str = "Sup") -> Data:
    it = process(folder, supervisor)
    found = Data(it.written, lane, flow, bind="tcp://127.0.0.1:0")
    found.folder = it.folder
    return found


def test_text_comes_as_text_and_what_is_none_is_counted(tmp_path: Path) -> None:
    source = data(tmp_path, "string", "high")
    assert received(source, [b"a", b"\xff", [b"x", b"y"], "ä".encode()], 2) == [(1, "a"), (1, "ä")]
    assert source.losses.total == 2


def test_binary_data_are_decoded_by_the_user(tmp_path: Path) -> None:
    assert received(data(tmp_path, "binary"), [b"abc", b""], 2) == [(0, b"cba"), (0, b"")]


def test_a_file_is_opened_into_as_many_items_as_the_user_says(tmp_path: Path) -> None:
    source = data(tmp_path, "filename")
    items = received(source, [b"a.h5", b"gone", b"b.h5"], 6)
    assert items == [(0, each) for name in (b"a.h5", b"b.h5") for each in (name, 1, 2)]
    assert [why for why, _ in source.losses.news()] == ["open_file raised FileNotFoundError: b'gone'"]
    assert "open_file raised FileNotFoundError" in (tmp_path / "Supervisor-RTADP1.log").read_text()


def test_a_data_message_says_what_it_is_and_may_be_for_others(tmp_path: Path) -> None:
    source = data(tmp_path, "string")
    sent = [
        encode_data(b"xyz", "binary", "P", "RTADP1", time_s=0, priority="Low"),
        encode_data(b"not yours", "string", "P", "RTADP2", time_s=0, priority="Low"),
        json.dumps({"header": {"type": "data", "subtype": "filename"}, "body": "c.h5"}).encode(),
    ]
    assert received(source, sent, 4) == [(0, b"zyx"), (0, b"c.h5"), (0, 1), (0, 2)]
    assert source.losses.news() == [("for RTADP2, and not for RTADP1", 1)]


def test_data_have_one_address(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one address"):
        Data({}, "low", "string")
    with pytest.raises(ValueError, match="every machine of the network"):
        Data({}, "low", "string", bind="tcp://0.0.0.0:5555")


def test_a_slow_hook_holds_up_nobody_else_on_the_loop(tmp_path: Path) -> None:
    source = data(tmp_path, "filename")
    chunks = aiter(source)
    goes_on = threading.Event()

    async def get() -> list[Any]:
        opened = asyncio.ensure_future(first(chunks, 1))
        await asyncio.to_thread(asked.wait, 30)
        goes_on.set()  # while the hook is still at the file, others have their turn
        return await asyncio.wait_for(opened, 30)

    asked = threading.Event()

    def open_file(name: bytes) -> tuple[list[Any], int]:
        asked.set()
        assert goes_on.wait(30)
        return [name], 1

    from penstock.compat.rtadp.crew import crew_of

    crew_of(process(tmp_path)).supervisor.open_file = open_file  # type: ignore[method-assign, assignment]
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.connect(source.addresses[0])
        socket.send(b"long.h5")
        assert asyncio.run(get()) == [(0, b"long.h5")]


def test_users_receivers_fill_the_queue_of_an_analysis(tmp_path: Path) -> None:
    it = process(tmp_path, "Receiver")
    from penstock.compat.rtadp.crew import crew_of

    crew = crew_of(it)
    crew.muster()
    crew.supervisor.start_service_threads()
    found = []
    for lane in ("high", "low"):
        source = Queued(it.written, 0, lane)
        source.folder = it.folder
        found += asyncio.run(first(aiter(source), 1))
    assert found == [(1, "b"), (0, "a")]


def test_a_queue_has_room_for_so_many_and_lets_go_at_the_end() -> None:
    queue = LaneQueue(room=2)
    queue.put(1)
    queue.put_nowait(2)
    assert (queue.qsize(), queue.empty()) == (2, False)
    with pytest.raises(Full):
        queue.put_nowait(3)
    with pytest.raises(Full):
        queue.put(3, timeout=0.001)
    assert queue.get_nowait() == 1
    waiting = threading.Thread(target=_put_two, args=(queue,))
    waiting.start()
    queue.close()
    waiting.join(30)
    assert not waiting.is_alive(), "whoever waits for room is let go"
    while not queue.empty():
        queue.get_nowait()
    with pytest.raises(Empty):
        queue.get_nowait()


def _put_two(queue: LaneQueue) -> None:
    queue.put(0)
    with pytest.raises(Full):
        queue.put(0)


def test_what_is_put_while_a_loop_waits_wakes_it() -> None:
    queue = LaneQueue()

    async def get() -> list[Any]:
        chunks = queue.chunks()
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        threading.Thread(target=queue.put, args=(5,)).start()
        found = await asyncio.wait_for(waiting, 30)
        queue.close()
        return [*found, *[item async for chunk in chunks for item in chunk]]

    assert asyncio.run(get()) == [5]
