"""Items over ZeroMQ on real sockets: what comes, what waits, what is lost and told of, and how it ends."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.zmq_pub import ZmqPubSink
from penstock.elements.sinks.zmq_push import ZmqPushSink
from penstock.elements.sources.zmq_pull import ZmqPullSource
from penstock.elements.sources.zmq_sub import ZmqSubSource
from penstock.elements.zmq_item_sink import ZmqItemSink
from penstock.elements.zmq_item_source import ZmqItemSource
from penstock.errors import SinkError, SourceError
from penstock.testing.hostile import packets
from penstock.views import ArrayView

LOCAL = "tcp://127.0.0.1:0"
FACTS = RunFacts(pipeline="p", run="r")
DEADLINE_S = 30.0


@dataclass
class Alert:
    """What a peer may pickle."""

    name: str
    at: Any


@pytest.fixture(autouse=True)
def sockets_closed() -> Iterator[None]:
    """Fail a test that leaves the socket of a source open."""
    yield
    shared: Any = zmq.Context.instance()  # a sink has one of its own, which waits until it is closed
    assert [each for each in shared._sockets if not each.closed] == []


@contextmanager
def opened(source: ZmqItemSource) -> Iterator[ZmqItemSource]:
    source.open()
    try:
        yield source
    finally:
        source.close()


@contextmanager
def opened_sink(sink: ZmqItemSink) -> Iterator[ZmqItemSink]:
    sink.open(FACTS)
    try:
        yield sink
    finally:
        with suppress(SinkError):
            sink.close(ended_well=True)


@contextmanager
def foreign(kind: int, address: str = "") -> Iterator["zmq.Socket[bytes]"]:
    """A socket of a program that knows nothing of us."""
    with zmq.Context() as context, context.socket(kind) as peer:
        peer.linger = 2000
        if address:
            peer.connect(address)
        yield peer


async def all_of(source: ZmqItemSource) -> list[Any]:
    return [item async for chunk in source for item in chunk]


def taken(source: ZmqItemSource, count: int = -1) -> list[Any]:
    """Read until so many items are there, or to the end."""

    async def read() -> list[Any]:
        items: list[Any] = []
        chunks: AsyncIterator[list[Any]] = aiter(source)
        async with aclosing(chunks):  # type: ignore[type-var]  # it is a generator
            async for chunk in chunks:
                items += chunk
                if 0 <= count <= len(items):
                    break
        return items

    return asyncio.run(asyncio.wait_for(read(), DEADLINE_S))


def written(sink: ZmqItemSink, items: Iterable[Any]) -> None:
    """Write items, and say that this was all."""
    for item in items:
        sink.write(item)
    sink.close(ended_well=True)


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not until():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


ITEMS = [
    1, "text", {"a": [1.5, None]}, (1, {2}), np.arange(5), {"image": np.arange(40_000).reshape(200, 200), "n": 7},
    b"raw" * 40_000, b"", Alert("x", np.zeros(3)),
]  # fmt: skip


def as_sent(items: list[Any]) -> list[str]:
    return [repr(item) for item in items]


def test_items_are_pushed_as_they_are_and_the_end_ends_who_waits_for_it() -> None:
    with opened(ZmqPullSource(bind=LOCAL, ends="first")) as source:
        sink = ZmqPushSink(connect=source.addresses[0])
        sink.open(FACTS)
        for item in ITEMS * 3:
            sink.write(item)
        sink.close(ended_well=True)
        assert as_sent(taken(source)) == as_sent(ITEMS * 3)
        assert source.losses.total == sink.losses.total == 0


def test_a_source_may_connect_and_a_sink_bind() -> None:
    with opened_sink(ZmqPushSink(bind=LOCAL)) as sink:
        source = ZmqPullSource(connect=sink.addresses, ends="all")
        thread = threading.Thread(target=written, args=(sink, [{"n": 1}]))
        thread.start()
        assert taken(source) == [{"n": 1}]
        thread.join()


def test_by_default_nobody_ends_a_service_and_it_can_be_stopped_while_it_waits() -> None:
    async def serve(source: ZmqItemSource) -> list[Any]:
        items: list[Any] = []
        came = asyncio.Event()

        async def read() -> None:
            async for chunk in source:
                items.extend(chunk)
                if len(items) >= 2:
                    came.set()

        task = asyncio.create_task(read())
        for number in range(2):
            sink = ZmqPushSink(connect=source.addresses)
            sink.open(FACTS)
            sink.write(number)
            sink.close(ended_well=True)
        await asyncio.wait_for(came.wait(), DEADLINE_S)
        await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return items

    with opened(ZmqPullSource(bind=LOCAL)) as source:
        assert asyncio.run(serve(source)) == [0, 1]


def test_all_senders_must_have_ended() -> None:
    with opened(ZmqPullSource(bind=LOCAL, ends="all", senders=3)) as source:
        for number in range(3):
            sink = ZmqPushSink(connect=source.addresses)
            sink.open(FACTS)
            sink.write(number)
            sink.close(ended_well=True)
        assert sorted(taken(source)) == [0, 1, 2]


def test_a_sender_that_did_not_finish_fails_who_waits_for_its_end() -> None:
    with opened(ZmqPullSource(bind=LOCAL, ends="first")) as source:
        sink = ZmqPushSink(connect=source.addresses)
        sink.open(FACTS)
        sink.write(1)
        sink.close(ended_well=False, outcome="aborted")
        with pytest.raises(SourceError, match="1 of 1 senders did not finish: aborted"):
            taken(source)


def test_two_receivers_share_the_items_and_both_are_told_of_the_end() -> None:
    with opened_sink(ZmqPushSink(bind=LOCAL, receivers=2)) as sink:

        async def both() -> list[list[Any]]:
            sources = [ZmqPullSource(connect=sink.addresses, ends="first") for _ in range(2)]
            reading = asyncio.gather(*map(all_of, sources))
            await asyncio.to_thread(written, sink, range(1000))
            return await asyncio.wait_for(reading, DEADLINE_S)

        first, second = asyncio.run(both())
        assert sorted(first + second) == list(range(1000))
        assert first
        assert second


def test_with_several_addresses_nothing_waits_for_the_one_where_nobody_is() -> None:
    with opened(ZmqPullSource(bind=LOCAL, ends="first")) as source, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        sink = ZmqPushSink(connect=[f"tcp://127.0.0.1:{nobody.getsockname()[1]}", source.addresses[0]])
        sink.open(FACTS)
        for number in range(100):
            sink.write(number)
        sink.close(ended_well=True)
        assert taken(source) == list(range(100))


def test_a_push_waits_for_its_receiver_and_loses_nothing() -> None:
    with opened_sink(ZmqPushSink(bind=LOCAL)) as sink:
        writing = threading.Thread(target=written, args=(sink, range(10_000)))
        writing.start()
        source = ZmqPullSource(connect=sink.addresses, ends="first")
        assert taken(source) == list(range(10_000))
        writing.join()


@pytest.mark.parametrize("side", ["bind", "connect"])
def test_what_nobody_takes_is_said_at_the_end(side: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
        sink = ZmqPushSink(bind=LOCAL, linger_s=0.2) if side == "bind" else ZmqPushSink(address, linger_s=0.2)
        sink.open(FACTS)
        sink.hasten()
        for number in range(3):
            sink.write(number)
        with pytest.raises(SinkError, match=r"3 items were not taken within 0.2 s .*: nobody was there to receive"):
            sink.close(ended_well=True)


def test_a_write_that_waits_is_let_go_when_the_run_ends() -> None:
    sink = ZmqPushSink(bind=LOCAL, linger_s=0.1)
    sink.open(FACTS)
    waiting = threading.Thread(target=sink.write, args=(1,))
    waiting.start()
    sink.hasten()
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()
    with pytest.raises(SinkError, match="1 items were not taken"):
        sink.close(ended_well=True)


def test_the_end_may_come_while_a_write_waits() -> None:
    sink = ZmqPushSink(bind=LOCAL, linger_s=0.2)
    sink.open(FACTS)
    waiting = threading.Thread(target=sink.write, args=(1,))
    waiting.start()
    wait(lambda: sink._given == 1)
    with pytest.raises(SinkError, match="1 items were not taken"):
        sink.close(ended_well=False)
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()
    with pytest.raises(SinkError, match="closed, and an item came"):
        sink.write(2)


def test_a_receiver_that_takes_nothing_does_not_hang_the_end() -> None:
    with foreign(zmq.PULL) as stuck:
        stuck.rcvhwm = 1
        port = stuck.bind_to_random_port("tcp://127.0.0.1")
        sink = ZmqPushSink(connect=f"tcp://127.0.0.1:{port}", linger_s=0.3, receivers=1)
        sink.open(FACTS)
        large = np.zeros(1 << 20)
        sink.write(large)
        sink.hasten()
        for _ in range(60):
            sink.write(large)
        with pytest.raises(SinkError, match=r"of 61 items were not taken within 0.3 s"):
            sink.close(ended_well=True)
        assert sink.losses.total > 1


def test_a_message_that_is_none_is_counted_and_named_and_the_rest_comes() -> None:
    with opened(ZmqPullSource(bind=LOCAL)) as source:
        sent = 0
        with foreign(zmq.PUSH, source.addresses[0]) as peer:
            for _, parts in packets():
                if parts:
                    peer.send_multipart(parts)
                    sent += 1
        with opened_sink(ZmqPushSink(connect=source.addresses, linger_s=0)) as sink:
            sink.write("sound")
            assert taken(source, 1) == ["sound"]
        assert source.losses.total >= sent, "a lie about parts makes messages of them"
        assert any("are no item of penstock" in why for why, _ in source.losses.news())


def test_who_sends_more_parts_than_it_says_disturbs_nobody() -> None:
    from penstock.wire.item_frames import ItemWriter

    with opened(ZmqPullSource(bind=LOCAL)) as source:
        (frame,) = ItemWriter().frames(1)
        with foreign(zmq.PUSH, source.addresses[0]) as peer:
            peer.send_multipart([frame, b"more", b"and more"])
            peer.send_multipart([bytes(frame[:5]) + b"\x09" + bytes(frame[6:])])
            peer.send(frame)
        assert taken(source, 2) == [1, 1]
        assert source.losses.total == 3


@pytest.mark.parametrize(
    ("encoding", "item", "frame"),
    [
        ("json", {"a": [1, 2.5]}, b'{"a":[1,2.5]}'),
        ("text", "größe", "größe".encode()),
        ("bytes", b"\x00\xff", b"\x00\xff"),
    ],
)
def test_foreign_programs_are_understood_and_understand(encoding: Any, item: Any, frame: bytes) -> None:
    with opened(ZmqPullSource(bind=LOCAL, encoding=encoding)) as source:
        with foreign(zmq.PUSH, source.addresses[0]) as peer:
            peer.send(frame)
        assert taken(source, 1) == [item]
    with foreign(zmq.PULL) as peer:
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        with opened_sink(ZmqPushSink(connect=f"tcp://127.0.0.1:{port}", encoding=encoding)) as sink:
            sink.write(item)
            assert peer.recv() == frame


@pytest.mark.parametrize(("encoding", "bad"), [("json", [b"{"]), ("text", [b"\xff"]), ("bytes", [])])
def test_of_a_foreign_program_what_is_no_item_is_counted_and_the_rest_comes(encoding: Any, bad: list[bytes]) -> None:
    with opened(ZmqPullSource(bind=LOCAL, encoding=encoding)) as source:
        with foreign(zmq.PUSH, source.addresses[0]) as peer:
            for part in (b"1", *bad, b"2"):
                peer.send(part)
                peer.send_multipart([b"3", b"4", b"5"])
        found = taken(source, 2)
        assert found == {"json": [1, 2], "text": ["1", "2"], "bytes": [b"1", b"2"]}[encoding]
        losses = dict(source.losses.news())
        assert losses.pop("a message of 3 parts, where an item is one") in (1 + len(bad), 2 + len(bad))
        assert list(losses.values()) == [1] * len(bad)


class Evil:
    """A pickle that would leave a file."""

    def __reduce__(self) -> Any:
        return os.system, ("touch evil-was-here",)


def test_pickles_come_only_when_asked_for_and_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    alert = Alert("SN", np.arange(3))
    name = f"{__name__}:Alert"
    for encoding, allow, expected in (
        ("snap-pickle", [name], [{"p": [0.5, {1, 2}]}, "array", "Alert"]),
        ("snap-pickle", None, [{"p": [0.5, {1, 2}]}, "array"]),
        ("penstock", None, []),
    ):
        with opened(ZmqPullSource(bind=LOCAL, encoding=encoding, allow=allow)) as source:  # type: ignore[arg-type]
            with foreign(zmq.PUSH, source.addresses[0]) as peer:
                for item in ({"p": [0.5, {1, 2}]}, np.arange(4), alert, Evil(), [Evil()]):
                    peer.send_pyobj(item)
            found = taken(source, len(expected)) if expected else []
            wait_for = 5 - len(expected)
            if not expected:
                task_reads(source, wait_for)
            kinds = [item if isinstance(item, dict) else type(item).__name__.replace("nd", "") for item in found]
            assert kinds == expected
            task_reads(source, wait_for)
    assert not list(tmp_path.iterdir())


def task_reads(source: ZmqItemSource, losses: int) -> None:
    """Read on until so many messages are known to be none."""

    async def read() -> None:
        reading = asyncio.create_task(all_of(source))
        while source.losses.total < losses:
            await asyncio.sleep(0.005)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    asyncio.run(asyncio.wait_for(read(), DEADLINE_S))


def test_what_is_published_comes_by_topic() -> None:
    with opened_sink(ZmqPubSink(bind=LOCAL, topic="{kind}.x", receivers=2)) as sink:

        async def listen() -> tuple[list[Any], list[Any]]:
            some = ZmqSubSource(connect=sink.addresses, topics="alert", ends="first", with_topic=True)
            every = ZmqSubSource(connect=sink.addresses, ends="all")
            reading = asyncio.gather(all_of(some), all_of(every))
            items = [{"kind": kind, "n": n} for n in range(10) for kind in ("alert", "status")]
            await asyncio.to_thread(written, sink, items)
            first, second = await asyncio.wait_for(reading, DEADLINE_S)
            return first, second

        alerts, everything = asyncio.run(listen())
        assert alerts == [("alert.x", {"kind": "alert", "n": n}) for n in range(10)]
        assert len(everything) == 20
        assert sink.losses.total == 0


@pytest.mark.parametrize("topic", ["", "alert"])
def test_foreign_subscribers_and_publishers(topic: str) -> None:
    with (
        opened_sink(ZmqPubSink(bind=LOCAL, topic=topic, encoding="json", receivers=1)) as sink,
        foreign(zmq.SUB) as peer,
    ):
        peer.subscribe(topic)
        peer.connect(sink.addresses[0])
        sink.write({"a": 1})
        assert peer.recv_multipart() == [topic.encode(), b'{"a":1}'][not topic :]
    with foreign(zmq.XPUB) as peer:
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        with opened(ZmqSubSource(connect=f"tcp://127.0.0.1:{port}", encoding="json", with_topic=True)) as source:
            assert peer.recv() == b"\x01"
            peer.send_multipart([topic.encode(), b'{"a":1}'][not topic :])
            assert taken(source, 1) == [(topic, {"a": 1})]


def test_a_subscriber_that_is_too_slow_counts_what_it_misses() -> None:
    sink = ZmqPubSink(bind=LOCAL, receivers=1, ahead_MB=4)
    with opened_sink(sink), opened(ZmqSubSource(connect=sink.addresses, ahead_MB=4)) as source:
        for number in range(60):
            sink.write(np.full(1 << 17, number))

        async def read() -> int:
            count = 0
            async for chunk in source:
                count += len(chunk)
                if chunk[-1][0] >= 60:
                    return count
            raise AssertionError

        async def read_while_more_is_written() -> int:
            reading = asyncio.create_task(read())
            number = 60
            while not reading.done():
                await asyncio.to_thread(sink.write, np.full(1 << 17, number))
                number += 1
            return await reading

        count = asyncio.run(asyncio.wait_for(read_while_more_is_written(), DEADLINE_S))
        assert count < 60
        assert source.losses.total > 0
        assert all("not received in time" in why for why, _ in source.losses.news())


def test_nothing_published_is_lost_that_nobody_has_subscribed() -> None:
    sink = ZmqPubSink(bind=LOCAL, linger_s=0.1)
    sink.open(FACTS)
    for number in range(5000):
        sink.write(number)
    sink.close(ended_well=True)
    assert sink.losses.total == 0


def test_an_item_that_cannot_travel_is_named() -> None:
    says = "an item cannot be sent: an item: result is a object"
    with opened_sink(ZmqPushSink(bind=LOCAL)) as sink, pytest.raises(SinkError, match=says):
        sink.write(object())
    with opened_sink(ZmqPubSink(bind=LOCAL, topic="{kind}")) as sink, pytest.raises(SinkError, match='no field "kind"'):
        sink.write({"a": 1})


def test_of_views_the_arrays_are_sent() -> None:
    with opened(ZmqPullSource(bind=LOCAL)) as source:
        with opened_sink(ZmqPushSink(connect=source.addresses, linger_s=0)) as sink:
            sink.write({"map": {"counts": ArrayView((2,), np.int64), "n": 3}})
            (item,) = taken(source, 1)
        assert item["map"]["counts"].tolist() == [0, 0]
        assert item["map"]["n"] == 3


def test_an_address_in_use_is_named() -> None:
    with opened(ZmqPullSource(bind=LOCAL)) as source:
        (address,) = source.addresses
        with pytest.raises(SourceError, match="is in use by another program"):
            ZmqPullSource(bind=address).open()
        with pytest.raises(SinkError, match="is in use by another program"):
            ZmqPushSink(bind=address).open(FACTS)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (ZmqPullSource, "no address; write bind"),
        (lambda: ZmqPullSource(bind="tcp://127.0.0.1"), "port missing"),
        (lambda: ZmqPullSource(bind="tcp://*:5556"), "open_to_network: true"),
        (lambda: ZmqSubSource(bind="tcp://0.0.0.0:5556"), "open_to_network: true"),
        (lambda: ZmqPushSink(bind="tcp://[::]:5556"), "open_to_network: true"),
        (lambda: ZmqPullSource(bind=LOCAL, encoding="pickle"), "no encoding 'pickle'; there are penstock, json"),  # type: ignore[arg-type]
        (lambda: ZmqPushSink(bind=LOCAL, encoding="snap-pickle"), "no encoding 'snap-pickle'"),  # type: ignore[arg-type]
        (lambda: ZmqPullSource(bind=LOCAL, ends="all"), "say senders: 2"),
        (lambda: ZmqPullSource(bind=LOCAL, ends="maybe"), "never"),  # type: ignore[arg-type]
        (lambda: ZmqPullSource(bind=LOCAL, ends="first", senders=2), "beside ends: all"),
        (lambda: ZmqPullSource(bind=LOCAL, ends="first", encoding="json"), "needs end marks"),
        (lambda: ZmqPullSource(bind=LOCAL, allow=["os:system"]), "allow is for pickles"),
        (lambda: ZmqPullSource(bind=LOCAL, encoding="snap-pickle", allow=["os.system"]), "write module:Class"),
        (lambda: ZmqPullSource(bind=LOCAL, ahead_MB=0), "ahead_MB is 0"),
        (lambda: ZmqPushSink(bind=LOCAL, linger_s=-1), "linger_s -1"),
        (lambda: ZmqPushSink(bind=LOCAL, receivers=-1), "receivers is -1"),
        (lambda: ZmqPubSink(bind=LOCAL, topic="{"), r"write \{\{ and"),
    ],
)
def test_what_is_not_right_is_said_when_it_is_made(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("os:system", "os:system is no dataclass"),
        ("os:sistem", "cannot be imported"),
        ("no_such:X", "cannot be imported"),
    ],
)
def test_what_pickles_may_hold_is_looked_for_when_it_is_opened(name: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        ZmqPullSource(bind=LOCAL, encoding="snap-pickle", allow=[name]).open()


def test_an_address_open_to_others_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    ZmqPullSource(bind="tcp://*:5556", open_to_network=True)
    assert "open to every machine of the network, without a password" in caplog.text


SENDER = """
import sys
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.zmq_push import ZmqPushSink
sink = ZmqPushSink(connect=sys.argv[1])
sink.open(RunFacts(pipeline="p", run="r"))
for number in range(int(sys.argv[2])):
    sink.write(number)
