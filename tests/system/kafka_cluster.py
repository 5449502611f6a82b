"""Brokers that librdkafka brings for tests: real sockets, in the process that asks for them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

confluent_kafka: Any = pytest.importorskip("confluent_kafka", reason='needs pip install "penstock[kafka]"')

QUICK = {"fetch.wait.max.ms": 20}
"""Settings of a reader that learns soon where a partition ends."""
SOON = {"enable.idempotence": False}
"""Settings of a sink that is not to wait, now and then for half a second, until it has got a number from the broker."""
PARTITIONS = 4
"""Of every topic; a topic is made when somebody writes to it."""


class KafkaCluster:
    """One broker, at ``address``."""

    def __init__(self, rtt_ms: int = 0) -> None:
        config = {"bootstrap.servers": "-", "test.mock.num.brokers": 1, "test.mock.broker.rtt": rtt_ms, "log_level": 0}
        self._host: Any = confluent_kafka.Producer(config)
        brokers = self._host.list_topics(timeout=20).brokers.values()
        self.address = ",".join(f"{each.host}:{each.port}" for each in brokers)

    def stop(self) -> None:
        """Take the broker away, with what it has."""
        self._host = None

    def send(self, topic: str, values: Sequence[bytes | None], partition: int = 0, **more: Any) -> None:
        """Write records and see them delivered."""
        failed: list[str] = []
        for value in values:
            report = lambda error, _: failed.append(error.str()) if error else None  # noqa: E731
            self._host.produce(topic, value, partition=partition, on_delivery=report, **more)
        assert self._host.flush(20) == 0
        assert not failed

    def records(self, topic: str) -> list[Any]:
        """Return all that was written to a topic, by partition."""
        reader = self.reader("reads all")
        reader.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        found, ends = [], 0
        while ends < PARTITIONS:
            record = reader.poll(20)
            assert record is not None
            ends += record.error() is not None
            found += [] if record.error() else [record]
        reader.close()
        return sorted(found, key=lambda record: (record.partition(), record.offset()))

    def reader(self, group: str) -> Any:
        """Return a consumer of the library."""
        return confluent_kafka.Consumer(
            {"bootstrap.servers": self.address, "group.id": group, "enable.partition.eof": True, **QUICK}
        )


@contextmanager
def kafka_cluster(rtt_ms: int = 0) -> Iterator[KafkaCluster]:
    """Have a broker for a while."""
    cluster = KafkaCluster(rtt_ms)
    try:
        yield cluster
    finally:
        cluster.stop()
