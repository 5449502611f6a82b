"""ASAPO's broker over a store of ours: what a request is answered, or that there is nothing yet to answer it with.

It waits for nothing and knows no connection: whoever serves asks again when the stream has changed.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from penstock.compat.asapo import group as rules
from penstock.compat.asapo import requests as ask
from penstock.compat.asapo.file_names import FileNames
from penstock.compat.asapo.handles import Handles
from penstock.compat.asapo.records import Record, json_bytes, record_of, stream_entry
from penstock.compat.asapo.view import StreamView, address_of
from penstock.compat.asapo.wire import NO_NEXT_STREAM
from penstock.core.id_ranges import to_ids
from penstock.core.query import Query
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.dataset import check_stream_name
from penstock.streams.declared_end import declared_last_id
from penstock.streams.kept_group import KeptGroup
from penstock.streams.reading import ENDED
from penstock.streams.store import Store, StreamInfo
from penstock.streams.stream_list import delete_stream, list_streams, stream_info

__all__ = ["Answer", "Broker", "GroupKeeper", "Nothing"]

MOST_VIEWS: Final = 64
"""Each has six descriptors."""
MOST_GROUPS: Final = 128
ACKNOWLEDGED: Final = " [acknowledged]"
"""Behind the name of a group: another one, where it is kept what was acknowledged, read or not."""


class GroupKeeper(Protocol):
    """A store that keeps groups where they can be reached."""

    def kept_group(self, address: StreamAddress, name: str) -> KeptGroup:
        """Return one group."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a client gets."""

    status: int
    body: bytes | memoryview = b""
    trouble: str = ""
    """What keeps the server from doing it, for whoever runs it; empty if nothing does."""


class Nothing(msgspec.Struct, frozen=True):
    """That there is nothing to answer with."""

    otherwise: Answer
    """What is to be answered when time is up."""
    view: StreamView
    """What has to change."""
    due_ns: int | None = None
    """When something may be handed out again though nothing changes, by the monotonic clock."""


