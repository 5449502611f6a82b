"""Items over MQTT, with a small broker of these tests, and with mosquitto where it is installed."""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.mqtt import MqttSink
from penstock.elements.sources.mqtt import MqttSource
from penstock.errors import SinkError, SourceError
from tests.system.mqtt_broker import Broker

FACTS = RunFacts(pipeline="p", run="r", sink="plant")
DEADLINE_S = 60.0
HOST = "127.0.0.1"
ITEMS = [{"name": "a", "spectrum": [0, 1, 2]}, {"name": "b", "t": 20.5}]


@dataclass
class There:
    """A broker that runs."""

    port: int
    is_real: bool


@pytest.fixture
def ours() -> Iterator[Broker]:
    """The small broker."""
    made = Broker()
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["ours", "mosquitto"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    """Either broker."""
    if request.param == "ours":
        yield There(request.getfixturevalue("ours").port, is_real=False)
        return
    if shutil.which("mosquitto") is None:
        pytest.skip("no mosquitto on this machine (Debian, as root: apt-get install mosquitto)")
    with mosquitto(tmp_path) as port:
        yield There(port, is_real=True)


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} {HOST}\nallow_anonymous true\npersistence false\n")
    with subprocess.Popen(["mosquitto", "-c", settings], stderr=subprocess.DEVNULL) as process:
        try:
            wait(lambda: is_reached(port))
            yield port
        finally:
            process.terminate()


def is_reached(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not until():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def opened(port: int, topic: str = "plant/{name}", **arguments: Any) -> MqttSink:
    sink = MqttSink(HOST, topic, port=port, **arguments)
    sink.open(FACTS)
    return sink


def written(port: int, items: list[Any], **arguments: Any) -> None:
    sink = opened(port, **arguments)
    for item in items:
        sink.write(item)
    sink.close(ended_well=True)


def received(source: MqttSource, count: int, then: Callable[[], None] | None = None, last: Any = None) -> list[Any]:
    """Read so many items, or until one is the last; when the broker has agreed to send, do something meanwhile."""

    async def read() -> list[Any]:
        items: list[Any] = []
        chunks: Any = aiter(source)
        async with aclosing(chunks):
            coming = asyncio.ensure_future(anext(chunks))
            while not source.is_listening and not coming.done():
                await asyncio.sleep(0.005)
            doing = asyncio.create_task(asyncio.to_thread(then or (lambda: None)))
            items += await coming
            while items[-1] != last if last is not None else len(items) < count:
                items += await anext(chunks)
            await doing
            with suppress(TimeoutError):  # who asks for more has taken what there was
                await asyncio.wait_for(anext(chunks), 0.05)
        return items

    return asyncio.run(asyncio.wait_for(read(), DEADLINE_S))


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_is_received(there: There, qos: int) -> None:
    if qos == 2 and not there.is_real:
        pytest.skip("the small broker has no quality of service 2")
    source = MqttSource(HOST, ["plant/#"], port=there.port, qos=qos, with_topic=True)
    items = [{"name": "a", "spectrum": np.arange(3)}, ITEMS[1]]
    found = received(source, 2, lambda: written(there.port, items, qos=qos))
    assert found == [("plant/a", ITEMS[0]), ("plant/b", ITEMS[1])]
    assert source.losses.total == 0


def test_the_last_item_is_kept_for_who_comes_later(there: There) -> None:
    written(there.port, ITEMS, retain=True)
    source = MqttSource(HOST, "plant/+", port=there.port, with_topic=True)
    assert sorted(received(source, 2), key=lambda pair: pair[0]) == [("plant/a", ITEMS[0]), ("plant/b", ITEMS[1])]


def test_many_items_keep_their_order(there: There) -> None:
    source = MqttSource(HOST, "plant/x", port=there.port)
    found = received(source, 3000, lambda: written(there.port, list(range(3000)), topic="plant/x"))
    assert found == list(range(3000))


@pytest.mark.parametrize(("encoding", "item"), [("text", "größe"), ("bytes", b"\x00\xff")])
def test_other_encodings(ours: Broker, encoding: Any, item: Any) -> None:
    source = MqttSource(HOST, "x", port=ours.port, encoding=encoding)
    assert received(source, 1, lambda: written(ours.port, [item], topic="x", encoding=encoding)) == [item]


def test_what_is_no_item_is_counted_and_named(ours: Broker) -> None:
    ours.retained = {"x/bad": b"{", "x/good": b"1"}
    source = MqttSource(HOST, "x/#", port=ours.port)
    assert received(source, 1) == [1]
    assert source.losses.total == 1
    assert source.losses.news()[0][0].startswith("x/bad: 1 bytes are no JSON")


def test_what_the_pipeline_has_not_taken_is_not_acknowledged(ours: Broker) -> None:
    ours.retained = {"x": b"1"}
    source = MqttSource(HOST, "x", port=ours.port)

    async def take_one() -> None:
        chunks: Any = aiter(source)
        async with aclosing(chunks):
            assert await anext(chunks) == [1]
            (peer,) = ours.peers
            assert peer.unacknowledged == {1}
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(chunks), 0.05)
            await asyncio.to_thread(wait, lambda: not peer.unacknowledged)

    asyncio.run(asyncio.wait_for(take_one(), DEADLINE_S))


