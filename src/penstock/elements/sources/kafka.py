"""Kafka topics as a source of items."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from penstock.elements.item_bytes import Encoding, bytes_to_item
from penstock.elements.kafka_client import Brokers, checked_settings, names_of, require_library, settings_in
from penstock.elements.kafka_reader import KafkaReader, start_of
from penstock.elements.kafka_source import Gives, KafkaRecords
from penstock.errors import SourceError

if TYPE_CHECKING:
    from confluent_kafka import Message as Record

__all__ = ["KafkaSource"]


class KafkaSource(KafkaRecords):
    """Read Kafka topics: each record is an item.

    In a pipeline::

        sources:
          monitor: {use: kafka, brokers: "kafka.facility.org:9092", topics: monitors, start: latest}

    In a group each record goes to one member, and its offset is committed within a second after it was given on: to the
    first buffer, branch or other process behind the source. Of a member that dies the others read again what was not
    committed, so a record may come twice. Without a group all partitions are read that are there at the start.

    A record that cannot be decoded is counted and named in the log, and the next is read. Brokers that go away are
    waited for.

    >>> KafkaSource("127.0.0.1:9092", ["monitors"], start="yesterday")
    Traceback (most recent call last):
    ...
    ValueError: start is 'yesterday'; write earliest, latest, or a time with its zone, such as 2026-11-20T12:00:00Z

    Parameters
    ----------
    brokers
        ``HOST:PORT`` of one or some of them, as a list or with commas.
    topics
        One or several, likewise.
    group
        The group that shares the topics; by default none.
    start
        Where to begin if the group has committed nothing: ``latest``, what comes from now on; ``earliest``, the oldest
        there is; or a time with its zone.
    until
        ``end``: end where the topics end, and do not wait for more.
    encoding
        ``json``, ``text``, ``bytes``, or ``penstock``, which the sink ``kafka`` writes with all types.
    gives
        ``value``, what was sent; a record without a value is ``None``. ``message``: a message with its time, whose
        metadata have ``kafka`` with topic, partition, offset, key and headers.
    connect_s
        How long brokers and topics may take to be there, in s.
    settings
        More settings of librdkafka, such as ``{security.protocol: SASL_SSL}``; no secrets.
    settings_file
        A file with a line ``name=value`` for each setting, for passwords; only its owner may read it then.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(
        self,
        brokers: str | Sequence[str],
        topics: str | Sequence[str],
        group: str = "",
        start: str | datetime = "latest",
        until: Literal["end"] | None = None,
        encoding: Encoding = "json",
        gives: Gives = "value",
        connect_s: float = 10.0,
        settings: Mapping[str, Any] | None = None,
        settings_file: str = "",
    ) -> None:
        super().__init__(gives)
        if until not in (None, "end"):
            raise ValueError(f"until is {until!r}; write end, or leave it out")
        self._brokers, self._topics = names_of(brokers, "brokers"), names_of(topics, "topics")
        self._group, self._start, self._ends = group, start_of(start), until == "end"
        self._encoding = encoding
        self._decode: Callable[[bytes], Any] = bytes_to_item(encoding)
        self._connect_s = connect_s
        self._settings, self._settings_file = checked_settings(settings), settings_file

    def reader(self) -> KafkaReader:
        """Return a new reader of these topics, not open."""
        require_library()
        kept = settings_in(self._settings_file, SourceError) if self._settings_file else {}
        brokers = Brokers(",".join(self._brokers), SourceError, self._connect_s)
        return KafkaReader(
            brokers,
            self._topics,
            {**self._settings, **kept},
            group=self._group,
            start=self._start,
            ends=self._ends,
        )

    def is_meant(self, record: "Record") -> bool:  # noqa: ARG002
        """Every record is."""
        return True

    def value_of(self, record: "Record") -> Any:  # whatever was sent
        """Return what a record holds."""
        data = record.value()
        return None if data is None else self._decode(data)