sink.close(ended_well=True)
"""


def test_a_source_stays_while_senders_come_and_go_and_are_killed() -> None:
    with opened(ZmqPullSource(bind=LOCAL)) as source:
        (address,) = source.addresses
        with subprocess.Popen([sys.executable, "-c", SENDER, address, "100000000"]) as endless:
            assert taken_of(source, 1000) >= 1000  # among them the first five
            endless.kill()
        with subprocess.Popen([sys.executable, "-c", SENDER, address, "5"]) as finite:
            assert finite.wait(DEADLINE_S) == 0

            async def last() -> None:
                missing = {0, 1, 2, 3, 4}  # which the other has sent long before
                async for chunk in source:
                    missing -= set(chunk)
                    if not missing:
                        return

            asyncio.run(asyncio.wait_for(last(), DEADLINE_S))
        assert source.losses.total == 0


def taken_of(source: ZmqItemSource, count: int) -> int:
    """Read so many and leave the socket open, as a task that is cancelled would not."""
    inlet = source._inlet
    found = 0

    def read() -> bool:
        nonlocal found
        found += len(inlet.receive(1024, 1 << 20))
        return found >= count

    wait(read)
    return found


def test_it_is_a_source_and_a_sink_of_a_pipeline() -> None:
    from penstock.elements.item_source import ItemSource

    made = ItemSource.made(ZmqPullSource, {"bind": LOCAL, "ends": "first"}, "series")
    assert made.in_chunks
    assert made.async_items is not None
    assert ZmqPushSink.may_wait
    made.thing.close()


def numbered_texts(n: int, bad: int) -> Iterator[Any]:
    """Yield texts, and one item that is none."""
    for number in range(n):
        yield b"no text" if number == bad else str(number)


@pytest.mark.parametrize("bad", [-1, 2500])
def test_many_items_go_out_as_a_receiver_takes_them_and_one_that_is_wrong_is_named(bad: int) -> None:
    from penstock.engines import chains
    from penstock.pipeline import Pipeline, Sink, Source

    n = 20_000
    found: list[bytes] = []
    with foreign(zmq.PULL) as peer:
        peer.rcvtimeo = 200
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        is_over = threading.Event()

        def take() -> None:
            while True:
                try:
                    found.append(peer.recv())
                except zmq.Again:
                    if is_over.is_set():
                        return

        taking = threading.Thread(target=take)
        taking.start()
        sink = Sink(ZmqPushSink, source="n", connect=f"tcp://127.0.0.1:{port}", encoding="text")
        plan = Pipeline(sources={"n": Source(numbered_texts, n=n, bad=bad)}, sinks={"out": sink}).plan()
        report = chains.run(plan)
        is_over.set()
        taking.join()
    assert report.adds_up
    accounts = report.edge("n", "out").accounts
    if bad < 0:
        assert (report.outcome, accounts) == ("finished", {"done": n})
    else:
        assert report.outcome == "failed"
        assert "a bytes is no text" in report.reasons[0]
        assert (accounts["done"], accounts["failed"]) == (bad, 1)
    assert found == [str(number).encode() for number in range(n if bad < 0 else bad)]


def test_as_many_as_there_is_room_for_are_sent_without_waiting() -> None:
    with foreign(zmq.PULL) as peer:
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        with opened_sink(ZmqPushSink(connect=f"tcp://127.0.0.1:{port}", encoding="text", ahead_MB=0.001)) as sink:
            sink.write("x" * 1000)
            assert sink.write_ready(["one", b"no text", "two"]) == 1
            many = ["y" * 10_000] * 10_000
            assert 0 < sink.write_ready(many) < len(many), "a queue is full at some time"
            assert sink.write_ready([b"no text"]) == 0
            assert [peer.recv(), peer.recv()] == [b"x" * 1000, b"one"]
        with opened_sink(ZmqPushSink(connect=f"tcp://127.0.0.1:{port}", linger_s=0)) as sink:
            assert sink.write_ready([1, 2]) == 0, "items of our own form go one by one"
    with opened_sink(ZmqPushSink(bind=LOCAL, encoding="text", receivers=1, linger_s=0)) as sink:
        assert sink.write_ready(["x"]) == 0, "nobody is there yet"