class Broker:
    """Answers requests; used by one thread at a time, but for what is ``is_slow``, which any may do.

    Parameters
    ----------
    store
        With groups that can be reached.
    handles
        Gives payloads their numbers.
    names
        Is told of which messages clients know.
    """

    def __init__(self, store: Store, groups: GroupKeeper, handles: Handles, names: FileNames) -> None:
        self._store, self._keeper, self._handles, self._names = store, groups, handles, names
        self._views: OrderedDict[StreamAddress, StreamView] = OrderedDict()
        self._groups: OrderedDict[tuple[StreamAddress, str], KeptGroup] = OrderedDict()

    def answer(self, request: ask.Of, source: str) -> Answer | Nothing:  # a table
        """Answer a request that is not slow.

        Parameters
        ----------
        source
            ``HOST:PORT``, and perhaps more, where payloads are to be had by who asks.

        Raises
        ------
        StreamError
            If it asks for what cannot be.
        """
        match request:
            case ask.GetNext():
                return self._next(request, source)
            case ask.GetLast():
                return self._last(request, source)
            case ask.GetById():
                return self._by_id(request, source)
            case ask.AskSize():
                return self._size(request)
            case ask.AskMetadata():
                return self._metadata(request)
            case ask.Acknowledge():
                return self._acknowledge(request)
            case ask.Refuse():
                with self._group(request).change() as state:
                    rules.refuse(state, request.id, time.monotonic_ns(), delay_ms=request.delay_ms)
                self.changed(self.view(request))
                return Answer(200)
            case ask.AskAcknowledged():
                return self._unacknowledged(request)
            case ask.AskLastAcknowledged():
                with self._group(request, ACKNOWLEDGED).look() as kept:
                    last = 0 if kept is None else kept.record.last_acknowledged
                return _json({"lastAckId": last})
            case ask.ResetCounter():
                with self._group(request).change() as state:
                    state.seek(request.id)
                view = self.view(request)
                view.begin_anew(request.group)
                self.changed(view)
                return Answer(200)
            case ask.Persist():
                return Answer(200)
        raise StreamError(f"{type(request).__name__} is nothing that can be asked here")

    def slow_answer(self, request: ask.Of, source: str) -> Answer:
        """Answer a request that looks at many streams or messages; in any thread. ``source`` as for ``answer``."""
        match request:
            case ask.AskStreams():
                return self._streams(request)
            case ask.AskSources():
                found = {info.address.source for info in self._store.streams(StreamAddress(request.beamtime))}
                return _json({"sources": sorted(found)})
            case ask.Query():
                return self._query(request, source)
            case ask.Delete():
                return self._delete(request)
        raise StreamError(f"{type(request).__name__} is nothing that can be asked here")

    @staticmethod
    def is_slow(request: ask.Request) -> bool:
        """Tell whether a request is for ``slow_answer``."""
        return isinstance(request, ask.AskStreams | ask.AskSources | ask.Query | ask.Delete)

    def view(self, request: ask.OfStream) -> StreamView:
        """Return the stream that is asked about."""
        return self.view_of(address_of(request.beamtime, request.source, request.stream))

    def view_of(self, address: StreamAddress) -> StreamView:
        """Return a stream; it is kept until many others were asked for."""
        view = self._views.get(address)
        if view is None:
            view = self._views[address] = StreamView(self._store, address)
            self._make_room()
        else:
            self._views.move_to_end(address)
        return view

    def known_view(self, address: StreamAddress) -> StreamView | None:
        """Return a stream if somebody has asked for it."""
        return self._views.get(address)

    def changed(self, view: StreamView) -> None:
        """Let those who wait for a stream ask again."""
        for call in list(view.waiting):
            call()

    def forget(self, address: StreamAddress) -> None:
        """Forget a stream, whose groups are gone; whoever has its view closes that."""
        for key in [key for key in self._groups if key[0] == address]:
            self._groups.pop(key).close()
        self._views.pop(address, None)

    def close(self) -> None:
        """Let go of everything."""
        for kept in self._groups.values():
            kept.close()
        for view in self._views.values():
            view.close()
        self._groups.clear()
        self._views.clear()

    # --- messages

    def _next(self, request: ask.GetNext, source: str) -> Answer | Nothing:
        view = self.view(request)
        _check_kind(view, request.parts)
        given, due_ns = self._given(view, request)
        ended = None
        if not given.id:
            ended = view.ended
            if ended is not None:  # what came before the end was there when it was found to have ended
                given, due_ns = self._given(view, request)
                if not given.id and request.is_ordered and (missing := self._never_sent(view, request, ended)):
                    return missing
        if not given.id:
            return self._at_end(view, view.present().last, None if due_ns is not None else ended, due_ns)
        found = None if given.is_hole else self._found(view, given.id, request.parts, source)
        return found or _no_data(given.id, view.present().last)

    def _given(self, view: StreamView, request: ask.GetNext) -> tuple[rules.Given, int | None]:
        """Return what the group is given, and when something may come again if that is nothing."""
        resend = request.resend
        resend_ms, attempts = (None, 0) if resend is None else (resend.delay_ms, resend.attempts)
        now_ns = time.monotonic_ns()
        with self._group(request).change() as state:
            present = view.present()
            if request.is_ordered:
                given = rules.give_next(
                    state, present, now_ns, first_id=lambda: view.first_id, resend_ms=resend_ms, attempts=attempts
                )
            else:
                again = rules.hand_again(state, present, now_ns, resend_ms=resend_ms, attempts=attempts)
                number = again or view.next_arrived(request.group, state.unclaimed.taken)
                if number and not again:
                    rules.give_this(state, number, now_ns, resend_ms=resend_ms)
                given = rules.Given(number)
            return given, None if given.id else rules.next_due_ns(state)

    def _never_sent(self, view: StreamView, request: ask.GetNext, ended: StreamInfo) -> Answer | None:
        """Say of the next id that was declared and never sent, once, that it is missing, as of any other."""
        last = view.last_id(ended)
        if last == ended.last_id:
            return None
        with self._group(request).change() as state:
            number = rules.pass_over(state, ended.last_id + 1, last)
        return _no_data(number, last + 1) if number else None  # as ASAPO counts the message that ends a stream

    def _last(self, request: ask.GetLast, source: str) -> Answer | Nothing:
        view = self.view(request)
        _check_kind(view, request.parts)
        ended = view.ended
        least = _least(view, request.parts)
        newest = view.newest(least)
        if ended is not None:
            return self._at_end(view, 0, ended, None)
        if request.group and newest:
            with self._group(request).change() as state:
                if newest <= state.record.last_shown:
                    newest = 0
                else:
                    state.record.last_shown = newest
        found = self._found(view, newest, request.parts, source) if newest else None
        return found or self._at_end(view, view.present().last or 0, None, None)

    def _by_id(self, request: ask.GetById, source: str) -> Answer | Nothing:
        view = self.view(request)
        _check_kind(view, request.parts)
        ended = view.ended
        there = view.present().last
        found = self._found(view, request.id, request.parts, source)
        if found is not None:
            return found if found.status == 200 else Nothing(found, view)
        last = there if ended is None else view.last_id(ended)
        if request.id > last:
            return self._at_end(view, last, ended, None)
        missing = _no_data(request.id, there if request.id < there else last + 1)
        return missing if ended is not None else Nothing(missing, view)

    def _found(self, view: StreamView, number: int, wanted: ask.Parts | None, source: str) -> Answer | None:
        """Return a message or dataset, 206 if too few parts of it are there; ``None`` if there is nothing."""
        stored = view.stored(number)
        if not stored:
            return None
        records = [
            record_of(
                block, 0, stream=view.address.stream, part=part, source=source,
                buf_id=self._handles.of(view.address, part, number),
            )
            for part, block in stored
        ]  # fmt: skip
        for record in records:
            self._names.note(view.address, record)
        parts = view.parts
        if not parts:
            return _json(records[0])
        if wanted is not None and wanted.only:
            records = [record for record in records if record.dataset_substream == wanted.only]
            is_enough = bool(records)
        else:
            is_enough = len(records) >= _least(view, wanted)
        body = {"_id": number, "dataset_size": parts, "messages": records}
        return Answer(200 if is_enough else 206, json_bytes(body))

    def _at_end(self, view: StreamView, last: int, ended: StreamInfo | None, due_ns: int | None) -> Answer | Nothing:
        if ended is None:
            return Nothing(_no_data(last, last), view, due_ns)
        last = view.last_id(ended)
        return _no_data(last, last, ended.next_stream or NO_NEXT_STREAM)

    # --- what is said of groups

    def _acknowledge(self, request: ask.Acknowledge) -> Answer:
        only = [(request.id, request.id)]
        with self._group(request, ACKNOWLEDGED).change() as acknowledged:
            before = acknowledged.acknowledge(only)
        kept = self._group(request)
        with kept.look() as state:
            is_owed = state is not None and rules.is_owed(state)
        if is_owed:
            with kept.change() as state:
                rules.settle(state, request.id)
            self.changed(self.view(request))
        if before:  # told only now: the server may have been killed between the two
            raise StreamError(f"message {request.id} has been acknowledged already in group {request.group!r}")
        return Answer(200)

    def _unacknowledged(self, request: ask.AskAcknowledged) -> Answer:
        present = self.view(request).present()
        with self._group(request, ACKNOWLEDGED).change() as state:
            found = state.unacknowledged(present, request.first, request.last)
        return _json({"unacknowledged": to_ids(found)})

    def _group(self, request: ask.OfGroup, behind: str = "") -> KeptGroup:
        address = address_of(request.beamtime, request.source, request.stream)
        key = address, request.group + behind
        kept = self._groups.get(key)
        if kept is None:
            kept = self._groups[key] = self._keeper.kept_group(*key)
            if len(self._groups) > MOST_GROUPS:
                self._groups.popitem(last=False)[1].close()
        else:
            self._groups.move_to_end(key)
        return kept

    # --- what is said of streams

    def _size(self, request: ask.AskSize) -> Answer:
        view = self.view(request)
        if request.incomplete is None:
            return _json({"size": view.present().count})
        if not view.parts and view.present().count:
            raise StreamError(f"{view.address} has single messages, no datasets")
        return _json({"size": view.count(1 if request.incomplete else view.parts)})

    def _metadata(self, request: ask.AskMetadata) -> Answer:
        said = self._store.metadata(address_of(request.beamtime, request.source, request.stream))
        if said is None and not request.stream:  # what our own say of a beamtime is of all its sources
            said = self._store.metadata(address_of(request.beamtime, "", ""))
        if said is not None:
            return _json(dict(said))
        # A producer would ask until its time is up, and report that.
        return Answer(200, b"null") if request.is_producer else Answer(409, b'"there are no metadata"')

    def _streams(self, request: ask.AskStreams) -> Answer:
        wanted: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
            "all": lambda _: True,
            "finished": lambda entry: bool(entry["finished"]),
            "unfinished": lambda entry: not entry["finished"],
        }
        if request.which not in wanted:
            raise StreamError(f"streams are all, finished or unfinished, not {request.which[:40]!r}")
        entries = [stream_entry(info, self._last_id(info)) for info in self._meant(request)]
        return _json({"streams": list(filter(wanted[request.which], entries))})

    def _meant(self, request: ask.AskStreams) -> list[StreamInfo]:
        """Return the streams that a list is to have, finished or not; one of which there are metadata only is none."""
        if request.is_single:  # not by the list: this is asked often, and there may be thousands of others
            address = address_of(request.beamtime, request.source, request.from_stream)
            check_stream_name(address)
            return list(filter(_is_there, [stream_info(self._store, address)]))
        found = list(filter(_is_there, list_streams(self._store, StreamAddress(request.beamtime, request.source))))
        if request.is_last:
            return found[-1:]
        if request.from_stream:
            names = [info.address.stream for info in found]
            return found[names.index(request.from_stream) :] if request.from_stream in names else []
        return found

    def _last_id(self, info: StreamInfo) -> int:
        return max(info.last_id, declared_last_id(self._store, info.address) if info.state in ENDED else 0)

    def _query(self, request: ask.Query, source: str) -> Answer:
        query = Query.parse(request.text)
        address = address_of(request.beamtime, request.source, request.stream)
        with self._store.read(address) as reader:
            records = (
                record_of(
                    stored, row, stream=address.stream, part=0, source=source,
                    buf_id=self._handles.of(address, 0, int(stored.block.ids[row])),
                )
                for stored in reader.blocks()
                for row in range(len(stored.block))
            )  # fmt: skip
            found = list(query.select(_as_asked(record) for record in records))
        return _json(found)

    def _delete(self, request: ask.Delete) -> Answer:
        address = address_of(request.beamtime, request.source, request.stream)
        if not delete_stream(self._store, address) and request.must_be_there:
            raise StreamError(f"there is no stream {address}")
        return Answer(200)

    def _make_room(self) -> None:
        if len(self._views) > MOST_VIEWS:
            for address, view in list(self._views.items()):
                if not view.waiting:
                    del self._views[address]
                    view.close()
                    return


def _is_there(info: StreamInfo) -> bool:
    return bool(info.count or info.removed or info.last_id) or info.state in ENDED


def _as_asked(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _least(view: StreamView, wanted: ask.Parts | None) -> int:
    return (wanted.least if wanted is not None else 0) or max(view.parts, 1)


def _check_kind(view: StreamView, wanted: ask.Parts | None) -> None:
    """Make sure that who asks for messages is not given datasets, nor the reverse: a client breaks at either."""
    if wanted is not None and not view.parts and view.present().count:
        raise StreamError(f"{view.address} has single messages, no datasets; ask for messages")
    if wanted is None and view.parts:
        raise StreamError(f"{view.address} has datasets; ask for those")


def _no_data(number: int, last: int, next_stream: str = "") -> Answer:
    body = {"op": "get_record_by_id", "id": number, "id_max": last, "next_stream": next_stream}
    return Answer(409, msgspec.json.encode(body))


def _json(value: Any) -> Answer:
    return Answer(200, json_bytes(value))
