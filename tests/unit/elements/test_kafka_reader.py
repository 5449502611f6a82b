"""Where a reader of Kafka begins and goes on; what brokers would answer is given."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.elements.kafka_client import Brokers
from penstock.elements.kafka_reader import KafkaReader, start_of
from penstock.errors import SourceError

confluent_kafka: Any = pytest.importorskip("confluent_kafka", reason='needs pip install "penstock[kafka]"')

FIRST, LAST = 10, 20
AT_NS = 1_700_000_000_000_000_000


class Answering:
    """A consumer of a topic with two partitions; one record is sent each ms, in partition 0 from ``AT_NS`` on."""

    asked_ms: list[int]
    assigned: Sequence[Any] = ()

    def __init__(self, settings: Any) -> None:
        self.asked_ms = []
        Answering.last = self

    last: "Answering"

    coming: Sequence[Any] = ()
    """What is read next."""

    def poll(self, timeout: float) -> Any:
        return self.coming[0] if self.coming else None

    def consume(self, most: int, timeout: float) -> Sequence[Any]:
        found, self.coming = self.coming[1:], ()
        return found

    def assignment(self) -> Sequence[Any]:
        return self.assigned

    def list_topics(self, topic: str = "", timeout: float = 0) -> Any:
        return SimpleNamespace(topics={"t": SimpleNamespace(error=None, partitions={0: None, 1: None})})

    def get_watermark_offsets(self, part: Any, timeout: float) -> tuple[int, int]:
        return FIRST, LAST

    def offsets_for_times(self, parts: list[Any], timeout: float) -> list[Any]:
        for part in parts:
            self.asked_ms.append(part.offset)
            after_ms = max(part.offset - AT_NS // 1_000_000, 0)
            part.offset = FIRST + after_ms if part.partition == 0 and after_ms < LAST - FIRST else -1
        return parts

    def assign(self, parts: Sequence[Any]) -> None:
        self.assigned = parts

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("start", "offsets"),
    [
        ("earliest", [10, 10]),
        ("latest", [20, 20]),
        ("2023-11-14T22:13:20Z", [10, 20]),
        ("2023-11-14T23:13:20.003+01:00", [13, 20]),
        ("2023-11-14T22:13:20.002000001Z", [13, 20]),  # not before it
        ("2023-11-14T22:13:21Z", [20, 20]),  # nothing is as late
    ],
)
def test_a_start_is_an_offset_of_each_partition(
    monkeypatch: pytest.MonkeyPatch, start: str, offsets: list[int]
) -> None:
    monkeypatch.setattr(confluent_kafka, "Consumer", Answering)
    reader = KafkaReader(Brokers("h:1", SourceError, 1), ["t"], {}, start=start_of(start))
    reader.open()
    assert [(part.partition, part.offset) for part in Answering.last.assigned] == list(enumerate(offsets))
    reader.close()


class Record:
    """A record, or news of its partition."""

    def __init__(self, partition: int, offset: int, error: str = "") -> None:
        self._place, self._error = ("t", partition, offset), error

    def error(self) -> Any:
        return SimpleNamespace(name=lambda: self._error, fatal=lambda: False) if self._error else None

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]


@pytest.mark.parametrize("is_first", [True, False])
def test_what_was_removed_is_counted_and_the_rest_read_once(monkeypatch: pytest.MonkeyPatch, is_first: bool) -> None:
    monkeypatch.setattr(confluent_kafka, "Consumer", Answering)
    reader = KafkaReader(Brokers("h:1", SourceError, 1), ["t"], {}, start="latest")
    reader.open()
    early: list[Any] = [Record(0, 2), Record(1, 2)]
    Answering.last.coming = early
    assert reader.read() == early
    gone = Record(1, -1, "_AUTO_OFFSET_RESET")
    records: list[Any] = [Record(0, 3), Record(0, 4)]
    Answering.last.coming = [gone, *records] if is_first else [*records, gone]
    assert reader.read() == records
    assert reader.lost == FIRST - 3
    assert [(part.partition, part.offset) for part in Answering.last.assigned] == [(0, 5), (1, FIRST)]
    reader.close()
