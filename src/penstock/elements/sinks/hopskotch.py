"""A Hopskotch topic, of multi-messenger astronomy, as a sink of items."""

from collections.abc import Mapping
from typing import Any, ClassVar

from penstock.elements.hopskotch import Credential, HopAddress, require_hop
from penstock.elements.item_bytes import item_to_bytes, key_bytes
from penstock.elements.kafka_client import Brokers, checked_settings
from penstock.elements.kafka_writer import KafkaWriter
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import ResultTypeError, SinkError

__all__ = ["HopskotchSink"]


class HopskotchSink(Sink):
    """Send each item to a Hopskotch topic, and be done with it when the broker has it.

    In a pipeline::

        sinks:
          alerts: {from: alert, use: hopskotch, url: "kafka://kafka.scimma.org/snews.alert-test"}

    Bytes are sent as a blob, models of hop-client in their own format, anything else as JSON, with arrays as lists and
    NaN as null. The credential is the one that ``hop auth add`` has stored for the host, in
    ``~/.config/hop/auth.toml``, or below ``XDG_CONFIG_HOME``. What the broker has not taken in time, or refuses, is an
    error that names topic, partition and reason.

    >>> HopskotchSink("kafka://127.0.0.1:9092")
    Traceback (most recent call last):
    ...
    ValueError: topic must be given; write topic: NAME, or a list of them

    Parameters
    ----------
    url
        ``kafka://HOST:PORT/TOPIC``; ``USER@`` before the host chooses a credential.
    auth
        Whether to use a credential; ``false`` for brokers that know nobody, in tests.
    key
        The name of a field with the key, which keeps items in order that have the same one, such as an alert and what
        updates it. By default none.
    test
        Whether to mark what is sent as a test, which others leave out unless they ask for tests.
    confirm
        Whether to wait for each message until the broker has it; if not, many are on their way together, and an error
        comes at one of the next items or at the end.
    timeout_s
        How long a message may take, tries included, in s.
    connect_s
        How long broker and topic may take to be there, in s.
    close_s
        How long the end waits for what is on its way, in s; how many were not delivered is an error.
    settings
        More settings of librdkafka; no secrets.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    may_wait: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        auth: bool = True,
        key: str = "",
        test: bool = False,
        confirm: bool = True,
        timeout_s: float = 30.0,
        connect_s: float = 10.0,
        close_s: float = 10.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._address = HopAddress.parse(url)
        if len(self._address.topics) > 1:
            raise ValueError(f"{url} names several topics; write one")
        self._is_known, self._key, self._is_test, self._confirms = auth, key, test, confirm
        self._timeout_s, self._connect_s, self._close_s = timeout_s, connect_s, close_s
        self._settings = checked_settings(settings)
        self._known = Credential(settings={})
        self._writer: KafkaWriter | None = None

    def open(self, run: RunFacts) -> None:  # noqa: ARG002
        """Find the credential, the broker and the topic.

        Raises
        ------
        MissingExtraError
            If hop-client is not installed.
        SinkError
            If one of them is not there in time.
        """
        require_hop()
        if self._is_known:
            self._known = Credential.found(self._address, SinkError)
        brokers = Brokers(self._address.broker, SinkError, self._connect_s)
        settings = {**self._settings, **self._known.settings}
        self._writer = KafkaWriter(brokers, self._address.topics[0], settings, self._timeout_s)
        self._writer.open()

    def write(self, item: Any) -> None:  # an item of any kind
        """Send an item.

        Raises
        ------
        SinkError
            If it cannot be sent, or this or an earlier one was not delivered.
        """
        assert self._writer is not None, "opened before"
        try:
            key = key_bytes(item, self._key)
            value, headers = self._packed(item)
        except (ValueError, LookupError, ResultTypeError) as error:
            raise SinkError(f"{self._writer}: {error.args[0] if error.args else error}") from error
        self._writer.write(value, key, headers)
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

    def _packed(self, item: Any) -> tuple[bytes, list[tuple[str, bytes]]]:
        from hop.io import Producer
        from hop.models import JSONBlob, MessageModel

        if isinstance(item, bytes | MessageModel):
            return Producer.pack(item, test=self._is_test, auth=self._known.auth)  # type: ignore[no-any-return]
        _, headers = Producer.pack(JSONBlob(content=None), test=self._is_test, auth=self._known.auth)
        return item_to_bytes("json")(item), headers  # hop-client's own knows no arrays, and writes NaN
