"""Kafka topics with the records of the European Spallation Source, as messages of runs."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from penstock.core.decoder import Traits
from penstock.core.message import Kind, Message
from penstock.core.run_bounds import RunBounds
from penstock.elements.gives_messages import GivesMessages
from penstock.elements.kafka_client import Brokers, checked_settings, names_of, require_library, settings_in
from penstock.elements.kafka_reader import KafkaReader, start_of
from penstock.elements.kafka_source import KafkaRecords
from penstock.errors import SourceError
from penstock.extra import extra
from penstock.protocols.ess import SCHEMAS, EssDecoder, schema_of

if TYPE_CHECKING:
    from confluent_kafka import Message as Record

__all__ = ["EssSource"]


class EssSource(KafkaRecords, GivesMessages):
    """Read neutrons, values, images and runs of the ESS: schemas ev44, f144, ad00, pl72 and 6s4t.

    ::

        sources:
          detector:
            use: ess
            brokers: "kafka.example:9092"
            topics: loki_detector
            runs: loki_runInfo

    What a message has is told in `EssDecoder`. Records of other schemas are left out; those that cannot be read are
    counted, and the next is read. Brokers, partitions and groups are as of the source ``kafka``.

    A run starts and stops on the topic ``runs``, which may be quicker or slower than the data. Its end is given when
    all partitions of the topics have brought something that happened then or later, at the latest ``settle_s`` after
    the news of it; what happened later is held until then.

    Parameters
    ----------
    brokers
        ``HOST:PORT`` of one or some of them, as a list or with commas.
    topics
        One or several with data, likewise.
    runs
        Those on which runs start and stop; by default nothing tells of runs.
    sources
        Names that data must have as their source, such as a bank or a motor; by default any. With a single one, its
        messages are numbered.
    outside
        ``keep``, or ``drop`` what happened in no run; then what comes before the news of a start is held for
        ``settle_s``.
    settle_s
        How far data and news of a run may be from each other, in s.
    group, start, until, connect_s, settings, settings_file
        As of the source ``kafka``.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(
        self,
        brokers: str | Sequence[str],
        topics: str | Sequence[str],
        runs: str | Sequence[str] = (),
        sources: str | Sequence[str] = (),
        outside: Literal["keep", "drop"] = "keep",
        settle_s: float = 1.0,
        group: str = "",
        start: str | datetime = "latest",
        until: Literal["end"] | None = None,
        connect_s: float = 10.0,
        settings: Mapping[str, Any] | None = None,
        settings_file: str = "",
    ) -> None:
        super().__init__("value")
        if until not in (None, "end"):
            raise ValueError(f"until is {until!r}; write end, or leave it out")
        if outside not in ("keep", "drop"):
            raise ValueError(f"outside is {outside!r}; write keep, or drop")
        if outside == "drop" and not runs:
            raise ValueError("outside is drop, and no topic tells of runs; write runs: TOPIC")
        if not 0 <= settle_s < float("inf"):
            raise ValueError(f"settle_s is {settle_s}; write seconds")
        self._brokers, self._topics = names_of(brokers, "brokers"), names_of(topics, "topics")
        self._runs = names_of(runs, "runs") if runs else []
        self._sources = frozenset(names_of(sources, "sources") if sources else ())
        self._bounds = RunBounds(settle_s, keep_outside=outside == "keep")
        self._decoder = EssDecoder()
        self._reader: KafkaReader | None = None
        self._group, self._start, self._ends = group, start_of(start), until == "end"
        self._connect_s = connect_s
        self._settings, self._settings_file = checked_settings(settings), settings_file
        self._traits = _traits(runs, sources)

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # they depend on the arguments
        """Numbers of one source, times, and runs if they are told."""
        return self._traits

    @classmethod
    def traits_with(cls, arguments: Mapping[str, Any]) -> Traits:
        """Return what its messages will have with these arguments."""
        return _traits(arguments.get("runs") or (), arguments.get("sources") or ())

    @property
    def outside(self) -> int:
        """Data left out because they happened in no run."""
        return self._bounds.outside

    def reader(self) -> KafkaReader:
        """Return a new reader of these topics, not open."""
        require_library()
        with extra("ess"):
            import flatbuffers  # noqa: F401  # before anything is read, which would be counted as unreadable

        kept = settings_in(self._settings_file, SourceError) if self._settings_file else {}
        brokers = Brokers(",".join(self._brokers), SourceError, self._connect_s)
        topics = list(dict.fromkeys([*self._topics, *self._runs]))
        settings = {**self._settings, **kept}
        made = KafkaReader(brokers, topics, settings, group=self._group, start=self._start, ends=self._ends)
        self._reader = made
        return made

    def is_meant(self, record: "Record") -> bool:
        """Whether it has one of the schemas, and tells of runs on a topic for that."""
        schema = schema_of(record.value() or b"")
        return schema in SCHEMAS and (schema not in ("pl72", "6s4t") or record.topic() in self._runs)

    def value_of(self, record: "Record") -> tuple[Message, tuple[str | None, int | None]]:
        """Return the message, and by which partition it came."""
        _, ms = record.timestamp()
        (message,) = self._decoder.feed([record.value() or b""], max(ms, 0) * 1_000_000)
        return message, (record.topic(), record.partition())

    def wait_s(self) -> float | None:
        """Return when something that is held must be given, in s."""
        return self._bounds.wait_s(time.monotonic())

    @property
    def holds_back(self) -> bool:
        """Whether data wait for the news of a run, or news of a run for data."""
        return self._bounds.holds_back

    def arranged(self, items: list[Any], *, ended: bool = False) -> list[Any]:
        """Return the messages in the order of their runs."""
        now_s = time.monotonic()
        given: list[Any] = []
        partitions = self._reader.partitions if self._reader is not None else ()
        self._bounds.expected = {each for each in partitions if each[0] in self._topics}
        for message, way in items:
            if self._sources and message.kind is Kind.DATA and message.metadata["source"] not in self._sources:
                self.left_out += 1
                continue
            given += self._bounds.put(message, way, now_s)
        return given + (self._bounds.end(now_s) if ended else self._bounds.tick(now_s))


def _traits(runs: str | Sequence[str], sources: str | Sequence[str]) -> Traits:
    names = names_of(sources, "sources") if sources else []
    number = "message_id" if len(names) == 1 else ""
    return Traits(number=number, clock="reference_time", has_start=bool(runs), has_end=bool(runs))
