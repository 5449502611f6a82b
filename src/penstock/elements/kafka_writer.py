"""Writes records to one Kafka topic and knows what became of each. It encodes nothing.

The library delivers in threads of its own; what it has to report is heard whenever something is written.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.elements.kafka_client import Brokers, client_of, text_of
from penstock.errors import SinkError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

__all__ = ["KafkaWriter"]

_POLL_S: Final = 0.1
_GRACE_S: Final = 10.0
"""How much longer than a record may take the library may need to say that it failed."""
_IN_FLIGHT: Final = "_PURGE_INFLIGHT"


class KafkaWriter:
    """A producer. What it delivers is there once, in order by key, also where it must try again.

    Parameters
    ----------
    brokers
        Whom to give it.
    topic
        Where to.
    settings
        Of librdkafka.
    timeout_s
        How long a record may take, tries included, in s.
    """

    def __init__(self, brokers: Brokers, topic: str, settings: Mapping[str, Any], timeout_s: float) -> None:
        self._brokers = brokers
        self._topic = topic
        self._settings = {"enable.idempotence": "true", **settings, "message.timeout.ms": round(timeout_s * 1000)}
        self._timeout_s = timeout_s
        self._producer: Producer | None = None
        self._failed: list[str] = []
        """What failed and was not told yet: the first; of the others only how many there are is told."""
        self._failures = 0
        self._unknown = 0
        self._written = 0

    def open(self) -> None:
        """Wait for brokers and topic; brokers that make topics make it.

        Raises
        ------
        SinkError
            If they are not there in time.
        """
        from confluent_kafka import Producer

        # Reports of what was delivered would cost a call each, and say nothing that is needed.
        settings = {**self._settings, "delivery.report.only.error": True, "on_delivery": self._report}
        self._producer = client_of(Producer, self._brokers, settings)
        self._brokers.partitions(self._producer, [self._topic])

    def write(self, value: bytes, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Hand over a record; wait if there is no more room for what is on its way.

        Raises
        ------
        SinkError
            If this one is too large, or an earlier one was not delivered.
        """
        from confluent_kafka import KafkaException

        assert self._producer is not None, "opened before"
        while True:
            try:
                self._producer.produce(self._topic, value, key, headers=list(headers))
                break
            except BufferError:
                self._hear(_POLL_S)
            except KafkaException as error:
                raise SinkError(f"{self}: {len(value)} bytes are not sent: {text_of(error)}{_remedy(error)}") from error
        self._written += 1
        self._hear(0)

    @property
    def is_delivered(self) -> bool:
        """Whether everything so far is delivered; not any more when something was not. From any thread."""
        producer = self._producer
        return producer is not None and not len(producer) and not self._failures

    def settle(self) -> None:
        """Wait until all is delivered.

        Raises
        ------
        SinkError
            If something was not.
        """
        producer, late = self._producer, time.monotonic() + self._timeout_s + _GRACE_S
        while producer is not None and producer.flush(_POLL_S):
            if time.monotonic() > late:  # every record is delivered or fails in its time, unless the library hangs
                producer.purge()
                producer.flush(_POLL_S)
                break
        self._hear(0)

    def close(self, within_s: float) -> None:
        """Deliver what is on its way, and give up what is not delivered in time.

        Raises
        ------
        SinkError
            If not all was delivered: how many were not, and why.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if producer.flush(within_s):
            producer.purge()
            producer.flush(_POLL_S)
        if not self._failed:
            return
        unknown = f"; {self._unknown} of them may have been" if self._unknown else ""
        raise SinkError(
            f"{self}: {self._failures} of {self._written} records were not delivered{unknown}: {self._failed[0]}"
        )

    def __str__(self) -> str:
        return f"Kafka at {self._brokers.address}, topic {self._topic}"

    def _hear(self, wait_s: float) -> None:
        assert self._producer is not None, "opened before"
        self._producer.poll(wait_s)
        if self._failed:
            failed, self._failed = self._failed, []
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise SinkError(f"{self}, {failed[0]}{more}")

    def _report(self, error: "KafkaError | None", record: "Message") -> None:
        if error is None:
            return
        self._failures += 1
        purged = error.name().startswith("_PURGE")
        self._unknown += error.name() == _IN_FLIGHT
        number = record.partition()
        where = "no partition yet" if number is None or number < 0 else f"partition {number}"
        reason = "not delivered in time, when all else was done" if purged else error.str()
        self._failed.append(f"{where}: {reason}")


def _remedy(error: Exception) -> str:
    from confluent_kafka import KafkaError

    said = error.args[0] if error.args else None
    if isinstance(said, KafkaError) and said.name() == "MSG_SIZE_TOO_LARGE":
        return "; settings: {message.max.bytes: N} raises the limit of this side"
    return ""
