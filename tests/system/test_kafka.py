"""Kafka as source and sink, against the brokers that librdkafka brings for tests."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.message import Message
from penstock.elements.kafka_source import KafkaRecords
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.kafka import KafkaSink
from penstock.elements.sources.kafka import KafkaSource
from penstock.errors import SinkError, SourceError
from penstock.pipeline import Map, Pipeline, Sink, Source
from tests.system import chained_code
from tests.system.kafka_cluster import QUICK, SOON, KafkaCluster, confluent_kafka, kafka_cluster

FACTS = RunFacts(pipeline="p", run="r")
NOBODY = "127.0.0.1:1"
LONGEST_S = 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    with kafka_cluster() as made:
        yield made


def source(cluster: KafkaCluster, topics: Any, **more: Any) -> KafkaSource:
    return KafkaSource(cluster.address, topics, **{"start": "earliest", "settings": QUICK, **more})


def read_all(source: KafkaRecords) -> list[Any]:
    async def reading() -> list[Any]:
        return [item async for chunk in source for item in chunk]

    return asyncio.run(asyncio.wait_for(reading(), LONGEST_S))


def sent(cluster: KafkaCluster, topic: str, items: list[Any], **more: Any) -> None:
    sink = KafkaSink(cluster.address, topic, **{"settings": SOON, **more})
    sink.open(FACTS)
    for item in items:
        sink.write(item)
    sink.close(True)


async def read_until(chunks: AsyncIterator[list[Any]], got: list[Any], is_enough: Callable[[], bool]) -> None:
    async for chunk in chunks:
        got += chunk
        if is_enough():
            return


def test_what_is_sent_is_read(cluster: KafkaCluster) -> None:
    items = [{"n": n, "roi": np.arange(2), "detector": f"d{n % 3}"} for n in range(3000)]
    sent(cluster, "all", items, key="detector", settings={})
    got = read_all(source(cluster, "all", until="end"))
    assert sorted(item["n"] for item in got) == list(range(3000))
    assert got[0]["roi"] == [0, 1]
    for detector in ("d0", "d1", "d2"):
        assert [item["n"] for item in got if item["detector"] == detector] == list(range(int(detector[1]), 3000, 3))


@pytest.mark.parametrize(
    ("encoding", "item"),
    [("text", "µ"), ("bytes", b"\x00\xff"), ("json", [1, None]), ("penstock", (1, 2j)), ("json", None)],
)
def test_an_item_comes_back_as_it_was(cluster: KafkaCluster, encoding: Any, item: Any) -> None:
    topic = f"{encoding}-{item is None}"
    sent(cluster, topic, [item], encoding=encoding)
    assert read_all(source(cluster, topic, until="end", encoding=encoding)) == [item]


def test_a_message_keeps_its_arrays_and_learns_where_it_lay(cluster: KafkaCluster) -> None:
    message = Message(key=7, timestamp_ns=5, metadata={"x": 1.5}, array=np.arange(6, dtype="u2").reshape(2, 3))
    sent(cluster, "messages", [message], encoding="penstock")
    (got,) = read_all(source(cluster, "messages", until="end", encoding="penstock", gives="message"))
    assert (got.key, got.timestamp_ns, got.metadata["x"]) == (7, 5, 1.5)
    assert (got.array.dtype, got.array.tolist()) == (np.dtype("u2"), [[0, 1, 2], [3, 4, 5]])
    assert (got.metadata["kafka"]["topic"], got.metadata["kafka"]["offset"]) == ("messages", 0)


def test_key_headers_and_time_are_kept(cluster: KafkaCluster) -> None:
    cluster.send(
        "facts", [b'{"I0": 2}', None], 3, key=b"k", headers=[("h", b"v"), ("h", b"w")], timestamp=1_700_000_000_123
    )
    first, second = read_all(source(cluster, "facts", until="end", gives="message"))
    assert first.timestamp_ns == 1_700_000_000_123_000_000
    assert first.metadata == {
        "I0": 2,
        "kafka": {"topic": "facts", "partition": 3, "offset": 0, "key": b"k", "headers": [["h", b"v"], ["h", b"w"]]},
    }
    assert (second.metadata["value"], second.metadata["kafka"]["offset"]) == (None, 1)


def test_what_cannot_be_decoded_is_counted_and_named(cluster: KafkaCluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.send("broken", [b"1", b"{", b"\xff", *[b"["] * 10, b"2"])
    records = source(cluster, "broken", until="end")
    assert read_all(records) == [1, 2]
    assert records.malformed == 12
    said = [record.getMessage() for record in caplog.records]
    assert "broken, partition 0, offset 1: cannot be read: JSONDecodeError: " in said[0]
    assert sum(count for _, count in records.losses.news()) == 12


def test_only_what_is_malformed_is_an_end_too(cluster: KafkaCluster) -> None:
    cluster.send("hopeless", [b"{"])
    assert read_all(source(cluster, "hopeless", until="end")) == []


def test_latest_is_what_comes_from_now_on(cluster: KafkaCluster) -> None:
    cluster.send("late", [b'"old"'])

    async def follow() -> list[Any]:
        got: list[Any] = []
        reading = asyncio.create_task(
            read_until(aiter(source(cluster, "late", start="latest")), got, lambda: bool(got))
        )
        while not reading.done():  # nothing says from when on it listens
            await asyncio.to_thread(cluster.send, "late", [b'"new"'])
            await asyncio.wait([reading], timeout=0.02)
        await reading
        return got

    assert set(asyncio.run(asyncio.wait_for(follow(), LONGEST_S))) == {"new"}


def test_a_topic_may_come_later_than_its_reader(cluster: KafkaCluster) -> None:
    async def follow() -> list[Any]:
        got: list[Any] = []
        reading = asyncio.create_task(read_until(aiter(source(cluster, "later")), got, lambda: bool(got)))
        await asyncio.wait([reading], timeout=0.2)
        await asyncio.to_thread(cluster.send, "later", [b"1"])
        await reading
        return got

    assert asyncio.run(asyncio.wait_for(follow(), LONGEST_S)) == [1]


def test_groups_go_on_behind_what_was_given_on(cluster: KafkaCluster, caplog: pytest.LogCaptureFixture) -> None:
    for partition in range(3):
        cluster.send("shared", [b"%d" % n for n in range(5)], partition)
    fit, careful = cluster.reader("fit"), cluster.reader("careful")
    places = [confluent_kafka.TopicPartition("shared", n, offset) for n, offset in enumerate((3, 100))]
    fit.commit(offsets=places, asynchronous=False)

    async def take_one_chunk() -> list[Any]:
        chunks: Any = aiter(source(cluster, "shared", group="careful"))
        first: list[Any] = await anext(chunks)
        await chunks.aclose()  # as of a run that fails in its first step
        return first

    async def both() -> tuple[list[Any], list[Any]]:  # at once, as a new group makes its first member wait for 3 s
        return await asyncio.gather(
            take_one_chunk(), asyncio.to_thread(read_all, source(cluster, "shared", until="end", group="fit"))
        )

    first, got = asyncio.run(asyncio.wait_for(both(), LONGEST_S))
    # Of partition 0 the rest; of 1 all, as of a topic that was made anew; of 2 all, as nothing was committed.
    assert sorted(got) == sorted([3, 4, *range(5), *range(5)])
    assert "partition 1 has no offset 100, only 0 to 5" in caplog.text
    assert first
    parts = [confluent_kafka.TopicPartition("shared", n) for n in range(3)]
    assert [part.offset for part in fit.committed(parts, timeout=20)] == [5, 5, 5]
    assert all(part.offset < 0 for part in careful.committed(parts, timeout=20))
    fit.close()
    careful.close()


def test_a_loop_is_not_kept_and_reading_can_be_cancelled(cluster: KafkaCluster) -> None:
    cluster.send("idle", [b"1"])

    async def idle() -> int:
        turns, got = 0, list[Any]()
        reading = asyncio.create_task(read_until(aiter(source(cluster, "idle")), got, lambda: False))
        while not got or turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        return turns

    assert asyncio.run(asyncio.wait_for(idle(), LONGEST_S)) >= 1000


def test_brokers_that_go_away_are_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def lonely() -> None:
        got: list[Any] = []
        with kafka_cluster() as cluster:
            cluster.send("away", [b"1"])
            reading = asyncio.create_task(read_until(aiter(source(cluster, "away")), got, lambda: False))
            while not got:
                await asyncio.sleep(0.01)
        while "no broker can be reached; waiting" not in caplog.text:
            await asyncio.sleep(0.01)
        assert not reading.done()
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    caplog.set_level(logging.WARNING)
    asyncio.run(asyncio.wait_for(lonely(), LONGEST_S))


def test_brokers_that_are_not_there_are_named() -> None:
    said = rf"^Kafka at {NOBODY}: no broker answers: .*; write brokers: HOST:PORT of one that does$"
    with pytest.raises(SourceError, match=said):
        read_all(KafkaSource(NOBODY, "t", connect_s=0.1))
    with pytest.raises(SinkError, match=said):
        KafkaSink(NOBODY, "t", connect_s=0.1).open(FACTS)


def test_a_topic_that_is_not_there_is_named_with_those_there_are(cluster: KafkaCluster) -> None:
    cluster.send("alerts", [b"1"])
    with pytest.raises(SourceError, match=r'topic "alrts": .*; did you mean "?alerts'):
        read_all(source(cluster, "alrts", connect_s=0.1))


def test_a_setting_that_is_none_is_named(cluster: KafkaCluster) -> None:
    with pytest.raises(SourceError, match=r'No such configuration property: "compresion"'):
        read_all(source(cluster, "all", settings={"compresion": "zstd"}))


def test_an_item_that_is_too_large_is_refused(cluster: KafkaCluster) -> None:
    sink = KafkaSink(cluster.address, "large", encoding="bytes", settings={**SOON, "message.max.bytes": 2000})
    sink.open(FACTS)
    sink.write(b"small")
    with pytest.raises(
        SinkError, match=r"topic large: 3000 bytes are not sent: .*too large; settings: \{message.max.bytes"
    ):
        sink.write(bytes(3000))
    sink.close(False)
    assert [record.value() for record in cluster.records("large")] == [b"small"]


def test_an_item_without_its_key_or_form_is_named(cluster: KafkaCluster) -> None:
    sink = KafkaSink(cluster.address, "keys", key="detector", settings=SOON)
    sink.open(FACTS)
    sink.write({"detector": 7})
    sink.write({"detector": b"8"})
    with pytest.raises(SinkError, match=r'topic keys: no field "detector"'):
        sink.write({"other": 7})
    with pytest.raises(SinkError, match=r"its detector is 1.5, and a key must be"):
        sink.write({"detector": 1.5})
    with pytest.raises(SinkError, match=r"topic keys: a dict cannot be written as JSON"):
        sink.write({"detector": 7, "what": object()})
    sink.close(True)
    assert {record.key() for record in cluster.records("keys")} == {b"7", b"8"}


@pytest.mark.parametrize("confirm", [True, False])
def test_what_is_not_delivered_is_an_error_with_its_reason(confirm: bool) -> None:
    with kafka_cluster() as cluster:
        sink = KafkaSink(cluster.address, "gone", timeout_s=0.2, confirm=confirm)
        sink.open(FACTS)
    said = (
        r", topic gone(, |: 1 of 1 records were not delivered: )(no partition yet|partition \d): .*(timed out|in time)"
    )
    if confirm:
        with pytest.raises(SinkError, match=said):
            sink.write(1)
        sink.close(False)
    else:
        sink.write(1)
        with pytest.raises(SinkError, match=said):
            sink.close(True)


def test_a_failure_is_told_at_a_later_item() -> None:
    with kafka_cluster() as cluster:
        sink = KafkaSink(cluster.address, "gone", timeout_s=0.05)
        sink.open(FACTS)

    def write_on() -> None:
        while True:
            sink.write(1)

    with pytest.raises(SinkError, match="timed out"):
        write_on()
    with pytest.raises(SinkError, match="records were not delivered"):
        sink.close(False)


def test_a_slow_broker_gets_all_and_the_end_says_what_it_did_not_get() -> None:
    with kafka_cluster(rtt_ms=40) as cluster:
        sent(cluster, "slow", [1, 2, 3])
        sink = KafkaSink(cluster.address, "slow", close_s=0.001)
        sink.open(FACTS)
        for item in range(7):
            sink.write(item)
        with pytest.raises(SinkError, match=r"7 of 7 records were not delivered"):
            sink.close(True)
        assert {record.value() for record in cluster.records("slow")} >= {b"1", b"2", b"3"}


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_pipeline_sends_its_results(cluster: KafkaCluster, engine: str, tmp_path: Path) -> None:
    topic = f"squares-{engine}"
    pipeline = Pipeline(
        name="squares",
        sources={"numbers": Source(chained_code.Numbers, n=30)},
        stages={"squared": Map(chained_code.squared, source="numbers")},
        sinks={"out": Sink("kafka", source="squared", brokers=cluster.address, topic=topic, key="id", settings=SOON)},
        folder=tmp_path,
    )
    report = pipeline.run(engine)
    assert (report.outcome, report.edge("squared", "out").accounts["done"]) == ("finished", 30)
    got = read_all(source(cluster, topic, until="end"))
    assert sorted((item["id"], item["square"][0][0]) for item in got) == [(k, k * k) for k in range(1, 31)]
    assert {record.key() for record in cluster.records(topic)} == {b"%d" % k for k in range(1, 31)}
