"""A durable stream as a sink: what a stage gives becomes messages that others read, now or later."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.core.timestamp import Timestamp
from penstock.elements.item_field import field_of
from penstock.elements.output_file import filled_in
from penstock.elements.sink import RunFacts, Sink, Written
from penstock.elements.value_message import message_of, message_of_views
from penstock.errors import ConflictError, PenstockError, SinkError, StreamError
from penstock.streams.opened import DEFAULT_STORE, opened_store
from penstock.streams.store import Store

if TYPE_CHECKING:
    from penstock.streams.producer import Producer
    from penstock.streams.receipts import Receipt

__all__ = ["ARRIVAL", "EVENT", "MESSAGE", "StreamSink", "address_in"]

EVENT: Final = "event"
MESSAGE: Final = "message"
ARRIVAL: Final = "arrival"
Existing = Literal["same", "keep"]
"""What may be there already under a message's id: the same message, or any, which then stays."""


class StreamSink(Sink):
    """Send each item to a durable stream, and be done with it when the store has it.

    An id that is there already is a duplicate if the message is the same, so what is given again after a death, or by
    the next run, is there once. The end of the run finishes the stream; one that failed or was aborted aborts it, with
    the reason.

    Arrays and bytes are stored as buffers with dtype and shape, those of a mapping in its order, their names in
    ``metadata["buffers"]``; the rest is metadata. Messages stay as they are. Of views, each write is one message.

    Parameters
    ----------
    address
        ``beamtime/source/stream``, with ``{run}``, ``{name}`` and ``{sink}``; without a stream, that is the run's
        name. By default it is the pipeline's beamtime and the sink's name.
    store
        A folder, from the pipeline's, or ``tcp://HOST:PORT``; by default the pipeline's ``store``.
    id
        What numbers the messages: ``event``, the number of the event, which is counted from 0, and 1; ``message``, that
        of the message that a source gave; ``arrival``, 1, 2, 3 and so on as they come; else the name of a field of the
        item, a whole number from 1. By default the first or the second, by what is read, and ``arrival`` for views and
        the results of several lanes.
    key
        The name of a field with the message's key, a whole number from 0. By default a message's own; what has none is
        known to readers by its id.
    time
        The name of a field with the time: nanoseconds since 1970 UTC, or a ``Timestamp``. By default a message's own,
        else when it is sent.
    existing
        What may be there already under an id: ``same``, or ``keep`` for anything.
    ends
        Whether the end of the run ends the stream; if not, the next run writes on.

    Raises
    ------
    SinkError
        If the address is none.
    """

    takes_numbers = True

    def __init__(
        self,
        address: str = "{name}/{sink}/{run}",
        *,
        store: Any = DEFAULT_STORE,  # str | Store
        id: str = EVENT,  # noqa: A002  # what it is called everywhere
        key: str = "",
        time: str = "",
        existing: Existing = "same",
        ends: bool = True,
    ) -> None:
        self._template = address_in(address)
        self._given = store
        self._id, self._key, self._time, self._existing, self._ends = id, key, time, existing, ends
        self._store: Store | None = None
        self._producer: Producer | None = None
        self._address = self._template
        self._name = self._run = ""
        self._is_open = False

    @staticmethod
    def recognises(arguments: Mapping[str, Any]) -> bool:
        """Whether the id of a message says what it came of."""
        return arguments.get("id") != ARRIVAL

    def open(self, run: RunFacts) -> None:
        """Open store and stream.

        Raises
        ------
        SinkError
            If one of them cannot be had: somebody else writes the stream, for instance, or it has ended.
        """
        from penstock.streams.producer import Producer  # with asyncio, 30 ms; whoever checks a pipeline opens nothing

        self._name, self._run = run.sink, run.run
        with self._storing():
            self._address = _filled(self._template, run)
        try:
            with self._storing():
                self._store = opened_store(self._given, run.folder) if isinstance(self._given, str) else self._given
                self._producer = Producer(self._store, self._address)
                self._producer.open()
                self._producer.set_metadata({"pipeline": run.pipeline, "run": run.run, "sink": run.sink}, "update")
                self._is_open = True
        except SinkError:
            self._let_go()
            raise

    def write(self, item: Any) -> None:
        """Send an item, or views as they are now, under the next id."""
        message = message_of_views(item) if isinstance(item, Mapping) else message_of(item)
        with self._storing():
            self._send(message, None, item).wait()

    def write_numbered(self, numbers: NDArray[np.int64], items: Iterable[Any]) -> Written:
        """Send items; when this returns, the store has them."""
        receipts: list[Receipt] = []
        number = 0
        try:
            for number, item in zip(numbers.tolist(), items, strict=True):
                receipts.append(self._send(message_of(item), self._id_of(number, item), item))
        except (PenstockError, LookupError, OSError) as error:
            self._settle(receipts)  # arrays that were not copied may change when this returns
            what = "message" if self._id == MESSAGE else "event"
            text = error.args[0] if isinstance(error, LookupError) else error
            raise SinkError(f"{self._name}: {what} {number} cannot be stored: {text}") from error
        if trouble := self._settle(receipts):
            raise trouble
        duplicates = sum(map(_is_there, receipts))
        return Written(done=len(receipts) - duplicates, duplicates=duplicates)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """End the stream as the run has ended.

        Raises
        ------
        SinkError
            If that cannot be written.
        """
        is_whole = ended_well or outcome == "incomplete"
        why = f": {self.trouble}" if self.trouble else ""
        try:
            if self._ends and self._is_open:
                how = "was aborted" if outcome == "aborted" else "failed"
                self.end("" if is_whole else f"run {self._run} {how}{why}")
        finally:
            self._let_go()

    def let_go(self) -> None:
        """Leave the stream as it is: the run was cut off, and whoever resumes it writes on."""
        self._is_open = False
        self._let_go()

    def end(self, aborted: str = "") -> None:
        """Finish the stream, or abort it for a reason, behind what was sent; nothing more can be.

        Raises
        ------
        SinkError
            If that cannot be written.
        """
        self._is_open = False
        assert self._producer is not None, "it was open"
        with self._storing():
            if aborted:
                self._producer.abort(aborted)
            else:
                self._producer.finish()

    def _send(self, message: Message, number: int | None, item: Any) -> "Receipt":
        assert self._producer is not None, "it is open"
        key = _number(item, self._key, "key", 0) if self._key else message.key
        time = _time(item, self._time) if self._time else message.timestamp_ns or None
        data = list(message.buffers) or None  # not its arrays: what came compressed is kept so
        return self._producer.send(
            data, id=number, key=key, timestamp_ns=time, metadata=message.metadata,
            encoding=message.encodings or None, copy=False,
        )  # fmt: skip

    def _id_of(self, number: int, item: Any) -> int | None:
        if self._id == ARRIVAL:
            return None
        if self._id in (EVENT, MESSAGE):
            return number + (self._id == EVENT)
        return _number(item, self._id, "id", 1)

    def _settle(self, receipts: "Sequence[Receipt]") -> SinkError | None:
        """Wait until all messages are stored, or known not to be; return what is wrong with the first that is not."""
        first: SinkError | None = None
        for receipt in receipts:
            try:
                receipt.wait()
            except (PenstockError, OSError) as error:
                is_other = isinstance(error, ConflictError)
                if first is None and not (is_other and self._existing == "keep"):
                    remedy = "; name another stream, other ids, or existing: keep" if is_other else ""
                    first = SinkError(f"{self._name}: {error}{remedy}")
                    first.__cause__ = error
        return first

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Turn what goes wrong with the store into an error that names the sink."""
        try:
            yield
        except SinkError:
            raise
        except (PenstockError, OSError) as error:
            raise SinkError(f"{self._name}: {error}" if self._name else str(error)) from error

    def _let_go(self) -> None:
        producer, self._producer = self._producer, None
        store, self._store = self._store, None
        try:
            if producer is not None:
                with self._storing():
                    producer.close()
        finally:
            if store is not None and store is not self._given:
                store.close()


def address_in(written: str) -> StreamAddress:
    """Return the address that a pipeline writes, with what is to be filled in.

    Raises
    ------
    SinkError
        If it is none of a source or a stream.
    """
    try:
        address = StreamAddress.parse(written)
    except StreamError as error:
        raise SinkError(str(error)) from error
    if not address.source:
        raise SinkError(f"{written} names no source; write beamtime/source, or beamtime/source/stream")
    return address


def _number(item: Any, field: str, what: str, least: int) -> int:
    found = field_of(item, field)
    if isinstance(found, int | np.integer) and not isinstance(found, bool) and found >= least:
        return int(found)
    raise SinkError(f"its {field} is {found!r}, and its {what} must be a whole number from {least}")


def _time(item: Any, field: str) -> int:
    found = field_of(item, field)
    if isinstance(found, Timestamp):
        return found.ns
    if isinstance(found, int | np.integer) and not isinstance(found, bool):
        return int(found)
    raise SinkError(f"its {field} is {found!r}, and its time must be nanoseconds or a Timestamp")


def _is_there(receipt: "Receipt") -> bool:
    """Whether a message was there before it was sent."""
    return receipt.outcome is not None and receipt.outcome.kind != "stored"


def _filled(template: StreamAddress, run: RunFacts) -> StreamAddress:
    names = template.beamtime, template.source, template.stream or "{run}"
    return StreamAddress(*(filled_in(name, run) for name in names))