def test_a_broker_that_goes_and_comes_is_waited_for_on_both_sides(ours: Broker) -> None:
    source = MqttSource(HOST, "x", port=ours.port)
    sink = opened(ours.port, topic="x")

    def go_and_come() -> None:
        sink.write(1)
        wait(lambda: ours.published)
        ours.stop()
        writing = threading.Thread(target=sink.write, args=(2,))
        writing.start()
        source.is_listening = False
        ours.start()
        writing.join(DEADLINE_S)
        wait(lambda: source.is_listening)
        sink.write(3)
        sink.close(ended_well=True)

    found = received(source, 0, go_and_come, last=3)  # the second comes if the source is back before the sink
    assert found[0] == 1
    assert {payload for _, payload, _ in ours.published} == {b"1", b"2", b"3"}, "nothing is lost on the way to it"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_item_that_meets_a_connection_which_has_just_gone_is_sent_when_the_broker_is_back(
    ours: Broker, qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = opened(ours.port, topic="x", qos=qos)
    ours.stop()
    wait(lambda: not sink._connection.is_up)
    monkeypatch.setattr(sink._connection, "wait", lambda _timeout_s: True)  # it has not heard of it yet
    writing = threading.Thread(target=sink.write, args=(1,))
    writing.start()
    assert not sink.is_written() or not qos
    ours.start()
    writing.join(DEADLINE_S)
    wait(lambda: ours.published)
    if qos < 2:  # the small broker has no quality of service 2
        sink.close(ended_well=True)
        assert ours.published == [("x", b"1", qos)]
    else:
        sink._connection.close()


def test_an_item_that_is_lost_with_the_connection_is_counted(ours: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(ours.port, topic="x", qos=0)
    lost = MQTTMessageInfo(1)
    monkeypatch.setattr(sink._connection.client, "publish", lambda *_: lost)
    sink.write(1)
    lost.rc = MQTTErrorCode.MQTT_ERR_CONN_LOST  # as the library says when it connects again
    assert sink.is_written()
    with pytest.raises(SinkError, match="1 items were not acknowledged"):
        sink.close(ended_well=True)
    assert sink.losses.news() == [("the connection was lost before it was sent", 1)]


def test_what_is_not_acknowledged_is_said_at_the_end(ours: Broker) -> None:
    ours.acknowledges = False
    sink = opened(ours.port, topic="x", linger_s=0.1)
    sink.hasten()
    for number in range(250):
        sink.write(number)
    with pytest.raises(SinkError, match=r"250 items were not acknowledged within 0\.1 s after the run"):
        sink.close(ended_well=True)


def test_a_write_that_waits_for_the_broker_is_let_go_when_the_run_ends(ours: Broker) -> None:
    sink = opened(ours.port, topic="x", linger_s=0.1)
    ours.stop()
    wait(lambda: not sink._connection.is_up)
    waiting = threading.Thread(target=sink.write, args=(1,))
    waiting.start()
    sink.hasten()
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()
    with pytest.raises(SinkError, match="1 items were not acknowledged"):
        sink.close(ended_well=True)


def test_a_password_is_asked_for(ours: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    ours.password = "right"
    known: dict[str, Any] = {"user": "beamline", "password_env": "MQTT_PASSWORD"}
    monkeypatch.setenv("MQTT_PASSWORD", "right")
    written(ours.port, [1], topic="x", **known)
    assert ours.published == [("x", b"1", 1)]
    monkeypatch.setenv("MQTT_PASSWORD", "wrong")
    with pytest.raises(SinkError, match="refuses this client: Not authorized"):
        opened(ours.port, **known)
    with pytest.raises(SourceError, match="refuses this client: Not authorized"):
        received(MqttSource(HOST, "x", port=ours.port, **known), 1)
    monkeypatch.delenv("MQTT_PASSWORD")
    with pytest.raises(SinkError, match="MQTT_PASSWORD is not set"):
        opened(ours.port, **known)


def test_a_topic_that_nobody_may_have_is_named(ours: Broker) -> None:
    ours.refuses = {"secret/#"}
    with pytest.raises(SourceError, match="it gives nothing of secret/#"):
        received(MqttSource(HOST, "secret/#", port=ours.port), 1)


def test_a_source_that_nobody_reads_any_more_ends_its_thread(ours: Broker) -> None:
    ours.retained = {f"x/{n}": b"1" for n in range(5000)}  # more than wait for a pipeline that is slow
    source = MqttSource(HOST, "x/#", port=ours.port)

    async def take_one() -> None:
        chunks: Any = aiter(source)
        async with aclosing(chunks):
            await anext(chunks)

    before = threading.active_count()
    asyncio.run(asyncio.wait_for(take_one(), DEADLINE_S))
    assert threading.active_count() == before
    source.close()


def test_an_item_that_cannot_be_written_is_named(ours: Broker) -> None:
    sink = opened(ours.port)
    for item, says in (
        ({"a": 1}, 'no field "name"'),
        ({"name": "#"}, '"plant/#" is no topic'),
        ({"name": "a", "x": object()}, "JSON"),
    ):
        with pytest.raises(SinkError, match=says):
            sink.write(item)
    sink.close(ended_well=True)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MqttSink("mqtt://x", "t"), "is no name of a broker"),
        (lambda: MqttSink(HOST, "t/#"), "is no topic to publish on"),
        (lambda: MqttSink(HOST, "t", qos=3), "qos is 3"),
        (lambda: MqttSink(HOST, "t", port=70_000), "port is 70000"),
        (lambda: MqttSink(HOST, "t", user="u"), "belong together"),
        (lambda: MqttSink(HOST, "t", encoding="xml"), "encoding is 'xml'"),  # type: ignore[arg-type]
        (lambda: MqttSink(HOST, "t", linger_s=-1), "linger_s -1"),
        (lambda: MqttSource(HOST, []), "no topic"),
        (lambda: MqttSource(HOST, "t", qos=-1), "qos is -1"),
        (lambda: MqttSource(HOST, "t", encoding="xml"), "encoding is 'xml'"),  # type: ignore[arg-type]
        (lambda: MqttSource(HOST, "t", connect_s=-1), "connect_s is -1"),
    ],
)
def test_what_is_not_right_is_said_when_it_is_made(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
