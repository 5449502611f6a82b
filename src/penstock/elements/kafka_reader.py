"""Reads the records of Kafka topics: from where, until when, and what may be forgotten. It decodes nothing.

It waits in the thread that calls it.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from penstock.core.timestamp import Timestamp
from penstock.elements.kafka_client import LOG, Brokers, client_of, text_of
from penstock.errors import SourceError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

__all__ = ["KafkaReader", "Start", "start_of"]

Start = str | Timestamp
"""``earliest``, ``latest``, or a time."""

MOST: Final = 1000
"""Records that are read together."""
_POLL_S: Final = 0.1
_ASK_S: Final = 10.0
_UNGROUPED: Final = "penstock"
_LOGICAL_END: Final = -1
_FINAL: Final = frozenset(
    {
        "UNKNOWN_TOPIC_OR_PART",
        "TOPIC_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "SASL_AUTHENTICATION_FAILED",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "_AUTHENTICATION",
    }
)
"""Errors of a consumer that do not pass by themselves."""


class KafkaReader:
    """A consumer, alone or in a group.

    An offset is committed, within a second and at `close`, once `accept` has said that what was read is given on.

    Parameters
    ----------
    brokers
        Whom to ask.
    topics
        What to read.
    settings
        Of librdkafka.
    group
        The group that shares the topics; empty for none, then everything is read and nothing is committed.
    start
        Where to begin in partitions of which the group has committed nothing.
    ends
        Whether to end where the partitions end, or wait there for more.
    """

    def __init__(
        self,
        brokers: Brokers,
        topics: Sequence[str],
        settings: Mapping[str, Any],
        *,
        group: str = "",
        start: Start = "latest",
        ends: bool = False,
    ) -> None:
        self._brokers = brokers
        self._topics = list(topics)
        self._settings = settings
        self._group, self._start, self._ends = group, start, ends
        self._consumer: Consumer | None = None
        self._stopped = Event()
        self._unfinished: set[tuple[str, int]] | None = None
        """Partitions whose end was not seen; ``None`` while no partition was assigned."""
        self._next: dict[tuple[str, int], int] = {}
        """By partition, the offset behind what was read."""
        self._fresh: set[tuple[str, int]] = set()
        """Partitions of which something was read and not yet accepted."""
        self.lost = 0
        """Records that the brokers had removed before they were read, as far as can be known."""

    def open(self) -> None:
        """Wait for the brokers and topics, and find out where to begin.

        Raises
        ------
        SourceError
            If they are not there in time, or refuse.
        """
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        committed = "true" if self._group else "false"
        self._consumer = consumer = client_of(
            Consumer,
            self._brokers,
            {
                "auto.commit.interval.ms": 1000,
                "group.id": _UNGROUPED,
                **self._settings,
                **({"group.id": self._group} if self._group else {}),
                "enable.auto.commit": committed,
                "enable.auto.offset.store": "false",
                "auto.offset.reset": "error",  # what is lost is counted, see _lose
                "enable.partition.eof": "true",
                "on_commit": self._committed,
            },
        )
        found = self._brokers.partitions(consumer, self._topics, self._stopped)
        if self._group:
            consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked)
            return
        parts = [TopicPartition(topic, number) for topic, numbers in found.items() for number in numbers]
        try:
            self._assign(consumer, parts)
        except KafkaException as error:
            raise SourceError(f"{self}: {text_of(error)}") from error

    @property
    def partitions(self) -> Set[tuple[str, int]]:
        """Topic and number of those that it reads now."""
        return self._next.keys() if self._unfinished is not None else frozenset()

    def stop(self) -> None:
        """Let `read` return; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Commit what was accepted, leave the group, and let go of the brokers. May be called twice."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def read(self, at_most_s: float | None = None) -> "list[Message] | None":
        """Wait for records; return those there are, ``MOST`` at most, or ``None`` behind the last one.

        Parameters
        ----------
        at_most_s
            How long to wait, in s, about; then an empty list is returned. ``None``: until there are some.

        Raises
        ------
        SourceError
            If the brokers refuse.
        """
        from confluent_kafka import KafkaException

        consumer, left_s = self._consumer, at_most_s
        while consumer is not None and not self._stopped.is_set():
            poll_s = _POLL_S if left_s is None else min(_POLL_S, max(left_s, 0.0))
            try:
                first = consumer.poll(poll_s)
                # consume alone would wait until there are as many as it is asked for
                found = [] if first is None else [first, *consumer.consume(MOST - 1, 0)]
                records = self._without_news(consumer, found)
            except KafkaException as error:
                raise SourceError(f"{self}: {text_of(error)}") from error
            if records:
                self._brokers.answered()
                return records
            if self._ends and self._unfinished is not None and not self._unfinished:
                return None
            if left_s is not None and (left_s := left_s - poll_s) <= 0:
                return []
        return None

    def accept(self) -> None:
        """Learn that all that was read before is given on and need not be read again."""
        from confluent_kafka import KafkaException, TopicPartition

        fresh, self._fresh = self._fresh, set()
        if not self._group or self._consumer is None or not fresh:
            return
        offsets = [TopicPartition(*place, self._next[place]) for place in fresh]
        try:
            self._consumer.store_offsets(offsets=offsets)
        except KafkaException as error:  # the group has given the partition to another, who reads it again
            LOG.info("%s: offsets not noted: %s", self, text_of(error))

    def __str__(self) -> str:
        group = f", group {self._group}" if self._group else ""
        return f"Kafka at {self._brokers.address}, {', '.join(self._topics)}{group}"

    def _without_news(self, consumer: "Consumer", found: "list[Message]") -> "list[Message]":
        records, news = [], []
        for message in found:
            error = message.error()
            if error is not None:
                news.append((message, error))
                continue
            records.append(message)
            self._next[_place(message)] = (message.offset() or 0) + 1
            self._fresh.add(_place(message))
        for message, error in news:  # last, as they may have partitions assigned anew, behind what was read
            self._learn(consumer, message, error)
        return records

    def _learn(self, consumer: "Consumer", message: "Message", error: "KafkaError") -> None:
        if error.name() == "_PARTITION_EOF":
            if self._unfinished is not None:
                self._unfinished.discard(_place(message))
        elif error.name() == "_AUTO_OFFSET_RESET":
            self._lose(consumer, message)
        elif error.fatal() or error.name() in _FINAL:
            raise SourceError(f"{self}: {error.str()}")
        else:
            LOG.warning("%s: %s", self, error.str())

    def _lose(self, consumer: "Consumer", message: "Message") -> None:
        """Go on at the first record there is, where the next one is not there any more."""
        from confluent_kafka import TopicPartition

        place = topic, number = _place(message)
        part = TopicPartition(topic, number)
        first, last = _watermarks(consumer, part)
        wanted = self._next[place]
        lost = max(first - wanted, 0)
        self.lost += lost
        LOG.warning(
            "%s: partition %d has no offset %d, only %d to %d; %s were lost, going on at %d",
            *(self, number, wanted, first, last, lost or "an unknown number", first),
        )
        self._next[place] = first
        # All of them anew: librdkafka has given this partition up, and cannot seek in it.
        consumer.assign([TopicPartition(*each, self._next[each]) for each in map(_where, consumer.assignment())])

    def _assigned(self, consumer: "Consumer", parts: "list[TopicPartition]") -> None:
        committed = consumer.committed(parts, timeout=_ASK_S) if parts else []
        self._assign(consumer, committed)

    def _revoked(self, consumer: "Consumer", parts: "list[TopicPartition]") -> None:  # noqa: ARG002
        self._unfinished = None

    def _assign(self, consumer: "Consumer", parts: "list[TopicPartition]") -> None:
        for part, offset in zip(parts, self._first_offsets(consumer, parts), strict=True):
            part.offset = self._next[part.topic, part.partition] = offset
        self._fresh.clear()
        self._unfinished = set(map(_where, parts))
        consumer.assign(parts)

    def _first_offsets(self, consumer: "Consumer", parts: "list[TopicPartition]") -> list[int]:
        """Return an offset for each: what is committed, or else where to start."""
        return [part.offset if part.offset >= 0 else self._first_offset(consumer, part) for part in parts]

    def _first_offset(self, consumer: "Consumer", part: "TopicPartition") -> int:
        """Return where to start; asked now, because librdkafka asks later, and would miss what comes until then."""
        from confluent_kafka import TopicPartition

        if isinstance(self._start, Timestamp):
            ms = -(-self._start.ns // 1_000_000)
            (found,) = consumer.offsets_for_times([TopicPartition(part.topic, part.partition, ms)], timeout=_ASK_S)
            if found.offset != _LOGICAL_END:
                return found.offset
        first, last = _watermarks(consumer, part)
        return first if self._start == "earliest" else last

    def _committed(self, error: "KafkaError | None", parts: "list[TopicPartition]") -> None:
        if error is not None and error.name() != "_NO_OFFSET":
            LOG.warning("%s: offsets of %d partitions are not committed: %s", self, len(parts), error.str())


def start_of(written: str | datetime) -> Start:
    """Return where to begin.

    >>> start_of("earliest"), start_of("2026-11-20T12:00:00Z").ns
    ('earliest', 1795176000000000000)

    Raises
    ------
    ValueError
        If it is none of ``earliest``, ``latest`` and a time with its zone.
    """
    if isinstance(written, str) and written in ("earliest", "latest"):
        return written
    text = written.isoformat() if isinstance(written, datetime) else str(written)
    try:
        if datetime.fromisoformat(text).tzinfo is not None:
            return Timestamp.from_iso(text)
    except ValueError:
        pass
    raise ValueError(
        f"start is {text!r}; write earliest, latest, or a time with its zone, such as 2026-11-20T12:00:00Z"
    )


def _place(message: "Message") -> tuple[str, int]:
    topic, number = message.topic(), message.partition()
    return topic or "", -1 if number is None else number


def _where(part: "TopicPartition") -> tuple[str, int]:
    return part.topic, part.partition


def _watermarks(consumer: "Consumer", part: "TopicPartition") -> tuple[int, int]:
    """Return the offset of the first record of a partition, and the one behind its last."""
    from confluent_kafka import KafkaError, KafkaException

    found = consumer.get_watermark_offsets(part, timeout=_ASK_S)
    if found is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    return found[0], found[1]
