"""A part of a trigger map: a table of consecutive events, one column of cells a stream.

A part knows nothing of where it stands in the map; its constraints count from 0 and belong to one repeat of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.routes import ALL, GENERIC, NOWHERE
from penstock.errors import Problem

__all__ = ["CellColumn", "MapPart"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellColumn:
    """What one stream does in n consecutive events."""

    present: NDArray[np.bool_]
    """(n,), false where the stream has no message at all (a null cell)."""
    constraint: NDArray[np.int64]
    """(k, n), up to k destinations a cell: a number, ``ALL`` or ``NOWHERE``; a present cell with none is discarded."""
    tags_code: NDArray[np.int16]
    """(k, n), index into the part's tag sets."""

    @classmethod
    def uniform(cls, n: int, *, every: int = 1, group: int = 1) -> "CellColumn":
        """Contribute to every ``every``-th of n events, ``group`` consecutive events going to one worker."""
        events = np.arange(n)
        present = events % every == 0
        constraint = np.where(present, events // group, NOWHERE)[None]
        return cls(present=present, constraint=constraint, tags_code=np.zeros((1, n), np.int16))


class MapPart:
    """A table of consecutive events.

    Parameters
    ----------
    columns
        One column a stream, all of the same length.
    tag_sets
        What the columns' tag codes mean.

    Raises
    ------
    ValueError
        If the columns have different lengths, which their writer must have checked.
    """

    __slots__ = (
        "_columns",
        "_kept",
        "_last",
        "_length",
        "_places",
        "constraint",
        "constraints",
        "is_full",
        "member",
        "planned",
        "streams",
        "tag_sets",
        "tags_code",
    )  # fmt: skip

    def __init__(self, columns: Mapping[str, CellColumn], tag_sets: Sequence[frozenset[str]] = (GENERIC,)) -> None:
        lengths = {len(column.present) for column in columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of one part must be equally long, not {sorted(lengths)}")
        self._length = lengths.pop() if lengths else 0
        self._columns = dict(columns)
        self._places: dict[str, NDArray[np.int64]] = {}
        self._last: NDArray[np.int64] | None = None
        self.streams = tuple(columns)
        self.tag_sets = tuple(tag_sets)
        self._kept = {
            name: column.present & (column.constraint != NOWHERE).any(axis=0) for name, column in columns.items()
        }
        self.is_full = bool(columns) and all(bool(kept.all()) for kept in self._kept.values())
        """Whether every stream has a message for every event, none of them discarded."""
        there = np.zeros(self._length, np.bool_)
        for column in columns.values():
            there |= column.present
        self.planned = int(there.sum())
        """Events to which at least one stream contributes."""
        self.constraint, self.tags_code, self.member = _merge(list(columns.values()), self._length)
        if len(self.tag_sets) > 1:
            self.tags_code = _tags_of_first_occurrence(self.constraint, self.tags_code)
        self.constraint, self.constraints = _compact(self.constraint)

    @classmethod
    def uniform(cls, every: Mapping[str, int], n: int, *, group: int = 1) -> "MapPart":
        """Make a part in which each stream contributes to every ``every[stream]``-th of n events."""
        return cls({stream: CellColumn.uniform(n, every=step, group=group) for stream, step in every.items()})

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> "MapPart":
        """Make the part again that ``table`` described."""
        return cls({stream: CellColumn(**column) for stream, column in table["columns"].items()}, table["tags"])

    def __len__(self) -> int:
        return self._length

    def table(self) -> dict[str, Any]:
        """Return all there is to say, as arrays and plain values that can travel between processes."""
        columns = {
            stream: {"present": c.present, "constraint": c.constraint, "tags_code": c.tags_code}
            for stream, c in self._columns.items()
        }
        return {"columns": columns, "tags": list(self.tag_sets)}

    def present(self, stream: str) -> NDArray[np.bool_]:
        """(n,), whether the stream has a message for the event."""
        column = self._columns.get(stream)
        return np.zeros(self._length, np.bool_) if column is None else column.present

    def kept(self, stream: str) -> NDArray[np.bool_]:
        """(n,), whether the stream has a message for the event and somebody gets it."""
        kept = self._kept.get(stream)
        return np.zeros(self._length, np.bool_) if kept is None else kept

    def places(self, stream: str) -> NDArray[np.int64]:
        """(messages,), the event of each of the stream's messages."""
        if stream not in self._places:
            self._places[stream] = np.flatnonzero(self.present(stream)).astype(np.int64)
        return self._places[stream]

    def last(self) -> NDArray[np.int64]:
        """(constraints,), the last event that names each; -1 for one that none names."""
        if self._last is None:
            self._last = np.full(self.constraints, -1, np.int64)
            for row in self.constraint:
                named = np.flatnonzero(row >= 0)
                np.maximum.at(self._last, row[named], named)
        return self._last

    def masks(self, rows: NDArray[np.int64], streams: Sequence[str]) -> NDArray[np.uint64]:
        """(k, n), for some rows: bit s is set unless the entry leaves out the part that stream s has for the event."""
        masks = np.zeros((len(self.member), len(rows)), np.uint64)
        for entry, member in enumerate(self.member):
            for bit, stream in enumerate(streams):
                joined = member[self.streams.index(stream)] if stream in self.streams else None
                delivered = True if joined is None else joined[rows] | ~self.kept(stream)[rows]
                masks[entry] |= np.where(delivered, np.uint64(1 << bit), np.uint64(0))
        return masks

    def problems(self, workers: Sequence[frozenset[str]] | None) -> list[Problem]:
        """Check the part against the tags of the workers there are; ``None`` skips the check."""
        if workers is None:
            return []
        found = []
        for code, tags in enumerate(self.tag_sets):
            named = (self.constraint != NOWHERE) & (self.tags_code == code)
            if not named.any():
                continue
            able = sum(tags <= own for own in workers)
            in_a_row = ((self.constraint >= 0) & named).sum(axis=0)
            if not able:
                event = int(np.flatnonzero(named.any(axis=0))[0])
                found.append(_nobody(event, tags, workers))
            elif int(in_a_row.max(initial=0)) > able:
                event = int(np.argmax(in_a_row))
                found.append(_too_few(event, int(in_a_row[event]), able, tags))
        together = (self.constraint >= 0).sum(axis=0)
        if not found and int(together.max(initial=0)) > len(workers):
            event = int(np.argmax(together))
            found.append(_too_few(event, int(together[event]), len(workers), frozenset()))
        return found


def _nobody(event: int, tags: frozenset[str], workers: Sequence[frozenset[str]]) -> Problem:
    there_are = ", ".join(sorted({tag for own in workers for tag in own})) or "none"
    return Problem(
        where=f"[{event}]",
        text=f"event {event} asks for a worker with {_tags(tags)}, which no worker has",
        remedy=f"the workers have {there_are}; give a stage `tags: [{', '.join(sorted(tags))}]`",
    )


def _too_few(event: int, asked: int, able: int, tags: frozenset[str]) -> Problem:
    which = f" with {_tags(tags)}" if tags else ""
    return Problem(
        where=f"[{event}]",
        text=f"event {event} must go to {asked} different workers{which}, but there are {able}",
        remedy=f"raise `workers:` to {asked}, or give its cells the same constraint",
    )


def _tags(tags: frozenset[str]) -> str:
    return f"the tag{'s' if len(tags) > 1 else ''} {', '.join(sorted(tags))}"


def _merge(
    columns: Sequence[CellColumn], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int16], list[list[NDArray[np.bool_] | None]]]:
    """Unite what all streams say of the same destination; return entries, tags, and who is in which entry.

    ``member[entry][stream]`` is (n,), or ``None`` where the stream is in that entry wherever it is anywhere.
    """
    entries: list[NDArray[np.int64]] = []
    codes: list[NDArray[np.int16]] = []
    member: list[list[NDArray[np.bool_]]] = []
    for stream, column in enumerate(columns):
        for row, code in zip(column.constraint, column.tags_code, strict=True):
            left = row
            for entry in range(len(entries)):
                same = (left == entries[entry]) & (left != NOWHERE)
                if len(columns) and not np.array_equal(code, codes[entry]):
                    same &= (left >= 0) | (code == codes[entry])
                member[entry][stream] |= same
                left = np.where(same, NOWHERE, left)
            is_new = left != NOWHERE
            if is_new.any() or not entries:
                entries.append(left)
                codes.append(code)
                member.append([np.zeros(n, np.bool_) for _ in columns])
                member[-1][stream] |= is_new
    if not entries:
        return np.full((1, n), NOWHERE, np.int64), np.zeros((1, n), np.int16), [[None] * len(columns)]
    if len(entries) == 1:
        return entries[0][None], codes[0][None], [[None] * len(columns)]
    return np.stack(entries), np.stack(codes), [list(row) for row in member]


def _tags_of_first_occurrence(constraint: NDArray[np.int64], tags_code: NDArray[np.int16]) -> NDArray[np.int16]:
    """Give every use of a constraint the tags of its first use, event by event, entry by entry."""
    flat, codes = constraint.T.ravel(), tags_code.T.ravel().copy()
    named = np.flatnonzero(flat >= 0)
    _, first, inverse = np.unique(flat[named], return_index=True, return_inverse=True)
    codes[named] = codes[named][first][inverse]
    return codes.reshape(constraint.shape[::-1]).T.copy()


def _compact(constraint: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Renumber the constraints from 0 without wide gaps; return how many numbers there are."""
    top = int(constraint.max(initial=ALL)) + 1
    if top <= 2 * constraint.size + 1:
        return constraint, max(top, 0)
    named = constraint >= 0
    values, inverse = np.unique(constraint[named], return_inverse=True)
    dense = constraint.copy()
    dense[named] = inverse
    return dense, len(values)
