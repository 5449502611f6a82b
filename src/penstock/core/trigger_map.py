"""The trigger map: for each event number, which streams contribute and which workers must get it.

The map is a table of columns, made of parts in a sequence; it only ever grows. It does not know which messages came.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.map_addition import MapAddition
from penstock.core.map_part import MapPart
from penstock.core.routes import GENERIC, NOWHERE, Routes
from penstock.errors import MapError, Problem

__all__ = ["TriggerMap", "part_problems"]


class TriggerMap:
    """Which streams contribute to which event, and to whom it goes.

    Parameters
    ----------
    parts
        Named tables of consecutive events.
    sequence
        Names of parts, in the order in which they follow each other; repeats cost nothing.
    wrap
        Whether what instruments say before and after their data forms a start and an end event for every worker.
        Otherwise such messages are counted like data.
    is_open
        Whether more may be appended while the run goes on.
    is_endless
        Whether the last part of the sequence repeats for ever.

    Raises
    ------
    MapError
        If a name in ``sequence`` is no part; the text says which.
    """

    def __init__(
        self,
        parts: Mapping[str, MapPart],
        sequence: Sequence[str] | None = None,
        *,
        wrap: bool = True,
        is_open: bool = False,
        is_endless: bool = False,
    ) -> None:
        self.wrap = wrap
        self.is_endless = is_endless
        self._is_open = is_open
        self._parts: dict[str, MapPart] = {}
        self._sequence: list[MapPart] = []
        self._index: _Index | None = None
        self.streams: tuple[str, ...] = ()
        self._is_made = False
        self.append(list(parts if sequence is None else sequence), parts)
        self._is_made = True

    @classmethod
    def every_event(cls, streams: Iterable[str], *, wrap: bool = True) -> "TriggerMap":
        """Make the unbounded rule in which every stream contributes to every event, which any worker may take."""
        part = MapPart.uniform(dict.fromkeys(streams, 1), 1)
        return cls({"every-event": part}, wrap=wrap, is_endless=True)

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any]) -> "TriggerMap":
        """Make the map again that ``tables`` described."""
        parts = {name: MapPart.of_table(part) for name, part in tables["parts"].items()}
        flags = {name: bool(tables[name]) for name in ("wrap", "is_open", "is_endless")}
        return cls(parts, tables["sequence"], **flags)

    def tables(self) -> dict[str, Any]:
        """Return all there is to say, as arrays and plain values that can travel between processes."""
        names = {id(part): name for name, part in self._parts.items()}
        return {
            "parts": {name: part.table() for name, part in self._parts.items()},
            "sequence": [names[id(part)] for part in self._sequence],
            "wrap": self.wrap,
            "is_open": self._is_open,
            "is_endless": self.is_endless,
        }

    @property
    def is_open(self) -> bool:
        """Whether more may still be appended."""
        return self._is_open

    @property
    def length(self) -> int | None:
        """Events planned so far; ``None`` for an endless map."""
        return None if self.is_endless else sum(len(part) for part in self._sequence)

    @property
    def planned(self) -> int | None:
        """Events planned so far to which at least one stream contributes; ``None`` for an endless map."""
        return None if self.is_endless else sum(part.planned for part in self._sequence)

    @property
    def tags(self) -> frozenset[str]:
        """All tags that occur anywhere in the map."""
        return frozenset(tag for part in self._parts.values() for tags in part.tag_sets for tag in tags)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts it is made of."""
        return tuple(self._parts)

    def add(self, addition: MapAddition) -> None:
        """Append what came while the run goes on.

        Raises
        ------
        MapError
            As ``append`` does; then nothing has changed.
        """
        self.append(addition.sequence, addition.parts)
        if addition.is_last:
            self._is_open = False

    def append(self, sequence: Sequence[str], parts: Mapping[str, MapPart] | None = None) -> None:
        """Add parts, by name, behind all there are.

        Raises
        ------
        MapError
            If a name is unknown, a part of that name differs, or the map is closed or endless.
        """
        added = dict(parts or {})
        problems = [
            Problem(
                where=f"parts.{name}", text="is there already", remedy="name it in the sequence, or use another name"
            )
            for name, part in added.items()
            if name in self._parts and self._parts[name] is not part
        ]
        known = {**self._parts, **added}
        problems += [
            Problem(where=f"sequence[{k}]", text=f"no part is called {name!r}", remedy=f"parts are {', '.join(known)}")
            for k, name in enumerate(sequence)
            if name not in known
        ]
        if self._is_made and not self._is_open:
            problems.append(Problem(where="sequence", text="the map is closed", remedy="write open: true in by"))
        if problems:
            raise MapError(problems)
        self._parts = known
        self._tag_sets = tuple(dict.fromkeys(tags for part in known.values() for tags in part.tag_sets)) or (GENERIC,)
        self._sequence += [known[name] for name in sequence]
        self.streams = tuple(dict.fromkeys(stream for part in known.values() for stream in part.streams))
        self._index = None

    def count(self, stream: str) -> int | None:
        """Return how many messages the stream contributes so far; ``None`` without an end."""
        if self.is_endless and self._sequence[-1].places(stream).size:
            return None
        return int(self._at.first_message[stream][-1]) if stream in self.streams else 0

    def numbers(self, stream: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the event number of each of a stream's messages.

        Parameters
        ----------
        stream
            Its name, one of ``streams``.
        positions
            (n,), which message it is, counted from 0 over all cells of this stream that are not null; all of them
            less than ``count``.
        """
        at = self._at
        instance, row, repeat = at.locate(positions, at.first_message[stream])
        numbers = at.first_event[instance] + repeat * at.lengths[at.kind_of[instance]]
        for kind, where in at.kinds_at(instance):
            numbers[where] += at.kinds[kind].places(stream)[row[where]]
        return numbers

    def positions_up_to(self, stream: str, number: int) -> int:
        """Return how many messages the stream contributes to the events up to and with this number."""
        if stream not in self.streams or number < 0:
            return 0
        at = self._at
        if self.length is not None and number >= self.length:
            return int(at.first_message[stream][-1])
        instance, row, repeat = at.locate(np.array([number]), at.first_event)
        places = at.kinds[at.kind_of[instance[0]]].places(stream)
        within = int(np.searchsorted(places, row[0], "right"))
        return int(at.first_message[stream][instance[0]]) + int(repeat[0]) * int(places.size) + within

    def is_alike(self, stream: str, other: str) -> bool:
        """Tell whether two streams have a message for the same events, to be kept or discarded."""
        return all(np.array_equal(part.places(stream), part.places(other)) for part in dict.fromkeys(self._sequence))

    def expected(self, stream: str, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,), for each event number whether the stream has a message for it, to be kept or discarded."""
        return self._gather(numbers, lambda part: part.present(stream))

    def kept(self, stream: str, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,), for each event number whether the stream has a message for it that somebody gets."""
        return self._gather(numbers, lambda part: part.kept(stream))

    def _gather(self, numbers: NDArray[np.int64], column: Callable[[MapPart], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        at = self._at
        instance, row, _ = at.locate(numbers, at.first_event)
        found = np.empty(len(numbers), np.bool_)
        for kind, where in at.kinds_at(instance):
            found[where] = column(at.kinds[kind])[row[where]]
        return found

    def is_full(self, first: int, last: int) -> bool:
        """Tell whether all streams contribute to all events from first to last, and none is discarded."""
        return self._at.is_full or all(
            kind.is_full and len(kind.streams) == len(self.streams) for kind in self._at.kinds_between(first, last)
        )

    def routes(self, numbers: NDArray[np.int64], streams: Sequence[str]) -> Routes:
        """Return to whom each of these events goes.

        Parameters
        ----------
        numbers
            (n,), ascending event numbers of the map.
        streams
            The join's streams in its order.
        """
        at = self._at
        instance, row, repeat = at.locate(numbers, at.first_event)
        base = at.first_constraint[instance] + repeat * at.constraints[at.kind_of[instance]]
        kinds = [(at.kinds[kind], where) for kind, where in at.kinds_at(instance)]
        width = max(kind.constraint.shape[0] for kind, _ in kinds)
        constraint = np.full((width, len(numbers)), NOWHERE, np.int64)
        tags_code = None if len(self._tag_sets) == 1 else np.zeros((width, len(numbers)), np.int16)
        masks = None if width == 1 else np.full((width, len(numbers)), (1 << len(streams)) - 1, np.uint64)
        for kind, where in kinds:
            rows = row[where]
            entries = kind.constraint[:, rows]
            k = len(entries)
            constraint[:k, where] = np.where(entries >= 0, entries + base[where], entries)
            if tags_code is not None:
                tags_code[:k, where] = self._global_codes(kind)[kind.tags_code[:, rows]]
            if masks is not None:
                masks[:k, where] = kind.masks(rows, streams)
        return Routes(
            constraint=constraint,
            tags_code=tags_code,
            tag_sets=self._tag_sets,
            streams=masks,
            width=len(streams) if masks is not None else 0,
            horizon=int(base.min()),
        )

    def names_later(self, constraint: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
        """(m,), for each constraint as ``routes`` has them whether an event behind this number names it.

        What is appended to the map names none of those there are.
        """
        at = self._at
        instance, row, repeat = at.locate(constraint, at.first_constraint)
        last = at.first_event[instance] + repeat * at.lengths[at.kind_of[instance]]
        for kind, where in at.kinds_at(instance):
            last[where] += at.kinds[kind].last()[row[where]]
        return last > number

    def _global_codes(self, part: MapPart) -> NDArray[np.int16]:
        return np.array([self._tag_sets.index(tags) for tags in part.tag_sets], np.int16)

    @property
    def _at(self) -> "_Index":
        if self._index is None:
            self._index = _Index(self._sequence, self.streams, self.is_endless)
        return self._index

    def problems(self, streams: Sequence[str], workers: Sequence[frozenset[str]] | None = None) -> list[Problem]:
        """Check the map against the streams of its join and the tags of the workers that take its events.

        Parameters
        ----------
        streams
            The join's streams.
        workers
            Tags of each worker that will take events; ``None`` skips what depends on workers.
        """
        found = part_problems(self._parts, streams, workers)
        if not self.is_open and self.length == 0:
            found.append(Problem(where="sequence", text="the map has no events", remedy="give at least one part"))
        return found


def part_problems(
    parts: Mapping[str, MapPart], streams: Sequence[str], workers: Sequence[frozenset[str]] | None = None
) -> list[Problem]:
    """Check parts by themselves, as ``TriggerMap.problems`` does."""
    named = dict.fromkeys(stream for part in parts.values() for stream in part.streams)
    found = [
        Problem(where="streams", text=f"no stream is called {stream!r}", remedy=f"there are {', '.join(streams)}")
        for stream in named
        if stream not in streams
    ]
    for name, part in parts.items():
        found += [replace(problem, where=f"parts.{name}{problem.where}") for problem in part.problems(workers)]
    return found


class _Index:
    """Where each part of the sequence begins: in events, in constraints, and in every stream's messages."""

    __slots__ = ("constraints", "first_constraint", "first_event", "first_message", "is_endless", "is_full", "kind_of",
                 "kinds", "lengths")  # fmt: skip

    def __init__(self, sequence: Sequence[MapPart], streams: Sequence[str], is_endless: bool) -> None:
        self.is_endless = is_endless
        self.kinds = list(dict.fromkeys(sequence))
        code = {part: k for k, part in enumerate(self.kinds)}
        self.kind_of = np.array([code[part] for part in sequence], np.int64)
        self.lengths = np.array([len(part) for part in self.kinds], np.int64)
        self.constraints = np.array([part.constraints for part in self.kinds], np.int64)
        self.first_event = _starts(self.lengths[self.kind_of])
        self.first_constraint = _starts(self.constraints[self.kind_of])
        sizes = {stream: np.array([part.places(stream).size for part in self.kinds], np.int64) for stream in streams}
        self.first_message = {stream: _starts(size[self.kind_of]) for stream, size in sizes.items()}
        self.is_full = bool(self.kinds) and all(
            part.is_full and len(part.streams) == len(streams) for part in self.kinds
        )

    def locate(
        self, places: NDArray[np.int64], starts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return for each place its part in the sequence, its row there, and in which repeat of an endless part."""
        is_single = len(starts) == 2
        instance = np.zeros(len(places), np.int64) if is_single else np.searchsorted(starts, places, "right") - 1
        last = len(starts) - 2
        repeat = np.zeros(len(places), np.int64)
        if self.is_endless:
            instance = np.minimum(instance, last)
            row = places - starts[instance]
            endless = instance == last
            size = int(starts[-1] - starts[-2])
            repeat[endless], row[endless] = np.divmod(row[endless], max(size, 1))
            return instance, row, repeat
        return instance, places - starts[instance], repeat

    def kinds_at(self, instance: NDArray[np.int64]) -> list[tuple[int, slice | NDArray[np.bool_]]]:
        """Return which kinds of part occur there, and where."""
        if len(instance) and instance[0] == instance[-1]:
            return [(int(self.kind_of[instance[0]]), slice(None))]
        kinds = self.kind_of[instance]
        found = np.unique(kinds).tolist()
        return [(found[0], slice(None))] if len(found) == 1 else [(kind, kinds == kind) for kind in found]

    def kinds_between(self, first: int, last: int) -> list[MapPart]:
        """Return the kinds of part that the events from first to last belong to."""
        low, high = np.minimum(np.searchsorted(self.first_event, [first, last], "right") - 1, len(self.kind_of) - 1)
        return [self.kinds[kind] for kind in np.unique(self.kind_of[low : high + 1]).tolist()]


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m + 1,), where each of m pieces begins, and where the last ends."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)))
