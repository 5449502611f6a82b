"""A Kafka topic as a sink of items."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from penstock.elements.item_bytes import Encoding, item_to_bytes, key_bytes
from penstock.elements.kafka_client import Brokers, checked_settings, names_of, one_topic, require_library, settings_in
from penstock.elements.kafka_writer import KafkaWriter
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import ResultTypeError, SinkError

__all__ = ["KafkaSink"]


class KafkaSink(Sink):
    """Send each item to a Kafka topic as one record.

    In a pipeline::

        sinks:
          alerts: {from: alert, use: kafka, brokers: "kafka.facility.org:9092", topic: alerts, key: detector}

    Sending does not wait for the brokers, unless 100 000 records are on their way. One that they have not taken in
    time, or refuse, is an error that names topic, partition and reason, at one of the next items or at the end. Records
    with the same key arrive in order, and once, also where they had to be sent again; given twice, an item is there
    twice.

    >>> KafkaSink("127.0.0.1:9092", "alerts", settings={"sasl.password": "x"})
    Traceback (most recent call last):
    ...
    ValueError: settings: sasl.password is a secret; write it into a file, and name that as settings_file

    Parameters
    ----------
    brokers
        ``HOST:PORT`` of one or some of them, as a list or with commas.
    topic
        Where to.
    key
        The name of a field with the key: text, bytes or a whole number, which is sent as text. By default none.
    encoding
        ``json``, with arrays as lists and NaN as null; ``text``; ``bytes``; or ``penstock``, which keeps all types,
        for the source ``kafka``.
    confirm
        Whether to wait for each record until the brokers have it, so that the item at fault is known: for few items
        that matter.
    timeout_s
        How long a record may take, tries included, in s.
    connect_s
        How long brokers and topic may take to be there, in s.
    close_s
        How long the end waits for what is on its way, in s; how many were not delivered is an error.
    settings
        More settings of librdkafka, such as ``{compression.type: zstd}``; no secrets.
    settings_file
        A file with a line ``name=value`` for each setting, for passwords; only its owner may read it then.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    may_wait: ClassVar[bool] = True

    def __init__(
        self,
        brokers: str | Sequence[str],
        topic: str,
        key: str = "",
        encoding: Encoding = "json",
        confirm: bool = False,
        timeout_s: float = 30.0,
        connect_s: float = 10.0,
        close_s: float = 10.0,
        settings: Mapping[str, Any] | None = None,
        settings_file: str = "",
    ) -> None:
        self._topic = one_topic(topic)
        self._brokers = names_of(brokers, "brokers")
        self._key = key
        self._encode = item_to_bytes(encoding)
        self._confirms = confirm
        self._timeout_s, self._connect_s, self._close_s = timeout_s, connect_s, close_s
        self._settings, self._settings_file = checked_settings(settings), settings_file
        self._writer: KafkaWriter | None = None

    def open(self, run: RunFacts) -> None:  # noqa: ARG002
        """Find the brokers and the topic.

        Raises
        ------
        MissingExtraError
            If confluent-kafka is not installed.
        SinkError
            If they are not there in time.
        """
        require_library()
        kept = settings_in(self._settings_file, SinkError) if self._settings_file else {}
        brokers = Brokers(",".join(self._brokers), SinkError, self._connect_s)
        self._writer = KafkaWriter(brokers, self._topic, {**self._settings, **kept}, self._timeout_s)
        self._writer.open()

    def write(self, item: Any) -> None:  # an item of any kind
        """Send an item; wait only if too much is on its way.

        Raises
        ------
        SinkError
            If it cannot be sent, or an earlier one was not delivered.
        """
        assert self._writer is not None, "opened before"
        try:
            value, key = self._encode(item), key_bytes(item, self._key)
        except (ValueError, LookupError, ResultTypeError) as error:
            raise SinkError(f"{self._writer}: {error.args[0] if error.args else error}") from error
        self._writer.write(value, key)
        if self._confirms:
            self._writer.settle()

    def is_written(self) -> bool:
        """Return whether all is delivered."""
        writer = self._writer
        return writer is not None and writer.is_delivered

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002
        """Deliver what is on its way, however the run ended."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close(self._close_s)
