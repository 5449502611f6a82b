"""Hopskotch topics, of multi-messenger astronomy, as a source of items."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from penstock.elements.hopskotch import Credential, HopAddress, is_test, require_hop, unpacked
from penstock.elements.kafka_client import Brokers, checked_settings
from penstock.elements.kafka_reader import KafkaReader, start_of
from penstock.elements.kafka_source import Gives, KafkaRecords
from penstock.errors import SourceError

if TYPE_CHECKING:
    from confluent_kafka import Message as Record

__all__ = ["HopskotchSource"]


class HopskotchSource(KafkaRecords):
    """Read Hopskotch topics: each message is an item.

    In a pipeline::

        sources:
          alerts: {use: hopskotch, url: "kafka://kafka.scimma.org/snews.alert-test"}

    The credential is the one that ``hop auth add`` has stored for the host, in ``~/.config/hop/auth.toml``, or below
    ``XDG_CONFIG_HOME``. Items are values of JSON, bytes of a blob, a list of an Avro blob, and for VOEvents, circulars
    and formats of plug-ins the object that hop-client makes. What was too large for a topic is given as its
    ``ExternalMessage`` with ``url``, and not fetched. Groups, offsets and errors are as of the source ``kafka``.

    >>> HopskotchSource("kafka.scimma.org/alerts")
    Traceback (most recent call last):
    ...
    ValueError: "kafka.scimma.org/alerts" is no address of Hopskotch; write kafka://HOST:PORT/TOPIC

    Parameters
    ----------
    url
        ``kafka://HOST:PORT/TOPIC``, several topics with commas; ``USER@`` before the host chooses a credential.
    auth
        Whether to use a credential; ``false`` for brokers that know nobody, in tests.
    group
        The group that shares the topics, which begins with your user name there; by default none.
    start
        Where to begin if the group has committed nothing: ``latest``, ``earliest``, or a time with its zone.
    until
        ``end``: end where the topics end, and do not wait for more.
    tests
        Whether messages that are marked as tests are items, too.
    gives
        ``value``, or ``message``: a message with its time, whose metadata have ``kafka`` with topic, partition, offset,
        key and headers.
    connect_s
        How long broker and topics may take to be there, in s.
    settings
        More settings of librdkafka; no secrets.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(
        self,
        url: str,
        auth: bool = True,
        group: str = "",
        start: str | datetime = "latest",
        until: Literal["end"] | None = None,
        tests: bool = False,
        gives: Gives = "value",
        connect_s: float = 10.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(gives)
        if until not in (None, "end"):
            raise ValueError(f"until is {until!r}; write end, or leave it out")
        self._address = HopAddress.parse(url)
        self._is_known = auth
        self._group, self._start, self._ends = group, start_of(start), until == "end"
        self._with_tests = tests
        self._connect_s = connect_s
        self._settings = checked_settings(settings)

    def reader(self) -> KafkaReader:
        """Return a new reader of these topics, not open."""
        require_hop()
        known = Credential.found(self._address, SourceError) if self._is_known else Credential(settings={})
        # Brokers of Hopskotch let a user have groups whose names begin with that of the user; a reader without a group
        # has a name of one, too.
        named = {"group.id": f"{known.user}-penstock"} if known.user else {}
        brokers = Brokers(self._address.broker, SourceError, self._connect_s)
        return KafkaReader(
            brokers,
            self._address.topics,
            {**named, **self._settings, **known.settings},
            group=self._group,
            start=self._start,
            ends=self._ends,
        )

    def is_meant(self, record: "Record") -> bool:
        """Whether it is no test, or tests are wanted."""
        return self._with_tests or not is_test(record)

    def value_of(self, record: "Record") -> Any:  # whatever was sent
        """Return what a message holds."""
        return None if record.value() is None else unpacked(record)
