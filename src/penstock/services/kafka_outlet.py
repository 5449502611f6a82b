"""Where a simulated instrument puts records: a Kafka broker of its own, which librdkafka brings for tests.

What it is given stays until it ends, so nobody has to be there in time; and nobody says when he has read. So it goes
when those who came have gone again.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from penstock.errors import SourceError
from penstock.extra import extra
from penstock.protocols.ess import schema_of
from penstock.services.connections import connections_of

__all__ = ["DETECTOR", "RUNS", "KafkaOutlet"]

DETECTOR: Final = "sim_detector"
RUNS: Final = "sim_runInfo"
_RUN_SCHEMAS: Final = ("pl72", "6s4t")
_BEGIN: Final = "sim_begin"
_BEGIN_S: Final = 20.0
_SETTLE_S: Final = 1.0
"""For the producer's first connection to go: librdkafka closes it by itself, and says nothing."""
_LOOK_S: Final = 0.05


class KafkaOutlet:
    """Serves records; see `Outlet`.

    Parameters
    ----------
    peers
        How many connections of others must be there before it begins.
    """

    def __init__(self, peers: int) -> None:
        self._peers = peers
        self._producer: Any = None  # the library has no types
        self._own = self._port = 0
        self._has_come = False
        self.address = "tcp://127.0.0.1:0"

    def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        SourceError
            If the broker does not answer.
        MissingExtraError
            If confluent-kafka is not installed.
        """
        with extra("ess"):
            from confluent_kafka import KafkaException, Producer

        try:
            self._producer = Producer({"bootstrap.servers": "-", "test.mock.num.brokers": 1, "log_level": 0})
            (broker,) = self._producer.list_topics(timeout=_BEGIN_S).brokers.values()
        except KafkaException as error:
            raise SourceError(f"the broker of the simulated instrument does not begin: {error}") from error
        self.address = f"tcp://127.0.0.1:{broker.port}"
        self._port = int(broker.port)
        self._own = self._own_connections()

    def wait(self, timeout_s: float) -> bool:
        """Wait until somebody has connected."""
        self._has_come = self._until(lambda: connections_of(self._port) >= self._own + self._peers, timeout_s)
        return self._has_come

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Write one record to the topic that is its."""
        record = b"".join(parts)
        is_of_run = schema_of(record) in _RUN_SCHEMAS
        try:
            self._producer.produce(RUNS if is_of_run else DETECTOR, record, partition=0)
        except BufferError:  # so many are on their way
            self._producer.poll(timeout_s)
            return False
        if is_of_run:
            self._producer.flush(timeout_s)  # it is there before the pulses behind it are
        self._producer.poll(0)
        return True

    def close(self, linger_s: float) -> None:
        """Bring everything out, wait until nobody reads any more, and take the broker away."""
        if self._producer is None:
            return
        begun = time.monotonic()
        self._producer.flush(linger_s)
        if self._has_come:
            self._until(lambda: connections_of(self._port) <= self._own, linger_s - (time.monotonic() - begun))
        self._producer = None

    def _own_connections(self) -> int:
        """Return how many connections the producer keeps, once there is every topic.

        Its first one is only to ask who the brokers are, and the one it writes through comes later: so something is
        written, to a topic of its own, and the first one waited for until it has gone. Else the second one would be
        taken for a reader.
        """
        for topic in (RUNS, DETECTOR):
            self._producer.list_topics(topic, timeout=_BEGIN_S)
        self._producer.produce(_BEGIN, b"", partition=0)
        self._producer.flush(_BEGIN_S)
        self._until(lambda: connections_of(self._port) == 1, _SETTLE_S)
        return connections_of(self._port)

    @staticmethod
    def _until(is_so: Any, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_S)
        return True
