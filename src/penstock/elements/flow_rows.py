"""What flows through a pipeline as columns that a file can hold: messages, events and results alike.

Rows of one kind, which is the dtype and shape of their arrays, can lie in the same datasets. It writes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, RaggedColumn, Rows
from penstock.core.event import Event, EventBatch
from penstock.core.message import Kind, Message
from penstock.core.result import Result
from penstock.core.result_range import FarValues, ResultRange
from penstock.elements.encoded_arrays import Encoded, encoded_of, raw_of
from penstock.elements.item_field import VALUE, fields_of
from penstock.elements.plain_message import PLAIN, is_plain, values_of
from penstock.elements.value_message import BUFFERS

__all__ = ["FlowRows", "Said", "rows_of_flow", "rows_of_items", "said_in", "said_text"]

DATA: Final = "data"
EVENT: Final = "event"
ID: Final = "id"
KEY: Final = "key"
TIME: Final = "timestamp"
MOST_EXACT_BYTES: Final = 4
EXACT: Final = 2**53
"""Whole numbers up to here are floats without loss."""


@dataclass(slots=True, kw_only=True)
class FlowRows:
    """n rows of one kind of one stream or stage."""

    name: str
    """Of the stream or stage."""
    numbers: NDArray[np.int64]
    """(n,), of the events, or ids of the messages."""
    number: str = EVENT
    """What these are called."""
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    """(n, …), by name."""
    tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = field(default_factory=dict)
    """Tables, which may differ in length: all of them one behind the other, and (n,) where each ends."""
    encoded: dict[str, Encoded] = field(default_factory=dict)
    """Arrays that are compressed, and stay so."""
    fields: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """(n,), numbers that messages or results name, NaN where one is missing."""
    texts: list[bytes] | None = None
    """n times, as JSON, everything that is said beside arrays; ``None`` if ``fields`` say all of it."""
    is_detector: bool = False
    """Whether it is of an instrument that gives arrays."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def kind(self) -> str:
        """What rows that lie in the same datasets have in common, in words: name, dtype and shape of their arrays."""
        arrays = [(name, _in_words(array)) for name, array in self.columns.items() if name not in (ID, KEY, TIME)]
        arrays += [(name, f"{_in_words(flat)} lines") for name, (flat, _) in self.tables.items()]
        arrays += [(name, each.kind) for name, each in self.encoded.items()]
        return ", ".join(f"{name} {words}" for name, words in sorted(arrays))

    def without(self, known: NDArray[np.int64]) -> "FlowRows":
        """Return the rows whose numbers are none of those."""
        kept = np.flatnonzero(~np.isin(self.numbers, known))
        if len(kept) == len(self):
            return self
        return FlowRows(
            name=self.name,
            numbers=self.numbers[kept],
            number=self.number,
            columns={name: column[kept] for name, column in self.columns.items()},
            tables={name: _taken(*table, kept) for name, table in self.tables.items()},
            encoded={name: each.take(kept) for name, each in self.encoded.items()},
            fields={name: column[kept] for name, column in self.fields.items()},
            texts=None if self.texts is None else [self.texts[k] for k in kept.tolist()],
            is_detector=self.is_detector,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an instrument says before or behind its data."""

    name: str
    kind: Kind
    message: Message


def rows_of_flow(flow: Block | EventBatch | ResultRange) -> Iterator[FlowRows]:
    """Yield the rows of messages, events or results, those of each stream and kind together."""
    if isinstance(flow, EventBatch):
        for name, part in zip(flow.names, flow.parts, strict=True):
            if part.block is not None and part.size:
                present = part.counts if part.counts is not None else part.presence(len(flow)).astype(np.int64)
                yield from _of_block(name, part.block, part.rows, np.repeat(flow.numbers, present))
    elif isinstance(flow, Block):
        yield from _of_block(flow.stream, flow, slice(0, len(flow)), None)
    elif flow.values is not None:
        assert not isinstance(flow.values, FarValues), "they were read"
        yield from _of_values(flow.stage, flow.numbers, flow.values)


def rows_of_items(name: str, numbers: NDArray[np.int64], items: Iterable[Any]) -> Iterator[FlowRows]:
    """Yield the rows of items of any kind, each of which is a message, an event or a value."""
    row = 0
    for kind, found in groupby(items, _sort_of):
        these = list(found)
        own = numbers[row : row + len(these)]
        row += len(these)
        if kind is Message:
            yield from _of_messages(name, these, own, ID)
        elif kind is Event:
            yield from _of_events(own, these)
        else:
            values = [each.value if isinstance(each, Result) else each for each in these]
            yield from _of_values(name, own, values, ID)


def said_in(flow: Block | EventBatch) -> Iterator[Said]:
    """Yield what instruments say in the start or the end of a flow."""
    if isinstance(flow, Block):
        yield from (Said(name=flow.stream, kind=flow.kind, message=message) for message in flow.messages())
        return
    for event in flow.events():
        for name, part in zip(event.names, event.parts, strict=True):
            for message in part if isinstance(part, tuple) else () if part is None else (part,):
                yield Said(name=name, kind=flow.kind, message=message)


def said_text(value: Any) -> bytes:
    """Return a value as JSON; arrays as lists, bytes in base64, what JSON has nothing for as Python shows it."""
    return _JSON.encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return repr(value)


_JSON: Final = msgspec.json.Encoder(enc_hook=_plain)


def _sort_of(item: Any) -> type:
    return Message if isinstance(item, Message) else Event if isinstance(item, Event) else object


def _of_block(name: str, block: Block, rows: Rows, events: NDArray[np.int64] | None) -> Iterator[FlowRows]:
    if is_plain(block):
        chosen = block.take(rows)
        numbers = chosen.ids.astype(np.int64) if events is None else events
        yield from _of_values(name, numbers, list(values_of(chosen)), ID if events is None else EVENT)
        return
    if any(isinstance(column, RaggedColumn) for column in block.columns):
        yield from _of_messages(name, list(block.messages(rows)), events, ID if events is None else EVENT)
        return
    columns: dict[str, NDArray[Any]] = {}
    tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
    for k, column in enumerate(block.columns):
        assert isinstance(column, np.ndarray)
        _add_array(columns, tables, f"{DATA}_{k}" if k else DATA, column[rows])
    ids = block.ids[rows]
    keys = None if block.keys is None else block.keys[rows]
    metadata = [] if block.metadata is None else _chosen(block.metadata, rows)
    fields, texts = _said_beside(metadata)
    numbers = ids.astype(np.int64) if events is None else events
    own = {ID: ids} if events is not None else {}
    own |= {} if keys is None else {KEY: keys}
    yield FlowRows(
        name=name, numbers=numbers, number=ID if events is None else EVENT,
        columns={**columns, **own, TIME: block.timestamps[rows]}, tables=tables,
        fields=fields, texts=texts, is_detector=bool(columns or tables),
    )  # fmt: skip


def _of_messages(
    name: str, messages: Sequence[Message], given: NDArray[np.int64] | None, number: str = EVENT
) -> Iterator[FlowRows]:
    """Yield the rows of messages that may be of several kinds, under the numbers of events, or their own."""
    row = 0
    for _, found in groupby(messages, _form_of):
        these = list(found)
        here = slice(row, row + len(these))
        row += len(these)
        columns: dict[str, NDArray[Any]] = {}
        tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
        encoded: dict[str, Encoded] = {}
        for k in range(_width(these[0])):
            column = f"{DATA}_{k}" if k else DATA
            compressed = encoded_of(these, k)
            if compressed is not None:
                encoded[column] = compressed
                continue
            _add_arrays(columns, tables, column, [raw_of(message, k) for message in these])
        ids = np.array([message.id for message in these], np.uint64)
        keys = [message.key for message in these]
        fields, texts = _said_beside([message.metadata for message in these])
        numbers = ids.astype(np.int64) if given is None else given[here]
        own = {ID: ids} if number == EVENT else {}
        if not any(key is None for key in keys):
            own[KEY] = np.array(keys, np.uint64)
        times = np.array([message.timestamp_ns for message in these], np.int64)
        yield FlowRows(
            name=name, numbers=numbers, number=number,
            columns={**columns, **own, TIME: times}, tables=tables, encoded=encoded, fields=fields, texts=texts,
            is_detector=bool(columns or tables or encoded),
        )  # fmt: skip


def _width(message: Message) -> int:
    return len(message.buffers)


def _form_of(message: Message) -> tuple[Any, ...]:
    """Return what messages have in common that can be columns together."""
    forms: list[Any] = [message.encodings]
    for k in range(_width(message)):
        if k < len(message.encodings) and message.encodings[k] is not None:
            continue
        forms.append(_form(message.buffers[k]))
    return tuple(forms)


def _of_events(numbers: NDArray[np.int64], events: Sequence[Event]) -> Iterator[FlowRows]:
    for position, name in enumerate(events[0].names):
        messages: list[Message] = []
        own: list[int] = []
        for number, event in zip(numbers.tolist(), events, strict=True):
            part = event.parts[position]
            found = part if isinstance(part, tuple) else () if part is None else (part,)
            messages.extend(found)
            own.extend([number] * len(found))
        if messages:
            yield from _of_messages(name, messages, np.array(own, np.int64), EVENT)


def _of_values(name: str, numbers: NDArray[np.int64], values: Any, number: str = EVENT) -> Iterator[FlowRows]:
    if isinstance(values, np.ndarray) and values.ndim > 1 and values.dtype.kind in "biufc":
        yield FlowRows(name=name, numbers=numbers, number=number, columns={VALUE: values})
        return
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.dtype.itemsize <= MOST_EXACT_BYTES:
        yield FlowRows(name=name, numbers=numbers, number=number, fields={VALUE: values.astype(np.float64)})
        return
    row = 0
    named = [_named(value) for value in values]
    for _, found in groupby(named, lambda fields: [(k, _form(v)) for k, v in fields.items() if _is_array(v)]):
        these = list(found)
        own = numbers[row : row + len(these)]
        row += len(these)
        arrays = [k for k, value in these[0].items() if _is_array(value)]
        columns: dict[str, NDArray[Any]] = {}
        tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
        for column in arrays:
            _add_arrays(columns, tables, _dataset_name(column), [fields[column] for fields in these])
        rest = [{k: value for k, value in fields.items() if k not in arrays} for fields in these]
        fields, texts = _said_beside(rest)
        yield FlowRows(
            name=name, numbers=own, number=number, columns=columns, tables=tables, fields=fields, texts=texts
        )


def _named(value: Any) -> Mapping[str, Any]:
    if isinstance(value, np.ndarray) and value.dtype.names is None:
        return {VALUE: value}
    found = fields_of(value)
    return {str(k): each for k, each in found.items()} if found else {VALUE: value}


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufcV" and value.ndim > 0


def _form(array: NDArray[Any]) -> tuple[str, tuple[int, ...]]:
    """Return what arrays have in common that can be one column; of tables, not how long they are."""
    is_table = array.ndim > 0 and bool(array.dtype.names)
    return str(array.dtype), array.shape[1:] if is_table else array.shape


def _in_words(array: NDArray[Any]) -> str:
    return f"{array.dtype.str}{list(array.shape[1:])}"


def _add_arrays(
    columns: dict[str, NDArray[Any]],
    tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]],
    name: str,
    arrays: Sequence[NDArray[Any]],
) -> None:
    """Add the arrays of several rows; only tables may differ in length."""
    if len({array.shape for array in arrays}) == 1:
        _add_array(columns, tables, name, np.stack(arrays))
    else:
        _add_table(tables, name, np.concatenate(arrays), np.cumsum([len(array) for array in arrays]))


def _add_array(
    columns: dict[str, NDArray[Any]],
    tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]],
    name: str,
    stacked: NDArray[Any],
) -> None:
    """Add arrays of one shape, those of a table field by field."""
    if stacked.dtype.names is None:
        columns[name] = stacked
    elif stacked.ndim == 1:
        columns |= {_dataset_name(own): stacked[own] for own in stacked.dtype.names}
    else:  # tables of as many lines each, now
        lines = stacked.shape[1]
        flat = stacked.reshape(-1, *stacked.shape[2:])
        _add_table(tables, name, flat, np.arange(1, len(stacked) + 1) * lines)


def _add_table(
    tables: dict[str, tuple[NDArray[Any], NDArray[np.int64]]], name: str, flat: NDArray[Any], ends: NDArray[Any]
) -> None:
    if flat.dtype.names is None:
        tables[name] = flat, ends.astype(np.int64)
    else:
        tables |= {_dataset_name(own): (flat[own], ends.astype(np.int64)) for own in flat.dtype.names}


def _said_beside(said: Sequence[Mapping[str, Any]]) -> tuple[dict[str, NDArray[np.float64]], list[bytes] | None]:
    """Return the numbers among what is said, by name, and all of it as JSON if there is anything else."""
    fields: dict[str, NDArray[np.float64]] = {}
    is_all = True
    for row, each in enumerate(said):
        for name, value in each.items():
            if name in (PLAIN, BUFFERS):
                continue
            if isinstance(value, int | float | np.number | np.bool_) and (
                isinstance(value, float | np.floating) or abs(int(value)) <= EXACT
            ):
                own = _dataset_name(name)
                if own not in fields:
                    fields[own] = np.full(len(said), np.nan)
                fields[own][row] = value
            else:
                is_all = False
    return fields, None if is_all else [said_text(dict(each)) for each in said]


def _dataset_name(name: str) -> str:
    """Return a name that neither is a path nor one of ours."""
    plain = name.replace("/", "_").strip(".") or "_"
    return f"{plain}_" if plain in (DATA, EVENT, ID, KEY, TIME) else plain


def _chosen(metadata: Sequence[Mapping[str, Any]], rows: Rows) -> Sequence[Mapping[str, Any]]:
    return metadata[rows] if isinstance(rows, slice) else [metadata[row] for row in rows.tolist()]


def _taken(
    flat: NDArray[Any], ends: NDArray[np.int64], kept: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    starts = np.concatenate(([0], ends[:-1]))
    pieces = [flat[starts[k] : ends[k]] for k in kept.tolist()]
    return np.concatenate(pieces) if pieces else flat[:0], np.cumsum((ends - starts)[kept])
