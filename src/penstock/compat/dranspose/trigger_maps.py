"""Trigger maps as scans post them to dranspose's controller, with the start and end that it puts around them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.core.map_reader import read_map
from penstock.core.trigger_map import TriggerMap
from penstock.errors import MapError, Problem

__all__ = ["START_END", "scan_map", "uniform", "wrapped"]

START_END: Final = "reserved_start_end"
"""The part that is put before and behind all others."""


def wrapped(parts: Mapping[str, Any], sequence: Sequence[str], *, all_wrap: bool = True) -> dict[str, Any]:
    """Return a map as it holds: with one event before and one behind it that go to everybody.

    Of every stream there is a destination for each tag found anywhere in the map, so that whoever gets any frame gets
    the header of each stream.

    >>> wrapped({"main": {"eiger": [[{"constraint": 0}]]}}, ["main"])["sequence"]
    ['reserved_start_end', 'main', 'reserved_start_end']
    """
    if not all_wrap:
        return {"parts": dict(parts), "sequence": list(sequence)}
    tags = sorted({tag for part in parts.values() for tag in _tags(part)}) or ["generic"]
    streams = dict.fromkeys(stream for part in parts.values() if isinstance(part, Mapping) for stream in part)
    everybody = {stream: [[{"tags": [tag], "constraint": None} for tag in tags]] for stream in streams}
    return {"parts": {**parts, START_END: everybody}, "sequence": [START_END, *sequence, START_END]}


def scan_map(document: Mapping[str, Any], workers: Sequence[frozenset[str]]) -> TriggerMap:
    """Return the map of a scan, in which what comes before and behind the data are events like all others.

    Parameters
    ----------
    document
        As `wrapped` returns it.
    workers
        The tags of each worker there is.

    Raises
    ------
    MapError
        With every mistake: of form, unequal lengths, an unknown part, no events, tags that nobody has, too few workers.
    """
    found = read_map(document, wrap=False)
    problems = found.problems(found.streams, workers)
    if (found.length or 0) <= document["sequence"].count(START_END):
        problems.append(Problem(where="sequence", text="the map has no events", remedy="give at least one part"))
    if problems:
        raise MapError(problems)
    return found


def uniform(streams: Sequence[str], points: int) -> dict[str, Any]:
    """Return the part in which every point is an event of all streams, for any worker.

    >>> uniform(["a"], 2)
    {'a': [[{'constraint': 0}], [{'constraint': 1}]]}
    """
    return {stream: [[{"constraint": k}] for k in range(points)] for stream in streams}


def _tags(part: Any) -> set[str]:
    """Return the tags in a part; what is not written as it should be is refused by whoever reads it."""
    columns = part.values() if isinstance(part, Mapping) else ()
    cells = [cell for column in columns if isinstance(column, list) for cell in column]
    entries = [entry for cell in cells if isinstance(cell, list) for entry in cell]
    found = [entry.get("tags", ["generic"]) for entry in entries if isinstance(entry, Mapping)]
    return {tag for tags in found if isinstance(tags, list) for tag in tags if isinstance(tag, str)}
