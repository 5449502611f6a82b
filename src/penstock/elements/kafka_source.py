"""Records of Kafka topics as a source of plain values; what they are decoded to, its subclasses say.

Reading waits in a thread of its own, so that an event loop never does.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from msgspec.structs import replace

from penstock.elements.kafka_reader import KafkaReader
from penstock.elements.losses import Losses
from penstock.elements.value_message import message_of

if TYPE_CHECKING:
    from confluent_kafka import Message as Record

__all__ = ["Gives", "KafkaRecords"]

Gives = Literal["value", "message"]
"""What an item is: what a record holds, or a message that also says where it lay."""

KAFKA: Final = "kafka"
"""Where the metadata of such a message have topic, partition, offset, key and headers."""


class KafkaRecords(ABC):
    """Base of what reads Kafka: the lists of items that came together, as an asynchronous iterable."""

    in_chunks: ClassVar[bool] = True

    def __init__(self, gives: Gives) -> None:
        if gives not in ("value", "message"):
            raise ValueError(f"gives is {gives!r}; write value, or message")
        self._gives = gives
        self.losses = Losses("kafka")
        """Records that could not be read."""
        self.left_out = 0
        """Records that were not meant for it."""
        self.lost = 0
        """Records that the brokers had removed before they were read."""

    @abstractmethod
    def reader(self) -> KafkaReader:
        """Return a new reader, not open.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        SourceError
            If it cannot be made, for lack of a password for instance.
        """

    @abstractmethod
    def is_meant(self, record: "Record") -> bool:
        """Whether a record is for this source."""

    @abstractmethod
    def value_of(self, record: "Record") -> Any:  # whatever was sent
        """Return what a record holds.

        Raises
        ------
        Exception
            Of any kind, if it cannot be read.
        """

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Read until the end, or until the iterator is closed."""
        return self._chunks(self.reader())

    async def _chunks(self, reader: KafkaReader) -> AsyncIterator[list[Any]]:
        import asyncio  # 30 ms, and whoever checks a pipeline reads nothing
        from concurrent.futures import ThreadPoolExecutor

        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        try:
            await loop.run_in_executor(thread, reader.open)
            while (items := await loop.run_in_executor(thread, self._next, reader)) is not None:
                yield items
                self._accept(reader)  # whoever asks for the next has given these on
        finally:
            reader.stop()
            try:
                await loop.run_in_executor(thread, reader.close)
            finally:
                thread.shutdown(wait=False)

    def wait_s(self) -> float | None:
        """Return when `arranged` wants to be asked again, though nothing comes, in s; ``None``: never."""
        return None

    def arranged(self, items: list[Any], *, ended: bool = False) -> list[Any]:  # noqa: ARG002 - as a rule, as they came
        """Return what to give now that these came, which may be more, less, or in another order.

        Parameters
        ----------
        items
            What came; empty if nothing did.
        ended
            Nothing will come any more.
        """
        return items

    @property
    def holds_back(self) -> bool:
        """Whether something that came is not given yet; then nothing is committed."""
        return False

    def _accept(self, reader: KafkaReader) -> None:
        if not self.holds_back:
            reader.accept()

    def _next(self, reader: KafkaReader) -> list[Any] | None:
        while (records := reader.read(self.wait_s())) is not None:
            self.lost = reader.lost
            items: list[Any] = []
            for record in records:
                self._add(record, items)
            if items := self.arranged(items):
                return items
            self._accept(reader)
        self.lost = reader.lost
        return self.arranged([], ended=True) or None

    def _add(self, record: "Record", items: list[Any]) -> None:
        try:
            if not self.is_meant(record):
                self.left_out += 1
                return
            value = self.value_of(record)
            items.append(value if self._gives == "value" else _message_of(record, value))
        # Bytes from outside, some read by code of other packages, may raise anything; it is counted, and named.
        except Exception as error:  # noqa: BLE001
            where = f"{record.topic()}, partition {record.partition()}, offset {record.offset()}"
            self.losses.add(f"{where}: cannot be read: {type(error).__name__}: {error}")

    @property
    def malformed(self) -> int:
        """How many records could not be read."""
        return self.losses.total


def _message_of(record: "Record", value: Any) -> Any:
    """Return a message with the record's time, what it holds, and where it lay."""
    message = message_of(value)
    place: Mapping[str, Any] = {
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "key": record.key(),
        "headers": [list(header) for header in record.headers() or ()],
    }
    _, ms = record.timestamp()
    stamp = message.timestamp_ns or max(ms, 0) * 1_000_000
    return replace(message, timestamp_ns=stamp, metadata={**message.metadata, KAFKA: place})
